"""Documents that other programs write: PDF, Word, Excel, calendars, web pages, plain text.

`reading` parses one file in a process of its own, with a deadline and a limit of memory. The other
modules run in that process. Each of them has one function, `read(data)`.
"""
