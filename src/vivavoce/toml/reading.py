"""Parse TOML and JSON so that every way to fail is one exception with a reason and a line."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..file_reading import FolderFile, UnreadableFileError, read_text

_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


@dataclass(frozen=True, slots=True)
class TomlFile:
    """The parsed tables of a file, and the text that says where their keys stand."""

    data: dict[str, Any]
    text: str


def read_toml(file: Path | FolderFile, limit: int) -> TomlFile:
    """Read and parse a file of at most `limit` bytes. Raises `UnreadableFileError`."""
    text = read_text(file, limit)
    with _one_exception():
        return TomlFile(tomllib.loads(text), text)


def parse_json(text: str) -> object:
    """Return the value of a JSON text. Raises `UnreadableFileError`."""
    with _one_exception():
        return json.loads(text)


@contextmanager
def _one_exception() -> Iterator[None]:
    """Turn the four exceptions that the two parsers raise into `UnreadableFileError`."""
    try:
        yield
    except tomllib.TOMLDecodeError as error:
        raise _toml_error(error) from None
    except json.JSONDecodeError as error:
        raise UnreadableFileError(f"is not JSON: {error.msg}", error.lineno) from None
    except RecursionError:
        raise UnreadableFileError("is nested too deeply") from None
    except ValueError:  # Python's limit on the digits of an integer
        most = sys.get_int_max_str_digits()
        raise UnreadableFileError(f"has a number of more than {most} digits") from None


def _toml_error(error: tomllib.TOMLDecodeError) -> UnreadableFileError:
    """Separate the parser's message from the line: before Python 3.14 only the text has it."""
    message = str(error)
    if (place := _PLACE.search(message)) is None:
        return UnreadableFileError(message)
    return UnreadableFileError(message[: place.start()], int(place[1]) if place[1] else None)
