"""Parse a document in a process of its own, and keep the result for the next start.

    bytes ─► known by their digest? ─► process: limited memory, deadline ─► ParsedDocument ─► cache

A parser is much code of other people, and a stranger may have written the document. So a document
that exhausts the memory, hangs or breaks the parser costs that process only. It becomes a mistake
of its file.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec

from ...child_environment import command, environment
from .parsed import ParsedDocument, failed

DEADLINE_S = 60.0
ANSWER_BYTES = 64 * 2**20
VERSION = 1  # a new one forgets what older parsers found
MODULE = "vivavoce.knowledge.documents"

_decode = msgspec.msgpack.Decoder(ParsedDocument).decode


class Parser(Protocol):
    """Parse the bytes of a document. It never raises."""

    def __call__(self, suffix: str, data: bytes, /) -> ParsedDocument: ...


def parse(suffix: str, data: bytes, *, deadline_s: float = DEADLINE_S) -> ParsedDocument:
    """Parse a document of this suffix, such as `.pdf`. Takes 0.2 s or more; run it in a thread."""
    try:
        done = subprocess.run(
            command(MODULE, suffix),
            input=data,
            env=environment(MODULE),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=deadline_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return failed(f"cannot be read within {deadline_s:g} s")
    except OSError as error:
        return failed(f"cannot be read: no process can be started ({type(error).__name__})")
    if done.returncode or len(done.stdout) > ANSWER_BYTES:
        return failed("cannot be read: it needs more memory or time than a document may use")
    try:
        return _decode(done.stdout)
    except (msgspec.DecodeError, msgspec.ValidationError):
        return failed("cannot be read")


class CachedParser:
    """A `Parser` that parses the same bytes once. `folder` holds files that can be made again."""

    def __init__(self, folder: Path, parser: Parser = parse) -> None:
        self._folder = folder
        self._parser = parser

    def __call__(self, suffix: str, data: bytes) -> ParsedDocument:
        """Return what is known of these bytes, or parse them."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._folder / f"{digest}{suffix}.{VERSION}"
        with suppress(OSError, msgspec.DecodeError, msgspec.ValidationError):
            return _decode(path.read_bytes())
        parsed = self._parser(suffix, data)
        if not parsed.mistakes:  # a deadline that was missed may be kept next time
            self._keep(path, parsed)
        return parsed

    def _keep(self, path: Path, parsed: ParsedDocument) -> None:
        """Write the result at once as a whole. A full disk only makes the next start slower."""
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            part = path.with_name(f"{path.name}.{os.getpid()}.part")
            part.write_bytes(msgspec.msgpack.encode(parsed))
            part.replace(path)
