"""Images for tests: the smallest ones that are valid, and headers of any size."""

from __future__ import annotations

import base64
import struct
import zlib

WEBP = base64.b64decode("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA")
WEBP_LOSSLESS = base64.b64decode("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")


def png(width: int = 1, height: int = 1, *, size: int = 0) -> bytes:
    """Return a black PNG. `size`: bytes that stand behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(width + 1) * height) if width * height < 10**6 else b""
    whole = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows)
    return whole + chunk(b"IEND", b"") + bytes(size)


def jpeg(width: int = 1, height: int = 1, *, metadata: int = 0) -> bytes:
    """Return the segments of a JPEG up to its size, behind `metadata` bytes of metadata."""
    before = b""
    while metadata > 0:
        length = min(metadata, 65_000)
        before += b"\xff\xe1" + struct.pack(">H", length + 2) + bytes(length)
        metadata -= length
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8" + before + frame + b"\xff\xd9"


def webp_extended(width: int, height: int) -> bytes:
    """Return the header of a WebP of the extended form."""
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"VP8X" + struct.pack("<I", 10) + bytes(4) + sizes
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def url(data: bytes, mime: str = "image/png") -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


PNG_URL = url(png())
