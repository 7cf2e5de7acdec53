"""What can go wrong on purpose. Anything else that is raised is a bug, and stays loud.

VivavoceError
├── InvalidRequest      the client's fault: an `error` event or a 4xx, never a crash
├── EngineError         an engine's fault: the reply or the transcript fails, the call lives
├── StoreError          the disk's fault: nobody is told what was to be kept
├── AssistantError      the author's fault: the folder has mistakes, all of them listed
└── ConfigError         the operator's fault: a setting is wrong or a file is missing
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tomllib


class VivavoceError(Exception):
    """The root of all errors that are part of the product."""


class InvalidRequest(VivavoceError):
    """The client asked for something it cannot have.

    `code`, `message` and `param` go onto the wire as they are (protocol §3.1);
    `event_id` is the client's own id of the event that failed.
    """

    def __init__(
        self, code: str, message: str, param: str | None = None, event_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.event_id = event_id


class EngineError(VivavoceError):
    """An engine could not do its work. `code` is what `response.done` tells the client."""

    def __init__(self, message: str, code: str = "engine_failed") -> None:
        super().__init__(message)
        self.code = code


class StoreError(VivavoceError):
    """The store could not promise anything."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong in a file that people write."""

    file: str
    key: str
    line: int | None
    message: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


TOO_MANY_DIGITS = "has a number of too many digits"
"""What a parser of TOML or JSON raises as a bare `ValueError`."""


def misread(error: tomllib.TOMLDecodeError) -> tuple[str, int | None]:
    """What is wrong, and in which line: the parser says the place only in words."""
    found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
    if found is None:
        return str(error), None
    return str(error)[: found.start()], int(found[1]) if found[1] else None


class MistakesError(VivavoceError):
    """Everything that is wrong with what somebody wrote, all at once."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes


class AssistantError(MistakesError):
    """An assistant's folder cannot be used as it is."""


class ConfigError(MistakesError):
    """The settings cannot be used as they are."""
