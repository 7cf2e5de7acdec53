"""Recordings of every kind: what their headers say, what they hold, and what is refused."""

from __future__ import annotations

import collections
import io
import struct
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import example, given
from hypothesis import strategies as st

from vivavoce.audio import g711
from vivavoce.audio.mono import mono
from vivavoce.audio.pcm import BYTES_PER_MS, SAMPLE_RATE, duration_ms
from vivavoce.cli import audio_file, wav
from vivavoce.cli.wav import UnsupportedAudioError

TONE = (np.sin(np.arange(SAMPLE_RATE) * (2 * np.pi * 440 / SAMPLE_RATE)) * 12_000).astype("<i2")
PCM = TONE.tobytes()
GUID = bytes.fromhex("000000001000800000aa00389b71")


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr(wav, "warn", told.append)
    monkeypatch.setattr(audio_file, "warn", told.append)
    return told


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(content) if size is None else size) + content


def format_chunk(
    encoding: int = 1, channels: int = 1, rate: int = SAMPLE_RATE, bits: int = 16, more: bytes = b""
) -> bytes:
    width = bits // 8 * channels
    fields = struct.pack(
        "<HHIIHH", encoding, channels, rate, rate * width & 0xFFFFFFFF, width & 0xFFFF, bits
    )
    return chunk(b"fmt ", fields + more)


def riff(*chunks: bytes, name: bytes = b"RIFF") -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return name + struct.pack("<I", len(body)) + body


def encoded(format: str, subtype: str | None = None, channels: int = 1) -> bytes:
    file = io.BytesIO()
    frames = np.repeat(TONE[:, None] / 32_768, channels, axis=1)
    soundfile.write(file, frames, SAMPLE_RATE, format=format, subtype=subtype)
    return file.getvalue()


def like_the_tone(pcm: bytes, *, shift: int = 0) -> float:
    """Return the correlation with the tone. A lossy encoder may delay it by `shift` samples."""
    heard = np.frombuffer(pcm, "<i2").astype(np.float64)
    best = 0.0
    for by in range(0, shift + 1, 1):
        part = heard[by : by + 20_000]
        best = max(best, float(np.corrcoef(part, TONE[: len(part)].astype(np.float64))[0, 1]))
    return best


class Pipe:
    """A pipe whose writer writes a few bytes at a time. It cannot seek."""

    def __init__(self, data: bytes, each: int) -> None:
        self._file = io.BytesIO(data)
        self._each = each

    def read1(self, size: int, /) -> bytes:
        return self._file.read(min(size, self._each))


def through_a_pipe(data: bytes, each: int = 1000) -> bytes:
    return b"".join(audio_file.pieces(Pipe(data, each)))


