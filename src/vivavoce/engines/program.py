"""Run an installed program once for one piece of work, such as a sentence or an image."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ..child_environment import kept_variables
from ..errors import EngineError


async def output_of(
    program: str, *arguments: str, given: bytes = b"", variables: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """Return the exit code and the standard output of a program, which does not outlive this call.

    `given` goes to its standard input. `variables` come on top of those that every child process
    gets. Raises `EngineError` if the program cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env=kept_variables(variables),
        )
    except OSError as error:
        raise EngineError(f"{Path(program).name}: {error.strerror}") from None
    try:
        output, _ = await process.communicate(given)
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, output
