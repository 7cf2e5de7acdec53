"""Start `vivavoce` processes from one that has loaded the server already.

To load the server takes a second of processor time, and the tests start hundreds of servers. One
process per run of pytest loads it once, and forks a child for each command. A child has its own
arguments, environment, output and signals, and runs the command's own `main`. Where a fork would
differ from a new process (variables that Python itself reads, other systems than Linux), `start`
makes a new process.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, NoReturn, Protocol

MAX_REQUEST = 1 << 18
MODULES = (
    "vivavoce.cli.main", "vivavoce.cli.http_server", "vivavoce.store.sql.migrations",
    "vivavoce.api", "vivavoce.app.tool_kinds", "vivavoce.engines.vad.silero",
    "vivavoce.engines.builtin.espeak", "vivavoce.engines.builtin.openai",
    "vivavoce.engines.builtin.turns", "vivavoce.engines.tts.espeak",
    "vivavoce_embedded.adapters", "vivavoce_embedded.brain.workers", "vivavoce_embedded.stt.pool",
    "onnxruntime", "rich.markdown", "uvloop",
)  # fmt: skip
READ_BY_PYTHON = ("PYTHON", "LD_", "MALLOC_", "LC_", "LANG")


class Process(Protocol):
    """A running process, as far as the tests use `subprocess.Popen`."""

    pid: int

    @property
    def stdout(self) -> IO[str] | None: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def send_signal(self, sig: int) -> None: ...

    def terminate(self) -> None: ...

    def kill(self) -> None: ...


def start(arguments: Sequence[str], environ: Mapping[str, str], stderr: IO[str]) -> Process:
    """Start `vivavoce` with these arguments. Its output comes by the `stdout` of the process."""
    if sys.platform == "linux" and not _differ(environ):
        return _parent().start(arguments, environ, stderr)
    return subprocess.Popen(
        [sys.executable, "-m", "vivavoce", *arguments],
        env=dict(environ), stdout=subprocess.PIPE, stderr=stderr, text=True,
    )  # fmt: skip


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run `vivavoce` with these arguments to its end, within 60 seconds."""
    with tempfile.TemporaryFile("w+") as errors:
        process = start(arguments, environ, errors)
        late = threading.Timer(60, process.kill)
        late.start()
        assert process.stdout is not None
        with process.stdout:
            printed = process.stdout.read()
        code = process.wait()
        late.cancel()
        errors.seek(0)
        return subprocess.CompletedProcess(["vivavoce", *arguments], code, printed, errors.read())


def _read_by_python(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(READ_BY_PYTHON)}


def _differ(environ: Mapping[str, str]) -> bool:
    return _read_by_python(environ) != _read_by_python(_parent().environ)


class _Child:
    """A forked process. Its parent writes the process id, and later the exit code, to a pipe."""

    def __init__(self, stdout: IO[str], status: int) -> None:
        self.stdout: IO[str] | None = stdout
        self._status = os.fdopen(status, "r")
        self.pid = int(self._status.readline())
        self._code: int | None = None

    def poll(self) -> int | None:
        return self._await(0)

    def wait(self, timeout: float | None = None) -> int:
        code = self._await(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(["vivavoce"], timeout or 0)
        return code

    def _await(self, timeout: float | None) -> int | None:
        if self._code is None and select.select([self._status], [], [], timeout)[0]:
            self._code = int(self._status.readline())
            self._status.close()
        return self._code

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class _WarmParent:
    """The process that forks, seen from pytest. It ends with pytest, and so do its children."""

    def __init__(self) -> None:
        self.environ = {**os.environ, "PYTHONWARNINGS": "error::ResourceWarning"}
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                env=self.environ, pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip

    def start(
        self, arguments: Sequence[str], environ: Mapping[str, str], stderr: IO[str]
    ) -> _Child:
        request = json.dumps([list(arguments), dict(environ), os.getcwd()]).encode()
        assert len(request) < MAX_REQUEST
        out, child_out = os.pipe()
        status, child_status = os.pipe()
        try:
            socket.send_fds(self._requests, [request], [child_out, stderr.fileno(), child_status])
        finally:
            os.close(child_out)
            os.close(child_status)
        return _Child(os.fdopen(out, "r"), status)

    def close(self) -> None:
        self._requests.close()
        self._process.wait(20)


_started: list[_WarmParent] = []


def _parent() -> _WarmParent:
    if not _started:
        _started.append(_WarmParent())
    return _started[0]


def close() -> None:
    """End the process that forks, and what it has started."""
    while _started:
        _started.pop().close()


# In the process that forks


def serve_requests(requests: socket.socket) -> None:
    """Fork a child for each request, and report its end. Return when pytest has gone."""
    children: dict[int, int] = {}
    wake, ended = os.pipe()
    os.set_blocking(ended, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ended)
    watched = [requests.fileno(), wake]
    while True:
        ready, _, _ = select.select(watched, [], [])
        if wake in ready:
            os.read(wake, 4096)
            _reap(children)
        if requests.fileno() in ready:
            message, fds, _, _ = socket.recv_fds(requests, MAX_REQUEST, 3)
            if not message:
                break
            out, err, status = fds
            if (pid := os.fork()) == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _run(message, out, err, [requests.fileno(), wake, ended, *children.values()])
            os.write(status, f"{pid}\n".encode())
            children[pid] = status
            os.close(out)
            os.close(err)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _reap(children: dict[int, int]) -> None:
    for pid, status in list(children.items()):
        ended, code = os.waitpid(pid, os.WNOHANG)
        if ended:
            _report(status, code)
            del children[pid]


def _report(status: int, code: int) -> None:
    with suppress(BrokenPipeError):  # pytest forgot the process
        os.write(status, f"{os.waitstatus_to_exitcode(code)}\n".encode())
    os.close(status)


def _run(message: bytes, out: int, err: int, of_the_parent: Sequence[int]) -> NoReturn:
    """Be the command: take its arguments, its environment and its output, and exit as it does."""
    arguments, environ, folder = json.loads(message)
    for fd in of_the_parent:
        os.close(fd)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.closerange(3, max(out, err) + 3)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    sys.argv = ["vivavoce", *arguments]
    code = 1
    try:
        from vivavoce.cli.main import main

        main()
        code = 0
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else int(exit_.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    """Load the server, then fork."""
    import gc
    from importlib import import_module

    for name in MODULES:
        import_module(name)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as requests:
        serve_requests(requests)


if __name__ == "__main__":
    main()