OPEN_ENDS = {
    "size 0": riff(format_chunk(), chunk(b"data", PCM, 0)),
    "size of a pipe": riff(format_chunk(), chunk(b"data", PCM, 0xFFFF_FFFF)),
    "size of arecord": riff(format_chunk(), chunk(b"data", PCM, 0x8000_0000)),
    "size of sox": riff(format_chunk(), chunk(b"data", PCM, 0x7FFF_F000)),
    "RF64 without sizes": riff(format_chunk(), chunk(b"data", PCM, 0xFFFF_FFFF), name=b"RF64"),
    "RF64": riff(
        chunk(b"ds64", struct.pack("<QQQI", 0, len(PCM), len(TONE), 0)),
        format_chunk(), chunk(b"data", PCM, 0xFFFF_FFFF) + chunk(b"LIST", b"INFO"), name=b"RF64",
    ),
    "chunks around": riff(
        chunk(b"LIST", b"INFO"), chunk(b"bext", b"odd") + b"\0", format_chunk(),
        chunk(b"fact", b"1234"), chunk(b"data", PCM) + chunk(b"id3 ", b"title"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", OPEN_ENDS)
def test_F1_audio_extends_to_the_end_where_the_size_is_not_known(
    name: str, warned: list[str]
) -> None:
    assert audio_file.read(OPEN_ENDS[name]) == PCM
    assert through_a_pipe(OPEN_ENDS[name], 7) == PCM
    assert warned == []


WRONG = {
    "nothing behind RIFF": (b"RIFF", "ends within its header"),
    "20 bytes": (riff(format_chunk(), chunk(b"data", PCM))[:20], "ends within its header"),
    "no data": (riff(format_chunk()), "ends within its header"),
    "rate 0": (riff(format_chunk(rate=0), chunk(b"data", PCM)), "names 0 samples per second"),
    "rate 1": (riff(format_chunk(rate=1), chunk(b"data", PCM)), "names 1 samples per second"),
    "rate 4 GHz": (
        riff(format_chunk(rate=2**32 - 1), chunk(b"data", PCM)), "names 4294967295 samples",
    ),
    "channels 0": (riff(format_chunk(channels=0), chunk(b"data", PCM)), "names 0 channels"),
    "channels 65535": (riff(format_chunk(channels=65_535), chunk(b"data", PCM)), "names 65535"),
    "bits 0": (riff(format_chunk(bits=0), chunk(b"data", PCM)), "cannot be read: "),
    "short format": (riff(chunk(b"fmt ", b"\1\0\1\0"), chunk(b"data", PCM)), "is too short"),
    "data first": (riff(chunk(b"data", PCM), format_chunk()), "no format before its audio"),
    "no audio": (riff(format_chunk(), chunk(b"data", b"")), "has a header and no audio"),
    "no audio, a title": (
        riff(format_chunk(), chunk(b"data", b""), chunk(b"LIST", b"INFO")), "and no audio",
    ),
    "promised audio": (riff(format_chunk(), chunk(b"data", b"", 9000)), "and no audio"),
    "AVI": (b"RIFF\0\0\0\0AVI LIST", "no WAV file"),
    "endless chunk": (riff(chunk(b"JUNK", b"", 2**32 - 1)), "ends within its header"),
    "half a FLAC header": (encoded("FLAC")[:20], "cannot be read: "),
    "half an Ogg header": (encoded("OGG", "VORBIS")[:40], "cannot be read: "),
    "an MP3 tag alone": (b"ID3\4\0\0\0\0\0\0", "cannot be read: "),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_F1_broken_recording_is_refused_with_its_reason(name: str, warned: list[str]) -> None:
    data, reason = WRONG[name]
    for read in (audio_file.read, through_a_pipe):
        with pytest.raises(UnsupportedAudioError) as refused:
            read(data)
        assert reason in str(refused.value)
        assert not str(refused.value).endswith((".", ": "))


def test_F1_missing_audio_is_named_with_its_length(warned: list[str]) -> None:
    assert audio_file.read(riff(format_chunk(), chunk(b"data", PCM, 4 * len(PCM)))) == PCM
    assert warned == [
        "this recording has 1.0 s of audio, and its header promises 4.0 s. The rest is missing."
    ]


def test_F1_compressed_audio_that_is_cut_is_heard_to_its_end() -> None:
    """Yield the audio that is there, then raise the reason."""
    whole = encoded("FLAC")
    heard: list[bytes] = []
    pieces = audio_file.pieces(io.BytesIO(whole[: len(whole) // 2]))
    with pytest.raises(UnsupportedAudioError, match="cannot be read"):
        collections.deque(map(heard.append, pieces), maxlen=0)
    assert 200 < duration_ms(b"".join(heard)) < 700
    assert b"".join(heard) == PCM[: len(b"".join(heard))]


def linear(type: str, scale: float, zero: float = 0) -> bytes:
    scaled = TONE.astype(np.float64) / 32_768 * scale + zero
    return bytes(scaled.astype(type).tobytes())


ENCODINGS: dict[str, bytes] = {
    "8 bits": riff(format_chunk(bits=8), chunk(b"data", linear("u1", 127, 128))),
    "24 bits": encoded("WAV", "PCM_24"),
    "32 bits": riff(format_chunk(bits=32), chunk(b"data", linear("<i4", 2**31))),
    "float": encoded("WAV", "FLOAT"),
    "double": encoded("WAV", "DOUBLE"),
    "µ-law": riff(format_chunk(7, bits=8), chunk(b"data", g711.encode(PCM, "ulaw"))),
    "A-law": riff(format_chunk(6, bits=8), chunk(b"data", g711.encode(PCM, "alaw"))),
    "EXTENSIBLE": riff(
        format_chunk(0xFFFE, more=struct.pack("<HHIH", 22, 16, 4, 1) + GUID), chunk(b"data", PCM)
    ),
    "EXTENSIBLE, 24 bits": encoded("WAVEX", "PCM_24", channels=2),
    "EXTENSIBLE, float": encoded("WAVEX", "FLOAT"),
    "RF64": encoded("RF64", "PCM_16"),
    "IMA ADPCM": encoded("WAV", "IMA_ADPCM"),
    "Microsoft ADPCM": encoded("WAV", "MS_ADPCM"),
    "FLAC": encoded("FLAC"),
    "FLAC, 24 bits": encoded("FLAC", "PCM_24", channels=2),
    "AIFF": encoded("AIFF"),
    "AU": encoded("AU", "ULAW"),
    "CAF": encoded("CAF"),
    "Ogg Vorbis": encoded("OGG", "VORBIS"),
    "Ogg Opus": encoded("OGG", "OPUS"),
    "MP3": encoded("MP3", "MPEG_LAYER_III"),
}


@pytest.mark.parametrize("name", ENCODINGS)
def test_F2_encoding_is_read_from_a_file_and_from_a_pipe(name: str, warned: list[str]) -> None:
    pcm = audio_file.read(ENCODINGS[name])
    assert abs(duration_ms(pcm) - 1000) <= 100  # encoders pad with silence
    assert like_the_tone(pcm, shift=2_500 if name == "MP3" else 60) > 0.98
    assert through_a_pipe(ENCODINGS[name]) == pcm
    assert warned == []


def test_F2_raw_audio_that_begins_as_mp3_stays_raw() -> None:
    mp3 = encoded("MP3", "MPEG_LAYER_III")
    assert mp3[0] == 0xFF
    raw = mp3[:4] + PCM
    assert through_a_pipe(raw) == raw
    assert audio_file.refusal(mp3[:4096], raw=False) is None


def test_F2_invalid_floats_are_silence_and_loud_ones_are_clipped() -> None:
    values = np.array([np.nan, np.inf, -np.inf, 1e300, -2.0, 0.5], "<f8")
    pcm = audio_file.read(riff(format_chunk(3, bits=64), chunk(b"data", values.tobytes())))
    assert np.frombuffer(pcm, "<i2").tolist() == [0, 32_767, -32_768, 32_767, -32_768, 16_384]


def test_F2_hour_of_silence_takes_no_memory(warned: list[str]) -> None:
    """A small compressed file may hold hours. The reader has one block of it at a time."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", SAMPLE_RATE, 1, format="FLAC") as written:
        for _ in range(60):
            written.write(np.zeros(SAMPLE_RATE * 60, "<i2"))
    assert len(file.getvalue()) < 500_000
    pieces = audio_file.pieces(io.BytesIO(file.getvalue()))
    next(pieces)
    tracemalloc.start()
    heard = sum(len(piece) for piece in islice(pieces, 600))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    pieces.close()
    assert heard == 60_000 * BYTES_PER_MS
    assert most < 500_000
    with pytest.raises(UnsupportedAudioError, match="one turn is at most 10 minutes long"):
        audio_file.one_turn(io.BytesIO(file.getvalue()), raw=False)


def test_F2_compressed_pipe_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless:
        def read1(self, size: int, /) -> bytes:
            return b"fLaC" * (size // 4 or 1)

    monkeypatch.setattr(audio_file, "COMPRESSED_BYTES", 10_000_000)
    with pytest.raises(UnsupportedAudioError, match="larger than"):
        audio_file.one_turn(Endless(), raw=True)


@given(st.binary(max_size=300), st.sampled_from([*ENCODINGS.values(), *OPEN_ENDS.values()]))
@example(b"", ENCODINGS["float"])
def test_F2_damaged_header_is_audio_or_a_sentence(damage: bytes, whole: bytes) -> None:
    """Bytes of a header that are overwritten never end in another error."""
    at = len(damage) % 60
    data = whole[:at] + damage + whole[at + len(damage) :]
    with suppress(UnsupportedAudioError):
        assert len(audio_file.one_turn(io.BytesIO(data[:20_000]), raw=True)) % 2 == 0


Make = Callable[
    [np.ndarray[Any, np.dtype[np.float32]]], list[np.ndarray[Any, np.dtype[np.float32]]]
]
MIXED: dict[str, tuple[Make, float]] = {
    "both alike": (lambda tone: [tone, tone], 1.0),
    "one silent": (lambda tone: [tone, 0 * tone], 0.5),
    "one inverted": (lambda tone: [tone, -tone], 1.0),
    "one inverted and quieter": (lambda tone: [-0.9 * tone, tone], 1.0),
    "four, in two pairs": (lambda tone: [tone, -tone, 0.5 * tone, -0.5 * tone], 1.0),
    "one of eight": (lambda tone: [tone, *[0 * tone] * 7], 1 / 8),
    "one": (lambda tone: [tone], 1.0),
}


@pytest.mark.parametrize("name", MIXED)
def test_F3_channels_that_cancel_each_other_are_heard(name: str) -> None:
    make, loudness = MIXED[name]
    tone = (TONE[:2400] / 32_768).astype(np.float32)
    mixed = mono(np.stack(make(tone), axis=1))
    assert np.sqrt(np.mean(mixed**2)) == pytest.approx(
        loudness * np.sqrt(np.mean(tone**2)), rel=0.02
    )


def test_F3_inverted_stereo_file_is_the_tone() -> None:
    frames = np.stack([TONE, -TONE], axis=1)
    stereo = riff(format_chunk(channels=2), chunk(b"data", frames.tobytes()))
    assert audio_file.read(stereo) == PCM
