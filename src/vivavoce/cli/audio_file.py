"""Audio files for the command line: read a recording as PCM16 mono 24 kHz, and write WAV.

    WAV ──────────────────────────────► wav (also from a pipe that is still written to)
    FLAC, Ogg, MP3, AIFF, AU, CAF ────► libsndfile, by `soundfile`
    M4A, MP4, WebM, WMA, AMR ─────────► the program `ffmpeg`, if it is installed
    no header that is known ──────────► raw PCM16 mono 24 kHz, or a refusal

All of them yield blocks of 100 ms, so that a small file of ten hours of silence takes no memory.
"""

from __future__ import annotations

import io
import tempfile
import wave
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol, cast

import numpy as np

from ..audio.mono import Frames, mono
from ..audio.pcm import BYTES_PER_MS, SAMPLE_RATE
from ..audio.resample import Resampler
from . import ffmpeg, wav
from .common import warn
from .wav import UnsupportedAudioError

if TYPE_CHECKING:
    from soundfile import SoundFile

PIECE_MS = wav.BLOCK_MS
LEAST_HZ = 16_000  # recognisers are trained with it: a lower rate loses the sharp consonants
HEAD_BYTES = 4096  # of a file, to recognise its type
COMPRESSED_BYTES = 1024**3  # of a pipe, which is copied because libsndfile seeks
LOUDEST = 8.0  # full scale is 1; recordings of floats exceed it
COPIED = 256 * 1024  # bytes at a time
LONGEST_TURN_MS = 600_000  # it is held in memory, and sent in real time
INSTALL = "Install ffmpeg, which this program then uses"
CONVERT = "ffmpeg converts it: ffmpeg -i FILE -ar 24000 -ac 1 -f s16le - | vivavoce transcribe -"
UNKNOWN = (
    "this is no recording that can be read here (WAV, FLAC, Ogg, MP3, AIFF, AU or CAF). Raw PCM16 "
    f"mono 24 kHz must be named .pcm or .raw. {CONVERT}"
)

_MAGIC = (b"fLaC", b"OggS", b"ID3", b"FORM", b".snd", b"caff", b"riff")
_OTHERS = (  # by their first bytes, with ffmpeg's name: raw PCM does not begin with them
    (4, b"ftyp", "an MP4 or M4A file", "mov"),
    (0, b"\x1aE\xdf\xa3", "a WebM or Matroska file", "matroska"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "a WMA file", "asf"),
    (0, b"#!AMR", "an AMR file", "amr"),
)


def refusal(head: bytes, *, raw: bool) -> str | None:
    """Say why a recording with this beginning cannot be read. `raw`: a header may be missing."""
    if other := _other(head):
        if ffmpeg.find() is not None:
            return None
        return f"this is {other[0]}, which cannot be read without ffmpeg. {INSTALL}"
    return None if raw or not head or _wav_begins(head) or _compressed(head) else UNKNOWN


def read(data: bytes) -> bytes:
    """Return the audio of a recording; data without its header is raw PCM16 mono 24 kHz."""
    return b"".join(pieces(io.BytesIO(data)))


def one_turn(file: Readable, *, raw: bool) -> bytes:
    """Return the audio of one turn of at most 10 minutes. Raises `UnsupportedAudioError`.

    `raw`: audio without a header is accepted.
    """
    pcm = bytearray()
    for piece in pieces(file, raw=raw):
        pcm += piece
        if len(pcm) > LONGEST_TURN_MS * BYTES_PER_MS:
            raise UnsupportedAudioError(
                f"one turn is at most {LONGEST_TURN_MS // 60_000} minutes long; `vivavoce "
                "transcribe` takes longer recordings"
            )
    if not pcm:
        raise UnsupportedAudioError("this recording is empty")
    return bytes(pcm)


def pieces(source: Readable, *, raw: bool = True) -> Generator[bytes]:
    """Yield the same audio in chunks of at most 100 ms. A pipe may still be written to.

    Raises `UnsupportedAudioError`, also for data without a header if it may not be `raw`.
    """
    file = _Rewound(source)
    head = file.head
    if why := refusal(head, raw=raw):
        raise UnsupportedAudioError(why)
    if _wav_begins(head):
        yield from _wav(file)
    elif other := _other(head):
        yield from _by_ffmpeg(file, other[1])
    elif _compressed(head):
        yield from _decoded(_seekable(file))
    else:
        yield from _raw(file)


def length_ms(path: Path) -> int | None:
    """Return how long a recording says that it is; None if it does not say so."""
    import soundfile

    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        if _other(head):
            return None
        if not _wav_begins(head) and not _compressed(head):
            return path.stat().st_size // BYTES_PER_MS
    with suppress(soundfile.LibsndfileError, OSError):
        return int(soundfile.info(str(path)).duration * 1000) or None
    return None


class Readable(Protocol):
    """A file or pipe, open for reading in blocks."""

    def read1(self, size: int, /) -> bytes: ...


class _Rewound:
    """A file from its beginning, of which `head` is known already."""

    def __init__(self, file: Readable) -> None:
        """Read what tells the type. A pipe gives what it has: perhaps a single byte."""
        self._file = file
        head = b""
        while (
            len(head) < HEAD_BYTES
            and (len(head) < 12 or (_may_be_mpeg(head)))
            and (more := file.read1(HEAD_BYTES - len(head)))
        ):
            head += more
        self.head = head
        self._left = head

    def read1(self, size: int, /) -> bytes:
        """Return at most `size` bytes: what there is, or b"" at the end."""
        if not self._left:
            return self._file.read1(size)
        data, self._left = self._left[:size], self._left[size:]
        return data

    def read(self, size: int, /) -> bytes:
        """Wait for `size` bytes. Fewer are the end."""
        data = b""
        while len(data) < size and (more := self.read1(size - len(data))):
            data += more
        return data


