"""Every error that the product raises on purpose. Any other exception is a bug, and stays loud.

The type says whose fault it is. Modules in brackets define the types that are not defined here.

VivavoceError
├── InvalidRequest      the client's: an `error` event or a 4xx, and the call goes on
├── CallRefused         the server says no: a 4xx or 5xx, or `error` and a close (runtime.refusals)
├── EngineError         an engine's: the response or the transcript fails, and the call goes on
│   └── Stopped         its process ended or did not answer in time (engines.child_process)
├── NotConnected        a hosted model's: no call begins (upstream.connection)
├── Unreachable         a WebSocket server's: it cannot be reached (net.dial)
├── NetError            an HTTP server's: a request did not succeed (net.errors)
├── StoreError          the disk's: nothing that it should keep is confirmed to a client
├── UnreadableFile      a file's: it cannot be read, or must not be (file_reading)
│   ├── MissingFile     it does not exist
│   └── LeadsOut        it lies outside of the folder
└── MistakesError       an author's: everything that is wrong in a file that a person wrote
    ├── AssistantError  the author's: the assistant's folder
    └── ConfigError     the operator's: the settings

Access returns a credential that it does not accept as a value (`access.auth_failure.AuthFailure`),
because a revoked credential is also a fact about a running call. `runtime.refusals.refused` makes a
`CallRefused` of it.
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
