"""The command lines of espeak-ng and flite, where they are installed."""

from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import pytest

from vivavoce.engines.base import VoiceRequest
from vivavoce.engines.tts import command_line
from vivavoce.engines.tts.command_line import CommandLineTts
from vivavoce.errors import EngineError

from ..support.processes import children

ESPEAK = shutil.which("espeak-ng")
needs_espeak = pytest.mark.skipif(ESPEAK is None, reason="espeak-ng is not on this machine")


async def say(speaker: CommandLineTts, text: str = "Good morning.", **voice: str) -> bytes:
    name = voice.pop("name", "marin")
    speech = speaker.speak(text, VoiceRequest(name=name, language=voice.get("language")))
    return b"".join([piece.pcm async for piece in speech])


@needs_espeak
def test_an_unknown_language_is_spoken_in_english() -> None:
    assert ESPEAK is not None
    speaker = CommandLineTts(ESPEAK)
    for language in ("it", "it-IT", "tlh", "../../../etc/passwd", ""):
        assert asyncio.run(say(speaker, language=language)), language


def test_what_is_found_is_what_is_on_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command_line.find() is None
    flite = tmp_path / "flite"
    flite.write_text("#!/bin/sh\n")
    flite.chmod(0o755)
    assert command_line.find() == str(flite)


def program(folder: Path, name: str, body: str) -> str:
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{body}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("name", ["espeak-ng", "flite"])
@pytest.mark.parametrize("body", ["", "print('no sound')", "raise SystemExit(3)"])
def test_a_program_that_makes_no_sound_is_an_engine_that_failed(
    tmp_path: Path, name: str, body: str
) -> None:
    with pytest.raises(EngineError):
        asyncio.run(say(CommandLineTts(program(tmp_path, name, body))))
    with pytest.raises(EngineError):
        asyncio.run(say(CommandLineTts(str(tmp_path / "nothing"))))


def test_a_program_that_hangs_is_ended(tmp_path: Path) -> None:
    hangs = program(tmp_path, "espeak-ng", "import time; time.sleep(60)")
    with pytest.raises(EngineError) as caught:
        asyncio.run(say(CommandLineTts(hangs, deadline_s=0.2)))
    assert caught.value.code == "engine_timeout"
    assert not children(hangs)


def test_a_program_does_not_outlive_an_interruption(tmp_path: Path) -> None:
    hangs = program(tmp_path, "espeak-ng", "import time; time.sleep(60)")

    async def story() -> None:
        speaking = asyncio.create_task(say(CommandLineTts(hangs)))
        async with asyncio.timeout(5):
            while not children(hangs):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        speaking.cancel()
        await asyncio.wait([speaking])
        assert not children(hangs)

    asyncio.run(story())
