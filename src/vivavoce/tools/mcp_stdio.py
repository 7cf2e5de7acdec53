"""Run an MCP server as a child process, and pass its messages: one line of JSON each.

A transport of the official SDK. The SDK's own one inherits more of the environment, and has no
bound for a line.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter

from ..child_environment import kept_variables
from ..errors import EngineError

if TYPE_CHECKING:
    from mcp.client._transport import TransportStreams

COMPLAINT_BYTES, COMPLAINT_CHARACTERS = 4096, 200  # of the standard error that are kept
EXIT_S = 0.5  # from the end of its output until a program has ended
LEAVE_S = 2.0  # from the end of its input until the server kills a process

_Sender = MemoryObjectSendStream[SessionMessage | Exception]
_Receiver = MemoryObjectReceiveStream[SessionMessage]


@asynccontextmanager
async def stdio(
    command: Sequence[str], env: Mapping[str, str], folder: Path, line_bytes: int
) -> AsyncGenerator[TransportStreams, None]:
    """Start the process, and end it with all its children.

    `env`: the operator's own variables for it, beside those that every child process gets. Raises
    `OSError` if it cannot be started, and `ProgramEndedError` if it ended by itself: then with the
    last line of its standard error. The rest of that is dropped, because it may quote users. A line
    of more than `line_bytes` ends the connection.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        env=kept_variables(env),
        cwd=folder,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        limit=line_bytes,
        start_new_session=True,
    )
    ending = _Ending()
    received, read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    write, to_send = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with read, write, anyio.create_task_group() as tasks:
            tasks.start_soon(_receive, process, received, ending)
            tasks.start_soon(_send, process, to_send, received)
            tasks.start_soon(ending.read, process)
            yield read, write
            tasks.cancel_scope.cancel()
        await ending.report(command[0], process)
    except Exception:
        with anyio.CancelScope(shield=True):
            await ending.report(command[0], process)
        raise
    finally:
        received.close()
        to_send.close()
        with anyio.CancelScope(shield=True):
            await _end(process)


class ProgramEndedError(EngineError):
    """A program ended although its input had not."""

    def __init__(self, program: str, code: int, complaint: str) -> None:
        """`code`: of its exit, or the negative number of the signal that ended it."""
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        said = f": {complaint}" if complaint else ""
        self.brief = f"the program {program} ended with {how}"  # without words of the program
        super().__init__(self.brief + said, "mcp_program_ended")


class _Ending:
    """Keeps how a program ended, and the last line that it wrote to its standard error."""

    def __init__(self) -> None:
        self.is_over = False  # has the program ended its output?
        self._last = b""

    async def report(self, program: str, process: Process) -> None:
        """Raise `ProgramEndedError` if the program has ended by itself, or is about to."""
        if not self.is_over:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(EXIT_S):
                code = await process.wait()
                await self.read(process)
                raise ProgramEndedError(Path(program).name, code, self._line)

    @property
    def _line(self) -> str:
        """The line, without what a terminal would obey, or "" if there was none."""
        lines = [
            line for line in self._last.decode("utf-8", "replace").splitlines() if line.strip()
        ]
        text = "".join(c if c.isprintable() else " " for c in lines[-1]) if lines else ""
        return " ".join(text.split())[:COMPLAINT_CHARACTERS]

    async def read(self, process: Process) -> None:
        """Read to the end, so that a program which writes much is never stopped by a full pipe."""
        assert process.stderr is not None
        while piece := await process.stderr.read(COMPLAINT_BYTES):
            self._last = (self._last + piece)[-COMPLAINT_BYTES:]


async def _receive(process: Process, received: _Sender, ending: _Ending) -> None:
    assert process.stdout is not None
    async with received:
        with suppress(
            anyio.BrokenResourceError, ConnectionError, ValueError
        ):  # a line above the bound is a ValueError
            while line := await process.stdout.readline():
                await received.send(_message(line))
            ending.is_over = True


def _message(line: bytes) -> SessionMessage | Exception:
    """Return one message, or an exception, which the SDK ignores."""
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError:
        return ValueError("not a message")  # without the text, which a log would show


async def _send(process: Process, to_send: _Receiver, received: _Sender) -> None:
    assert process.stdin is not None
    async with to_send:
        try:
            async for each in to_send:
                line = each.message.model_dump_json(by_alias=True, exclude_unset=True)
                process.stdin.write(line.encode() + b"\n")
                await process.stdin.drain()
        except (OSError, RuntimeError):
            await received.aclose()  # no request waits for a process that is gone


async def _end(process: Process) -> None:
    """End its input. Kill it, and what it started, if that does not help."""
    assert process.stdin is not None
    with suppress(OSError, RuntimeError):
        process.stdin.close()
    try:
        async with asyncio.timeout(LEAVE_S):
            await process.wait()
    except TimeoutError:
        pass
    _kill(process)
    with suppress(TimeoutError):
        async with asyncio.timeout(LEAVE_S):
            await process.wait()


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)  # its group also has what it started
        elif process.returncode is None:
            process.kill()
