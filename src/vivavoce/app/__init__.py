"""The composition root: the only place that puts concrete parts together.

parts    adapters by the names that assistants use, shared by all calls of the process
build    a plan becomes a machine, its work and their line
serving  everything a server needs, opened in order and closed in reverse
"""