def _other(head: bytes) -> tuple[str, str] | None:
    """Return the name of a type that libsndfile does not know, and ffmpeg's name for it."""
    for at, magic, name, demuxer in _OTHERS:
        if head[at : at + len(magic)] == magic:
            return name, demuxer
    return None


def _wav_begins(head: bytes) -> bool:
    return head[:4] in (b"RIFF", b"RF64")


def _compressed(head: bytes) -> bool:
    return head.startswith(_MAGIC) or (_may_be_mpeg(head) and _next_mpeg_frame(head))


def _may_be_mpeg(head: bytes) -> bool:
    """Return whether it begins as a frame of MPEG layer III. So may raw PCM."""
    return len(head) >= 4 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and _frame_bytes(head) > 0


def _next_mpeg_frame(head: bytes) -> bool:
    at = _frame_bytes(head)
    following = head[at : at + 2]
    return len(following) == 2 and following[0] == 0xFF and following[1] == head[1]


def _frame_bytes(head: bytes) -> int:
    """Return the length of a frame of MPEG layer III, or 0 if its header is invalid."""
    version, kbit, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or kbit in (0, 15) or rate == 3:
        return 0
    high = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
    low = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    hz = (44_100, 48_000, 32_000)[rate] // {3: 1, 2: 2, 0: 4}[version]
    bits = (high if version == 3 else low)[kbit - 1] * 1000
    return (144 if version == 3 else 72) * bits // hz + (head[2] >> 1 & 1)


def _raw(file: _Rewound) -> Iterator[bytes]:
    odd = b""
    while data := file.read1(PIECE_MS * BYTES_PER_MS):
        data = odd + data
        whole = len(data) & ~1
        odd = data[whole:]
        if whole:
            yield data[:whole]


def _wav(file: _Rewound) -> Iterator[bytes]:
    passed = bytearray()

    def read(size: int) -> bytes:
        data = file.read(size)
        if len(passed) < COPIED:
            passed.extend(data)
        return data

    header = wav.read_header(read)
    if header.format.supported:
        yield from _as_pcm(wav.frames(file.read, header), header.format.rate)
    else:  # ADPCM, GSM and others, which libsndfile has
        yield from _decoded(_seekable(file, bytes(passed)))


def _by_ffmpeg(file: _Rewound, demuxer: str) -> Iterator[bytes]:
    program = ffmpeg.find()
    assert program is not None, "`refusal` was asked"
    copy = _seekable(file)
    with copy, ffmpeg.decoded(program, copy, demuxer) as audio:
        given = _Rewound(cast("Readable", audio))
        if given.head:  # otherwise it failed, and says why at the end
            yield from _wav(given)


def _seekable(file: _Rewound, head: bytes = b"") -> IO[bytes]:
    """Copy a file or pipe into a temporary file, since decoders seek."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115  # the caller closes it
    copy.write(head)
    while data := file.read(COPIED):
        if copy.tell() + len(data) > COMPRESSED_BYTES:
            copy.close()
            raise UnsupportedAudioError("this recording is larger than 1 GiB, compressed")
        copy.write(data)
    copy.flush()
    copy.seek(0)
    return copy


def _decoded(copy: IO[bytes]) -> Iterator[bytes]:
    import soundfile

    class Forwards(soundfile.SoundFile):  # type: ignore[misc]
        """Read without seeking to where the file is already, after which MP3 is silent."""

        def seekable(self) -> bool:
            return False

    with copy:
        try:
            with Forwards(copy.fileno(), closefd=False) as reader:
                wav.check(reader.samplerate, reader.channels)
                yield from _as_pcm(_blocks(reader), reader.samplerate)
        except soundfile.LibsndfileError as error:
            reason = error.error_string.strip(" .").removeprefix("Error : ")
            raise UnsupportedAudioError(f"this recording cannot be read: {reason}") from None


def _blocks(reader: SoundFile) -> Iterator[Frames]:
    promised, had = reader.frames, 0
    size = reader.samplerate * PIECE_MS // 1000
    while len(block := reader.read(size, "float32", always_2d=True)):
        had += len(block)
        yield block
    if not had:
        raise UnsupportedAudioError("this recording has a header and no audio")
    if had < promised < 2**62:
        wav.warn_of_missing(had, promised, reader.samplerate)


def _as_pcm(blocks: Iterator[Frames], rate: int) -> Iterator[bytes]:
    if rate < LEAST_HZ:
        warn(f"this recording has {rate} samples per second. Recognisers are trained with "
             f"at least {LEAST_HZ}, so expect wrong words.")  # fmt: skip
    resampler = None if rate == SAMPLE_RATE else Resampler(rate, SAMPLE_RATE)
    for block in blocks:
        pcm = _pcm16(block)
        yield resampler.push(pcm) if resampler else pcm
    if resampler:
        yield resampler.push(b"", last=True)


def _pcm16(block: Frames) -> bytes:
    """Mix and round. Floats may be NaN or infinite."""
    numbers = np.clip(np.nan_to_num(block), -LOUDEST, LOUDEST)
    return np.clip(np.rint(mono(numbers) * 32_768), -32_768, 32_767).astype("<i2").tobytes()


def write(path: Path, pcm: bytes) -> None:
    """Write PCM16 mono 24 kHz as WAV. Raises `OSError`."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(pcm)
