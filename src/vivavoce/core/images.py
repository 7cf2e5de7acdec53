"""Images in messages: their type and size, read from the bytes at their beginning.

Nothing is decompressed. So an image that unpacks to gigabytes costs no more than a small one. The
type is that of the bytes: the MIME type that a client declares is replaced by it.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import msgspec
from msgspec import UNSET

from ..errors import InvalidRequest
from ..protocol.items import Item, Message, Part

MIB = 1024 * 1024
IMAGE_BYTES = 11 * MIB
PIXELS = 50_000_000
HEAD_BYTES = 384 * 1024  # in which a JPEG names its size: behind its metadata

ImageType = Literal["image/png", "image/jpeg", "image/webp"]

_FIRST_CHARACTERS = 64
_HEAD_CHARACTERS = HEAD_BYTES * 4 // 3  # of base64, a multiple of four, as the first ones are
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # JPEG markers that name the size
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD9)}


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """The facts that an image states about itself. Sizes are in pixels."""

    type: ImageType
    width: int
    height: int


def read_header(data: bytes) -> ImageHeader:
    """Read the beginning of an image. Raises `ValueError` with the end of a sentence about it."""
    found = _png(data) or _jpeg(data) or _webp(data)
    if found is None:
        raise ValueError("must be a PNG, JPEG or WebP")
    if not (found.width and found.height):
        raise ValueError("must be at least 1 pixel wide and high")
    if found.width * found.height > PIXELS:
        raise ValueError(
            f"may have at most {PIXELS} pixels, and has {found.width} × {found.height}"
        )
    return found


def _png(data: bytes) -> ImageHeader | None:
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return None
    if data[12:16] != b"IHDR" or len(data) < 24:
        raise ValueError("must have a PNG header")
    return ImageHeader("image/png", _big(data[16:20]), _big(data[20:24]))


def _jpeg(data: bytes) -> ImageHeader | None:
    """Look for the segment with the size. The others are skipped by their lengths."""
    if data[:3] != b"\xff\xd8\xff":
        return None
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _FRAMES:
            return ImageHeader(
                "image/jpeg", _big(data[at + 7 : at + 9]), _big(data[at + 5 : at + 7])
            )
        if marker == 0xFF:  # a byte of padding
            at += 1
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            at += 2 + max(_big(data[at + 2 : at + 4]), 2)
    raise ValueError(f"must be a JPEG that names its size within {HEAD_BYTES // 1024} KiB")


def _webp(data: bytes) -> ImageHeader | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    kind, body = data[12:16], data[20:30]
    if len(body) == 10 and kind == b"VP8X":
        return ImageHeader("image/webp", _little(body[4:7]) + 1, _little(body[7:10]) + 1)
    if len(body) == 10 and kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = _little(body[6:8]) & 0x3FFF, _little(body[8:10]) & 0x3FFF
        return ImageHeader("image/webp", width, height)
    if len(body) >= 5 and kind == b"VP8L" and body[0] == 0x2F:
        bits = _little(body[1:5])
        return ImageHeader("image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    raise ValueError("must have a WebP header")


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


def with_true_type(url: str) -> str:
    """Return the data URL of an image with the type of its bytes.

    Raises `ValueError` with the end of a sentence about the image.
    """
    head, comma, _ = url[:200].partition(",")
    if not comma or head[:5].lower() != "data:" or not head.lower().endswith(";base64"):
        raise ValueError("must be a data URL with base64, such as data:image/png;base64,…")
    start = len(head) + 1
    size = (len(url) - start) * 3 // 4
    if size > IMAGE_BYTES:
        raise ValueError(f"may have at most {IMAGE_BYTES} bytes, and has {size}")
    true = f"data:{_header(url, start).type};base64"
    return url if head == true else true + url[len(head) :]


def _header(url: str, start: int) -> ImageHeader:
    data = _decoded(url[start : start + _FIRST_CHARACTERS])
    if data[:3] == b"\xff\xd8\xff":  # only the size of a JPEG may stand far behind its start
        data = _decoded(url[start : start + _HEAD_CHARACTERS])
    return read_header(data)


def _decoded(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text.encode(), strict_mode=True)
    except ValueError:  # also of characters that UTF-8 cannot carry
        raise ValueError("must be valid base64") from None


def newest(conversation: Iterable[Item], item_id: str | None = None) -> str | None:
    """Return the data URL of the newest image of a user, or of this item. None: there is none."""
    for item in reversed(list(conversation)):
        if isinstance(item, Message) and item.role == "user" and item_id in (None, item.id):
            for part in reversed(item.content):
                if part.image_url is not UNSET:
                    return part.image_url
    return None


def checked(item: Item, place: str, doing: str) -> Item:
    """Return an item whose images state their true types.

    `place` is the path of the item in the event, `doing` begins the sentence of an error. Raises
    `InvalidRequest` for an image that is not valid.
    """
    if not isinstance(item, Message) or not any(_has_image(part) for part in item.content):
        return item
    parts = []
    for index, part in enumerate(item.content):
        parts.append(_checked_part(part, f"{place}.content[{index}].image_url", doing))
    return msgspec.structs.replace(item, content=tuple(parts))


def _has_image(part: Part) -> bool:
    return part.image_url is not UNSET


def _checked_part(part: Part, param: str, doing: str) -> Part:
    if part.image_url is UNSET:
        return part
    try:
        url = with_true_type(part.image_url)
    except ValueError as problem:
        message = f"{doing}: its image {problem}."
        raise InvalidRequest("invalid_value", message, param) from None
    return part if url == part.image_url else msgspec.structs.replace(part, image_url=url)
