"""Read the text in images, for tools: by the program tesseract, otherwise by a vision model."""

from __future__ import annotations

import asyncio
import binascii
import os
import shutil
from base64 import b64encode
from typing import Protocol

import msgspec

from ..core.images import IMAGE_BYTES, read_header
from ..core.types import JsonObject
from ..errors import EngineError
from ..net.http import HttpClient
from .openai_endpoint import Endpoint
from .program import output_of
from .resources import AdapterResources

TIMEOUT_S = 20.0  # for one image
AT_ONCE = 2  # processes of tesseract
TEXT_CHARACTERS = 20_000  # of one image; the rest is cut
ASKS = "Write the text in this image, exactly and in its order, and nothing else."

_CODES = {"en": "eng", "it": "ita", "es": "spa", "de": "deu", "fr": "fra", "pt": "por", "nl": "nld"}
"""Tesseract's names of languages."""


class ImageReader(Protocol):
    async def read(self, image: bytes, language: str) -> str:
        """Return the text in an image. Raises `EngineError`."""

    async def described(self) -> str:
        """Say what reads images, for `vivavoce doctor`. Raises `EngineError`."""


def checked(image: bytes) -> str:
    """Return the MIME type of an image that may be read. Raises `EngineError`."""
    try:
        if len(image) > IMAGE_BYTES:
            raise ValueError(f"may have at most {IMAGE_BYTES} bytes, and has {len(image)}")
        return read_header(image).type
    except ValueError as problem:
        raise EngineError(f"The image {problem}.", "invalid_image") from None


def decoded(url: str) -> bytes:
    """Return the bytes of a data URL with base64. Raises `EngineError`."""
    try:
        return binascii.a2b_base64(url.partition(",")[2].encode(), strict_mode=True)
    except ValueError:
        raise EngineError("The image must be valid base64.", "invalid_image") from None


class Tesseract:
    """Reads images by one process of tesseract for each. Nothing is written to disk."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._free = asyncio.Semaphore(AT_ONCE)
        self._installed: frozenset[str] | None = None

    async def described(self) -> str:
        """Say in which languages it reads. Raises `EngineError` if there is none."""
        try:
            async with asyncio.timeout(TIMEOUT_S), self._free:
                await self._names("en")
        except TimeoutError:
            raise EngineError(f"tesseract did not answer within {TIMEOUT_S:g} s.") from None
        return f"read by tesseract: {', '.join(sorted((self._installed or set()) - {'osd'}))}"

    async def read(self, image: bytes, language: str) -> str:
        checked(image)
        try:
            async with asyncio.timeout(TIMEOUT_S), self._free:
                names = await self._names(language)
                text = await self._run("stdin", "stdout", "-l", names, given=image)
        except TimeoutError:
            message = f"The image was not read within {TIMEOUT_S:g} s."
            raise EngineError(message, "image_timeout") from None
        return text.decode("utf-8", "replace").strip()[:TEXT_CHARACTERS]

    async def _names(self, language: str) -> str:
        """Return the installed languages to read in: the call's, then English."""
        if self._installed is None:
            listed = await self._run("--list-langs")
            self._installed = frozenset(listed.decode("utf-8", "replace").split())
        wanted = (_CODES.get(language.partition("-")[0].lower(), "eng"), "eng")
        names = [name for name in dict.fromkeys(wanted) if name in self._installed]
        if not names:
            raise EngineError("tesseract has no language: install tesseract-ocr-eng.")
        return "+".join(names)

    async def _run(self, *arguments: str, given: bytes = b"") -> bytes:
        """Return the output of the program. Raises `EngineError`."""
        code, output = await output_of(
            self._program, *arguments, given=given, variables={"OMP_THREAD_LIMIT": "1"}
        )
        if code:
            raise EngineError("The image is damaged: tesseract cannot read it.", "invalid_image")
        return output


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Answer(msgspec.Struct):
    choices: list[_Choice]


class VisionModel:
    """Reads images by a model on an OpenAI-compatible server."""

    def __init__(self, endpoint: Endpoint, model: str) -> None:
        self._endpoint = endpoint
        self._model = model

    async def described(self) -> str:
        """Name the model. It is not asked, because that may cost money."""
        return f"read by the model {self._model} of [vision], which was not asked"

    async def read(self, image: bytes, language: str) -> str:
        mime = checked(image)
        url = f"data:{mime};base64,{(await asyncio.to_thread(b64encode, image)).decode()}"
        content = [{"type": "text", "text": ASKS}, {"type": "image_url", "image_url": {"url": url}}]
        messages = [{"role": "user", "content": content}]
        body: JsonObject = {"model": self._model, "messages": messages}
        try:
            async with (
                asyncio.timeout(TIMEOUT_S),
                self._endpoint.post("/chat/completions", body) as answer,
            ):
                data = await answer.read()
        except TimeoutError:
            message = f"The image was not read within {TIMEOUT_S:g} s."
            raise EngineError(message, "image_timeout") from None
        try:
            text = msgspec.json.decode(data, type=_Answer).choices[0].message.content
        except (ValueError, IndexError, RecursionError):
            raise EngineError("The vision model's answer cannot be read.") from None
        return (text or "").strip()[:TEXT_CHARACTERS]


class NoImageReader:
    """Says what is missing."""

    async def described(self) -> str:
        return "not read: tools that read them need tesseract-ocr, or [vision] model"

    async def read(self, image: bytes, language: str) -> str:
        checked(image)
        raise EngineError(
            "This server cannot read images: install tesseract-ocr, or set [vision] model.",
            "vision_unavailable",
        )


async def choose(resources: AdapterResources) -> ImageReader:
    """Return the reader of this machine: tesseract, otherwise the model of `[vision]`."""
    if program := shutil.which("tesseract"):
        return Tesseract(program)
    vision, common = resources.settings.vision, resources.settings.openai
    if vision.model is None:
        return NoImageReader()
    url = vision.base_url or common.base_url
    private = resources.settings.net.allow_private
    http = await resources.once(
        "vivavoce.vision", lambda: HttpClient(allow_private=private, trusted=[url])
    )
    secret = vision.api_key or (common.api_key if vision.base_url is None else None)
    key = secret.get_secret_value() if secret else None
    if key is None and vision.base_url is None:
        key = os.environ.get("OPENAI_API_KEY", "").strip() or None
    return VisionModel(Endpoint(http, url, key, timeout_s=TIMEOUT_S), vision.model)
