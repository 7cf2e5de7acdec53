"""The audio that a client puts into an item, in the session's format."""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from ..audio import g711
from ..audio import pcm as audio
from ..audio.resample import Resampler
from ..protocol.config import Format, Pcm
from ..protocol.items import Item, Message, Part


def duration_ms(sound: bytes, format: Format) -> int:
    """Return the duration of a sound of this format."""
    bytes_per_ms = audio.BYTES_PER_MS if isinstance(format, Pcm) else g711.RATE // 1000
    return len(sound) // bytes_per_ms


def as_pcm(sound: bytes, format: Format) -> bytes:
    """Return a whole sound as PCM16 at 24 kHz, without half a sample at its end."""
    if isinstance(format, Pcm):
        return whole_samples(sound)
    return Resampler(g711.RATE, audio.SAMPLE_RATE).push(g711.decode(sound, format.law), last=True)


def whole_samples(pcm: bytes) -> bytes:
    """Return the audio without half a sample at its end."""
    return pcm[: len(pcm) & ~1]


def without_sound(item: Item) -> tuple[Item, bytes]:
    """Return the item as events show it, and the audio in it that has no transcript."""
    if not isinstance(item, Message):
        return item, b""
    untranscribed = [part.audio for part in item.content if part.audio and not part.transcript]
    content = tuple(map(_silent, item.content))
    sound = b"".join(untranscribed) if item.role == "user" else b""
    return msgspec.structs.replace(item, content=content), sound


def _silent(part: Part) -> Part:
    if part.type not in ("input_audio", "output_audio"):
        return part
    return msgspec.structs.replace(part, audio=UNSET, transcript=part.transcript or None)
