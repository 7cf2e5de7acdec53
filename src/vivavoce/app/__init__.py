"""Construct concrete parts and connect them. No other package does.

adapters     the adapters by the names that assistants use, shared by all calls of the process
build        a call's machine, its work and its driver
catalogue    the assistants of a data folder
checks       the checks of `vivavoce doctor`
data_folder  the paths in a data folder
server       everything that a server needs, opened in order and closed in reverse
storage      the database of a data folder
tls_files    the two PEM files of TLS
"""
