"""Print to the terminal: the only module of the command line that writes text to it.

`print` takes our own words with rich's markup, and `escape_markup` puts foreign text into them.
`line` takes one line without markup, with whatever text it contains.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper

import typer
from rich.console import Console
from rich.markup import escape

from .printable import json_in_ascii, printable, printable_json


class Terminal:
    """One of the two standard streams."""

    def __init__(self, *, stderr: bool = False) -> None:
        self.console = Console(stderr=stderr, highlight=False, emoji=False, soft_wrap=True)

    @property
    def is_terminal(self) -> bool:
        return self.console.is_terminal

    def print(self, marked: str, style: str | None = None) -> None:
        """Print our own words, with markup and line breaks."""
        self.console.print(printable(marked, keep="\n"), style=style)

    def line(self, text: str, style: str | None = None) -> None:
        """Print one line without markup. Text of others in it cannot begin another one."""
        self.console.print(printable(text), style=style, markup=False)

    def json(self, written: str) -> None:
        """Print JSON: escaped as JSON has it, so that a program can read it from any stream."""
        file = self.console.file
        try:
            written.encode(getattr(file, "encoding", None) or "utf-8")
        except UnicodeEncodeError:
            written = json_in_ascii(written)
        file.write(printable_json(written) + "\n")


out = Terminal()
err = Terminal(stderr=True)


def escape_markup(text: str) -> str:
    """Return text of users, files and servers as it may stand in markup."""
    return escape(printable(text))


def confirmed(question: str) -> bool:
    """Ask a question, and return the answer. "No" is the default."""
    return typer.confirm(printable(question), err=True)


def confirm(question: str) -> None:
    """Ask, and end the program unless the answer is yes."""
    typer.confirm(printable(question), abort=True, err=True)


def replace_unencodable() -> None:
    """Print characters that the terminal's encoding does not have as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
