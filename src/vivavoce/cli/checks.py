"""What `vivavoce doctor` tries: every part, each with how to mend it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from rich.console import Console

from ..app.adapters import Adapters, known
from ..app.data_folder import DataFolder
from ..assistants import SHIPPED, Catalogue
from ..config import Settings
from ..engines.base import VoiceRequest
from ..errors import EngineError, StoreError, VivavoceError
from ..http import static_page
from ..store.sql.store import SqlStore
from .common import err, escape_markup, out, pluralise
from .serve import unfit

LITTLE_SPACE = 500 * 1024 * 1024
FEW_FILES = 1024
STEP_S = 60.0


@dataclass(frozen=True, slots=True)
class CheckResult:
    check: str
    ok: bool
    message: str
    fix: str = ""


class CheckFailed(Exception):
    """What is wrong, and how to mend it."""

    def __init__(self, said: str, mend: str) -> None:
        super().__init__(said)
        self.said = said
        self.mend = mend


Check = Callable[[], Awaitable[str]]


async def examine(data: DataFolder, chosen: Settings, *, quiet: bool) -> list[CheckResult]:
    findings = []
    async with _patient(data, chosen) as patient:
        for part, check in patient.checks().items():
            with Console(stderr=True, quiet=quiet).status(f"{part} …"):
                finding = await _look(part, check)
            findings.append(finding)
            if not quiet:
                mark = "[green]✓[/green]" if finding.ok else "[red]✗[/red]"
                out.print(f"{mark} {finding.check:22} {escape_markup(finding.message)}")
                if finding.fix:
                    err.print(f"  → {finding.fix}", style="yellow", markup=False)
    return findings


async def _look(part: str, check: Check) -> CheckResult:
    try:
        async with asyncio.timeout(STEP_S):
            return CheckResult(part, True, await check())
    except CheckFailed as ill:
        return CheckResult(part, False, ill.said, ill.mend)
    except TimeoutError:
        return CheckResult(
            part, False, f"no answer within {STEP_S:g} s", "Is the machine overloaded?"
        )
    except VivavoceError as error:
        return CheckResult(
            part, False, str(error), "Run `make setup` again, then `vivavoce doctor`."
        )


@asynccontextmanager
async def _patient(data: DataFolder, chosen: Settings) -> AsyncIterator[_Patient]:
    with TemporaryDirectory() as elsewhere:  # a folder that is not there is not made by looking
        made = data if data.root.exists() else DataFolder(Path(elsewhere))
        async with Adapters(chosen, made) as parts:
            yield _Patient(data, chosen, parts)


class _Patient:
    def __init__(self, data: DataFolder, chosen: Settings, parts: Adapters) -> None:
        self._data = data
        self._settings = chosen
        self._parts = parts

    def checks(self) -> dict[str, Check]:
        return {
            "Python": self._python,
            "data folder": self._folder,
            "database": self._database,
            "open files": self._files,
            "TLS": self._tls,
            "page": self._page,
            "assistants": self._assistants,
            "voice detection": self._vad,
            "pauses": self._pauses,
            "speech recognition": self._stt,
            "brain": self._brain,
            "speech synthesis": self._tts,
            "provider keys": self._keys,
            "server": self._server,
        }

    async def _python(self) -> str:
        return f"{sys.version.split()[0]} on {sys.platform}, {os.cpu_count()} processors"

    async def _folder(self) -> str:
        root = self._data.root
        if not root.exists():
            return f"{root} is not there yet; the server makes it"
        try:
            probe = root / ".doctor"
            await asyncio.to_thread(probe.write_bytes, b"x")
            await asyncio.to_thread(probe.unlink)
        except OSError as error:
            raise CheckFailed(
                f"{root}: {error.strerror}",
                "Choose a folder you may write to: --data-dir or VIVAVOCE_DATA_DIR.",
            ) from None
        free = shutil.disk_usage(root).free
        if free < LITTLE_SPACE:
            raise CheckFailed(
                f"{root}: only {free // 2**20} MB are free", "Make room on that disk."
            )
        return f"{root}, {free // 2**30} GB free"

    async def _database(self) -> str:
        if not self._data.database.is_file():
            return "none yet; the server makes it"
        try:
            store = await SqlStore.open(self._data.database)
            try:
                began = time.perf_counter()
                await store.ping()
                took = (time.perf_counter() - began) * 1000
            finally:
                await store.close()
        except StoreError as error:
            raise CheckFailed(
                str(error),
                f"Stop the server, then move {self._data.database} away (a new one is made), "
                "or bring back a copy.",
            ) from None
        return f"{self._data.database.name} keeps, {took:.1f} ms a commit"

    async def _files(self) -> str:
        try:
            import resource
        except ImportError:
            return "this system has no such limit"
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < FEW_FILES:
            raise CheckFailed(f"only {soft} may be open", f"Raise the limit: ulimit -n {FEW_FILES}")
        return f"{soft} may be open"

    async def _tls(self) -> str:
        server = self._settings.server
        if server.tls_cert is None and server.tls_key is None:
            return "not used here (browsers give the microphone to https and localhost only)"
        for name, path in (("tls_cert", server.tls_cert), ("tls_key", server.tls_key)):
            if path is None:
                raise CheckFailed(f"{name} is missing", "TLS takes both files, as PEM.")
            if (reason := await asyncio.to_thread(unfit, path)) is not None:
                raise CheckFailed(f"{name}: {path} {reason}", "TLS takes both files, as PEM.")
        return f"{server.tls_cert}"

    async def _page(self) -> str:
        if not (static_page.STATIC / "index.html").is_file():
            raise CheckFailed(
                "not built", "Run `make web` (the installed package brings it built)."
            )
        return "built"

    async def _assistants(self) -> str:
        catalogue = Catalogue([SHIPPED, self._data.assistants], known())
        if catalogue.broken:
            names = ", ".join(catalogue.broken)
            raise CheckFailed(
                f"with mistakes: {names}", "vivavoce assistants check FOLDER lists them."
            )
        default = self._settings.calls.default_assistant
        if catalogue.get(default) is None:
            raise CheckFailed(
                f"the default '{default}' is not there",
                "Set calls.default_assistant in vivavoce.toml.",
            )
        return f"{', '.join(a.name for a in catalogue)} (default: {default})"

    async def _vad(self) -> str:
        detector = self._parts.detector()
        began = time.perf_counter()
        for _ in range(50):
            detector.step(bytes(1024))
        return f"{(time.perf_counter() - began) / 50 * 1e6:.0f} µs for each 32 ms of sound"

    async def _pauses(self) -> str:
        path = self._settings.speech.smart_turn_model
        try:
            judge = await self._parts.end_of_turn_model()
            if judge is None:
                return "judged by their length and the words"
            began = time.perf_counter()
            await judge.over(bytes(8 * 48_000))
        except EngineError as error:
            raise CheckFailed(
                str(error),
                "speech.smart_turn_model names smart-turn v3's ONNX file; without it, the words "
                "and the length of a pause decide.",
            ) from None
        took = (time.perf_counter() - began) * 1000
        return f"smart-turn judged one in {took:.0f} ms ({path})"

    async def _stt(self) -> str:
        assistant = Catalogue([SHIPPED], known()).get("charlotte")
        assert assistant is not None

        async def silence() -> AsyncIterator[bytes]:
            for _ in range(25):
                yield bytes(1920)

        async def heard(text: str, guess: str = "", logprobs: object = (), /) -> None: ...

        recogniser = await self._parts.recogniser(assistant, "en")
        began = time.perf_counter()
        await recogniser.listen(silence(), heard, language="en")
        took = time.perf_counter() - began
        return f"pocketsphinx heard a second of silence in {took:.1f} s (English, demo quality)"

    async def _brain(self) -> str:
        assistant = Catalogue([SHIPPED], known()).get("charlotte")
        assert assistant is not None
        await self._parts.brain(assistant, "en")
        return "the embedded one knows Charlotte's congress"

    async def _tts(self) -> str:
        assistant = Catalogue([SHIPPED], known()).get("charlotte")
        assert assistant is not None
        voice = self._parts.voice(assistant, "en")
        if voice is None:
            raise CheckFailed(
                "nothing here can speak, so answers come as text",
                "Install the voice: pip install vivavoce-espeak, or apt-get install espeak-ng.",
            )
        size = 0
        try:
            async for piece in voice.speak("One, two, three.", VoiceRequest(name="marin")):
                size += len(piece.pcm)
        except EngineError as error:
            raise CheckFailed(
                str(error), "apt-get install espeak-ng, or `make setup` again."
            ) from None
        return f"{type(voice).__name__} said {size / 48_000:.1f} s"

    async def _keys(self) -> str:
        catalogue = Catalogue([SHIPPED, self._data.assistants], known())
        away = [a for a in catalogue if a.engine == "upstream"]
        without = [a for a in away if not a.upstream_key()]
        if without:
            keys = {a.name: a.upstream.key for a in without}
            wanted = [f"{name} takes it from {key.env or key.file}" for name, key in keys.items()]
            raise CheckFailed(
                f"no key for {', '.join(keys)} in this shell's environment and files",
                f"[upstream] key says where: {'; '.join(wanted)}. "
                "A server that runs may have another environment than this shell.",
            )
        if not away:
            return "none are needed"
        return f"{pluralise(len(away), 'assistant')} with another provider, each with a key here"

    async def _server(self) -> str:
        if not self._data.address.is_file():
            return "not running on this data folder"
        url = await asyncio.to_thread(Path(self._data.address).read_text, "utf-8")
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            async with asyncio.timeout(5):
                _, writer = await asyncio.open_connection(parts.hostname, port)
        except (OSError, TimeoutError):
            return f"not running: nobody answers at {url}, where it was last"
        writer.close()
        return f"running at {url}"
