"""Read the text in images by tesseract, and by a vision model."""

from __future__ import annotations

import asyncio
import shutil
import stat
from pathlib import Path

import pytest

from vivavoce.config import OpenAISection, Settings, VisionSection
from vivavoce.engines import image_reading
from vivavoce.engines.image_reading import NoImageReader, Tesseract, VisionModel, choose
from vivavoce.engines.resources import AdapterResources
from vivavoce.errors import EngineError

from ..support.model_server import ModelServer, model_server
from ..support.pictures import png, url


def program(folder: Path, body: str) -> Tesseract:
    """Return a reader with a program of ours in the place of tesseract."""
    path = folder / "tesseract"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return Tesseract(str(path))


def read(reader: image_reading.ImageReader, image: bytes, language: str = "it") -> str:
    return asyncio.run(reader.read(image, language))


LANGUAGES = 'if [ "$1" = --list-langs ]; then printf "List:\\neng\\nita\\n"; exit; fi'


@pytest.mark.parametrize(
    ("language", "names"), [("it-IT", "ita+eng"), ("es", "eng"), ("en", "eng"), ("xx", "eng")]
)
def test_tesseract_reads_in_the_installed_languages(
    tmp_path: Path, language: str, names: str
) -> None:
    reader = program(tmp_path, f'{LANGUAGES}\ncat > /dev/null; echo "$@"')
    assert read(reader, png(), language) == f"stdin stdout -l {names}"


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    reader = program(tmp_path, f"{LANGUAGES}\nexit 1")
    with pytest.raises(EngineError, match="damaged") as failure:
        read(reader, png())
    assert failure.value.code == "invalid_image"


def test_a_slow_program_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_reading, "TIMEOUT_S", 0.3)
    reader = program(tmp_path, f"{LANGUAGES}\nexec sleep 60")
    with pytest.raises(EngineError, match=r"within 0\.3 s"):
        read(reader, png())


def test_a_bomb_does_not_reach_the_program(tmp_path: Path) -> None:
    reader = program(tmp_path, "echo reached")
    with pytest.raises(EngineError, match="at most 50000000 pixels"):
        read(reader, png(100_000, 100_000))
    with pytest.raises(EngineError, match="must be a PNG, JPEG or WebP"):
        read(reader, b"GIF89a" + bytes(20))


def chosen(monkeypatch: pytest.MonkeyPatch, folder: Path, settings: Settings, image: bytes) -> str:
    monkeypatch.setattr(shutil, "which", lambda name: None)

    async def main() -> str:
        async with AdapterResources(settings, folder) as resources:
            reader = await choose(resources)
            assert isinstance(reader, VisionModel | NoImageReader)
            return await reader.read(image, "en")

    return asyncio.run(main())


def with_model(server: ModelServer) -> Settings:
    return Settings(openai=OpenAISection(base_url=server.url), vision=VisionSection(model="sees"))


def test_a_vision_model_reads_where_tesseract_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with model_server() as server:
        text = chosen(monkeypatch, tmp_path, with_model(server), png())
        (asked,) = server.asked("/chat/completions")
    assert text
    assert asked["model"] == "sees"
    assert asked["messages"][0]["content"][1]["image_url"]["url"] == url(png())


def test_without_both_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(EngineError, match=r"install tesseract-ocr, or set \[vision\] model") as no:
        chosen(monkeypatch, tmp_path, Settings(), png())
    assert no.value.code == "vision_unavailable"


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
def test_the_real_program_reads_a_screenshot() -> None:
    found = shutil.which("tesseract")
    assert found is not None
    image = (Path(__file__).parents[1] / "support/squad.png").read_bytes()
    text = read(Tesseract(found), image, "en")
    assert "ROSSI 87" in text
    assert "BIANCHI 82" in text
