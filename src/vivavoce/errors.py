"""The expected errors. The type says whose fault it is; any other exception is a bug.

Modules in brackets define the types that are not defined here.

VivavoceError
├── InvalidRequest           the client's: an `error` event or a 4xx, and the call goes on
├── CallRefused              the server refuses a call: 4xx, 5xx or a close (runtime.refusals)
├── EngineError              an engine's: the response or the transcript fails, the call goes on
│   ├── AdapterNotUsableError  the operator's: an adapter cannot serve calls (engines.registry)
│   ├── DatabaseError        a tool's: its statement or its database is wrong (tools.database)
│   ├── ProgramEndedError    an MCP server's: its program ended by itself (tools.mcp_stdio)
│   └── Stopped              its process ended or did not answer in time (engines.child_process)
├── NotConnected             a hosted model's: no call begins (upstream.connection)
├── UnreadableEventError     a server's: the command line cannot read its event (cli.server_events)
├── OpusMissingError         the operator's: libopus is not installed (transports.webrtc.libopus)
├── OpusError                a client's: a packet that is not Opus (transports.webrtc.opus)
├── NoPortError              the operator's: no UDP port is free (transports.webrtc.ice)
├── InvalidAddressError      the operator's: an address cannot work (web_address)
├── UnreachableError         another server's: no WebSocket was opened (net.dial)
├── NetError                 another server's, or egress rules refuse the request (net.errors)
├── StoreError               the disk's: the server sends no receipt, and closes with 1011
│   └── ConversationDeletedError  somebody's: the call ends with 4000
├── UnreadableFileError      a file's: it cannot be read, or must not be (file_reading)
│   ├── MissingFileError     it does not exist
│   └── OutsideFolderError   it lies outside of the folder
└── MistakesError            an author's: every mistake in a file that a person wrote
    ├── AssistantError       the author's: the assistant's folder
    └── ConfigError          the operator's: a setting is wrong or a file is missing

Access returns a credential that it does not accept as a value (`access.auth_failure.AuthFailure`),
because a revoked credential is also a fact about a running call. `runtime.refusals.refused` makes a
`CallRefused` of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


class VivavoceError(Exception):
    """The root of all expected errors."""


class InvalidRequest(VivavoceError):  # noqa: N818  # the protocol: `invalid_request_error`
    """The client sent a request that the server refuses.

    `code`, `message` and `param` are sent to the client unchanged (protocol §3.1);
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
    """An engine failed. The client gets `code` in `response.done`."""

    def __init__(self, message: str, code: str = "engine_failed") -> None:
        super().__init__(message)
        self.code = code


StoreCause = Literal[
    "full",  # the disk has no room
    "access",  # the user of this process may not write
    "locked",  # by another program
    "damaged",
    "newer",  # a newer version has written it
    "older",  # an older version has written it, and it was not migrated
    "foreign",  # another program's, or no database
    "device",  # the disk reports errors
    "other",
]


class StoreError(VivavoceError):
    """The store could not read, or could not promise that a write is on disk."""

    def __init__(self, message: str, cause: StoreCause = "other") -> None:
        super().__init__(message)
        self.cause = cause


class ConversationDeletedError(StoreError):
    """The conversation that a change belongs to does not exist any more."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a file that people write. `line` is None if it is not known."""

    file: str
    key: str
    line: int | None
    message: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


class MistakesError(VivavoceError):
    """All mistakes of one file or folder."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes


class AssistantError(MistakesError):
    """An assistant's folder has mistakes."""


class ConfigError(MistakesError):
    """The settings have mistakes."""
