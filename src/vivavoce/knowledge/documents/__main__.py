"""Parse one document: the name of its format is the argument, its bytes are the input.

The answer is a `ParsedDocument` in MessagePack. The limits of this process protect the server from
a document that a parser cannot handle.
"""

from __future__ import annotations

import sys
from importlib import import_module

import msgspec

MEMORY_BYTES = 1024 * 2**20
CPU_S = 60
ANSWER_BYTES = 64 * 2**20
MODULES = {
    ".pdf": "pdf",
    ".docx": "word",
    ".xlsx": "spreadsheet",
    ".ics": "agenda",
    ".html": "web_page",
    ".htm": "web_page",
}


def limit() -> None:
    """Bound the memory and the CPU time of this process, where the system can."""
    try:
        import resource
    except ImportError:  # Windows: the server's deadline is the only bound
        return
    for what, most in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, CPU_S)):
        _, hard = resource.getrlimit(what)
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (soft, hard))


def main() -> None:
    limit()
    reader = import_module(f"{__package__}.{MODULES[sys.argv[1]]}")
    parsed = reader.read(sys.stdin.buffer.read())
    answer = msgspec.msgpack.encode(parsed)
    if len(answer) > ANSWER_BYTES:  # the server would keep all of it to count it
        sys.exit(1)
    sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    main()
