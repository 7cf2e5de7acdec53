"""Run a module in a process of its own, and talk with it through its pipes.

A `Child` reads from its standard input and writes to its standard output; its owner defines the
messages. It ends when its input does, so it does not outlive the server.
"""

from __future__ import annotations

import asyncio
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

from ..child_environment import command, environment, kept_variables
from ..errors import EngineError

__all__ = ["ChildProcess", "Stopped", "command", "environment", "kept_variables"]

LEAVE_S = 2.0  # from the end of its input until the server kills a process

Answer = TypeVar("Answer")


class Stopped(EngineError):
    """The process ended by itself."""


class ChildProcess:
    """One process at a time: started when it is needed, and again after it died.

    `what` names it in errors. `late`: the error's sentence when it gives no answer in time.
    """

    def __init__(self, module: str, what: str, *, late: str = "") -> None:
        self._module = module
        self._what = what
        self._late = late or f"The {what} does not answer."
        self._process: Process | None = None
        self._killed = False

    @property
    def running(self) -> bool:
        alive = self._process is not None and self._process.returncode is None
        return alive and not self._killed

    async def start(self) -> None:
        """Start the process. Raises `EngineError` if that fails."""
        await self.reap()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command(self._module), env=environment(self._module), stdin=PIPE, stdout=PIPE
            )
        except OSError as error:
            raise EngineError(f"The {self._what} cannot be started: {error.strerror}.") from None

    @property
    def answers(self) -> StreamReader:
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def _input(self) -> StreamWriter:
        assert self._process is not None
        assert self._process.stdin is not None
        return self._process.stdin

    def write(self, data: bytes) -> None:
        """Write without waiting. Data for a process that has ended is dropped."""
        if self.running:
            with suppress(RuntimeError, OSError):  # it is gone: reading its answer says so
                self._input.write(data)

    async def send(self, data: bytes, within_s: float) -> None:
        """Write, and wait while the process is behind. Raises `EngineError`."""
        self.write(data)
        try:
            transport = self._input.transport
            # A deadline costs more than the piece of audio that the process has already taken.
            if transport.get_write_buffer_size() or transport.is_closing():
                await self.in_time(self._input.drain(), within_s)
        except (OSError, RuntimeError):
            raise self.stopped() from None

    async def in_time(self, answer: Awaitable[Answer], within_s: float) -> Answer:
        """Wait for an answer. A process that does not give it in time is killed."""
        try:
            async with asyncio.timeout(within_s):
                return await answer
        except TimeoutError:
            self.kill()
            raise EngineError(self._late, f"{self._what}_timeout") from None

    def stopped(self) -> Stopped:
        """Say that it ended by itself, and make sure that it did."""
        self.kill()
        return Stopped(f"The {self._what} stopped unexpectedly.")

    def garbled(self) -> EngineError:
        """Say that its output cannot be read, and make sure that it ends."""
        self.kill()
        return EngineError(f"The {self._what} gave an answer that cannot be read.")

    def kill(self) -> None:
        if self.running and self._process:
            self._killed = True
            with suppress(ProcessLookupError):
                self._process.kill()

    async def reap(self) -> int | None:
        """If it had to be killed, wait until it is gone. Returns how it ended."""
        if self._killed and self._process:
            await self._process.wait()
            self._killed = False
        return self._process.returncode if self._process else None

    async def stop(self) -> None:
        """End its input; kill it if that does not help."""
        if not self.running or self._process is None:
            await self.reap()
            return
        self._input.close()
        try:
            async with asyncio.timeout(LEAVE_S):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self.reap()
