"""espeak-ng through its process: voices, languages, and what happens when the process does not."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
import uvloop
from numpy.typing import NDArray  # noqa: TC002

import vivavoce
from vivavoce.audio.pcm import SAMPLE_RATE, duration_ms
from vivavoce.engines.base import VoiceRequest
from vivavoce.engines.boundary import contained
from vivavoce.engines.builtin.espeak import tts as espeak_spec
from vivavoce.engines.tts import espeak
from vivavoce.engines.tts.espeak import Espeak
from vivavoce.errors import EngineError
from vivavoce.text.spoken import SpokenText

from ..support.processes import children
from ..support.real_time import live

SENTENCE = "The registration desk is on the ground floor, next to the main entrance."
PACKAGE = Path(vivavoce.__file__).parents[2] / "packages/vivavoce-espeak/src"


def with_espeak(story: Callable[[Espeak], Awaitable[None]], *, deadline_s: float = 10.0) -> None:
    """Run the story on uvloop, as the server does. The contract suite uses asyncio's loop."""

    async def run() -> None:
        speaker = Espeak(deadline_s=deadline_s)
        try:
            await story(speaker)
        finally:
            await speaker.close()
        assert not children(espeak.MODULE), "a process was left behind"

    live(run(), uvloop.new_event_loop)


async def say(
    speaker: Espeak, text: str = SENTENCE, name: str = "marin", speed: float = 1.0,
    language: str | None = None,
) -> bytes:  # fmt: skip
    voice = VoiceRequest(name=name, speed=speed, language=language)
    return b"".join([piece.pcm async for piece in speaker.speak(text, voice)])


def pitch(pcm: bytes) -> float:
    """Median fundamental frequency in Hz, by autocorrelation of 50 ms windows."""
    sound = np.frombuffer(pcm, "<i2").astype(float)
    size, low, high = SAMPLE_RATE // 20, SAMPLE_RATE // 400, SAMPLE_RATE // 60
    found = []
    for start in range(0, len(sound) - size, size // 2):
        window = sound[start : start + size]
        window = window - window.mean()
        if window.std() < 800:
            continue
        echo = np.correlate(window, window, "full")[size - 1 :]
        period = low + int(np.argmax(echo[low:high]))
        if echo[period] > 0.5 * echo[0]:
            found.append(SAMPLE_RATE / period)
    return float(np.median(found))


def colour(pcm: bytes) -> NDArray[np.float64]:
    """Return the long-term spectrum in nine bands, in dB around its mean."""
    sound = np.frombuffer(pcm, "<i2").astype(float)
    frames = np.lib.stride_tricks.sliding_window_view(sound, 1024)[::512] * np.hanning(1024)
    power = (np.abs(np.fft.rfft(frames)) ** 2).mean(0)
    hertz = np.fft.rfftfreq(1024, 1 / SAMPLE_RATE)
    edges = [0, 300, 600, 1000, 1500, 2200, 3200, 4500, 6000, 9000]
    bands = [
        10 * np.log10(power[(hertz >= a) & (hertz < b)].mean() + 1)
        for a, b in itertools.pairwise(edges)
    ]
    return np.array(bands, np.float64) - np.float64(np.mean(bands))


ITALIAN = "Il banco delle registrazioni è al piano terra, vicino all'ingresso principale."


@pytest.mark.parametrize(("language", "text"), [("en", SENTENCE), ("it", ITALIAN)])
def test_the_ten_voices_can_be_told_apart(language: str, text: str) -> None:
    """By pitch (semitones) and colour (mean dB): together at least 3, a clear difference."""

    async def story(speaker: Espeak) -> None:
        sounds = {
            name: await say(speaker, text, name, language=language) for name in speaker.voices
        }
        assert len(sounds) == 10
        pitches = {name: pitch(pcm) for name, pcm in sounds.items()}
        colours = {name: colour(pcm) for name, pcm in sounds.items()}
        apart = {
            (a, b): abs(12 * np.log2(pitches[a] / pitches[b]))
            + float(np.abs(colours[a] - colours[b]).mean())
            for a, b in itertools.combinations(sounds, 2)
        }
        closest = min(apart, key=lambda pair: apart[pair])
        assert apart[closest] >= 3, f"{closest}: {apart[closest]:.1f}"
        assert max(pitches.values()) > 2 * min(pitches.values())

    with_espeak(story)


@pytest.mark.parametrize(
    ("language", "identifier"),
    [
        (None, "gmw/en-US"),
        ("en", "gmw/en-US"),
        ("en-GB", "gmw/en"),
        ("it", "roa/it"),
        ("it_IT", "roa/it"),
        ("es-MX", "roa/es"),
        ("fr", "roa/fr"),
        ("de-AT", "gmw/de"),
        ("pt", "roa/pt"),
        ("pt-BR", "roa/pt-BR"),
        ("zh", "sit/cmn"),
        ("tlh", "gmw/en-US"),
        ("'; rm -rf", "gmw/en-US"),
    ],
)
def test_a_language_is_spoken_by_its_own_voice_or_in_english(
    language: str | None, identifier: str
) -> None:
    async def story(speaker: Espeak) -> None:
        process = await speaker._running()
        request = espeak._request("x", VoiceRequest(name="alloy", language=language),
                                  espeak.TIMBRES["alloy"], process.voices)  # fmt: skip
        assert request["voice"] == identifier
        assert await say(speaker, "Buongiorno.", "ballad", language=language)

    with_espeak(story)


def test_an_unknown_voice_is_an_error_and_not_another_voice() -> None:
    async def story(speaker: Espeak) -> None:
        with pytest.raises(EngineError) as caught:
            await say(speaker, name="elvis")
        assert caught.value.code == "voice_not_found"

    with_espeak(story)


def test_speed_counts_down_to_a_quarter() -> None:
    async def story(speaker: Espeak) -> None:
        quarter, half, usual, fast = [
            len(await say(speaker, speed=speed)) for speed in (0.25, 0.5, 1.0, 1.5)
        ]
        assert 1.8 < half / usual < 2.2
        assert 1.7 < quarter / half < 2.3
        assert 0.6 < fast / usual < 0.75

    with_espeak(story)


def test_the_first_sound_does_not_wait_for_the_last() -> None:
    async def story(speaker: Espeak) -> None:
        await speaker.warm()
        async with aclosing(speaker.speak(SENTENCE, VoiceRequest(name="marin"))) as speech:
            first = await anext(speech)
        assert 0 < len(first.pcm) <= 40 * 48

    with_espeak(story)


def test_when_the_process_dies_its_speaker_fails_and_the_next_one_is_served() -> None:
    async def story(speaker: Espeak) -> None:
        async with aclosing(speaker.speak(SENTENCE * 50, VoiceRequest(name="marin"))) as speech:
            await anext(speech)
            (process,) = children(espeak.MODULE)
            process.send_signal(signal.SIGKILL)
            with pytest.raises(EngineError):
                async for _ in speech:
                    pass
        assert await say(speaker)

    with_espeak(story)


@pytest.mark.parametrize("turns", range(6))
def test_a_process_that_dies_as_it_is_asked_fails_that_text_only(turns: int) -> None:
    async def story(speaker: Espeak) -> None:
        await speaker.warm()
        (process,) = children(espeak.MODULE)
        process.send_signal(signal.SIGKILL)
        while process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.001)  # noqa: ASYNC251  # the loop shall not notice yet
        for _ in range(turns):
            await asyncio.sleep(0)
        with suppress(EngineError):  # or it was noticed, and another one speaks
            await say(speaker)
        assert await say(speaker)

    with_espeak(story)


def test_a_pipe_that_is_closed_fails_the_text_that_needs_it() -> None:
    async def story(speaker: Espeak) -> None:
        await speaker.warm()
        assert speaker._process is not None
        pipe = speaker._process._transport.get_pipe_transport(0)
        assert pipe is not None
        pipe.close()
        with pytest.raises(EngineError, match="espeak stopped"):
            await say(speaker)
        assert await say(speaker)

    with_espeak(story)


READY = b'{"type": "ready", "rate": 22050, "voices": {"en-us": "en-us"}}'
GARBAGE = {
    "no lengths": b"",
    "endless lengths": b"\xff" * 64,
    "no JSON": struct.pack(">II", 5, 0) + b"hello",
    "another type": struct.pack(">II", 15, 0) + b'{"type":"what"}',
    "sound of nobody": struct.pack(">II", 35, 2) + b'{"type":"sound","id":77,"words":[]}' + b"ab",
    "words that are no UTF-8": struct.pack(">II", 37, 0)
    + b'{"type":"error","id":1,"message":"\xff"}',
    "half a sample": struct.pack(">II", 35, 1) + b'{"type":"sound","id":1,"words":[]} ' + b"a",
    "odd words": struct.pack(">II", 43, 0) + b'{"type":"sound","id":1,"words":[["a", -1]]}',
}
UNNOTICED = ("no lengths", "sound of nobody", "half a sample")  # the process is not ended for these


@pytest.mark.parametrize("what", GARBAGE)
def test_a_process_whose_answer_cannot_be_read_fails_the_text(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "vivavoce_garbage"
    package.mkdir()
    (package / "__init__.py").touch()
    ready = struct.pack(">II", len(READY), 0) + READY
    (package / "__main__.py").write_text(
        "import sys\n"
        f"sys.stdout.buffer.write({ready!r})\nsys.stdout.flush()\n"
        "sys.stdin.buffer.read(8)\n"
        f"sys.stdout.buffer.write({GARBAGE[what]!r})\nsys.stdout.flush()\n"
        "sys.stdin.buffer.read()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(espeak, "MODULE", "vivavoce_garbage")

    async def story(speaker: Espeak) -> None:
        with pytest.raises(EngineError) as caught, contained(speaker):
            await say(speaker)
        assert str(caught.value) == espeak.STOPPED or what in UNNOTICED

    with_espeak(story, deadline_s=1.0)


def test_a_text_of_megabytes_does_not_block_other_calls() -> None:
    """Neither its cutting nor its speaking holds up the loop."""

    async def story(speaker: Espeak) -> None:
        await speaker.warm()
        began = time.perf_counter()
        async with aclosing(speaker.speak("x" * 15_000_000, VoiceRequest(name="marin"))) as speech:
            assert (await anext(speech)).pcm
        assert time.perf_counter() - began < 5.0
        assert await say(speaker)

    with_espeak(story)


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "9" * 400, "٣٣ \x1b[2J", "獲取天氣"])
def test_any_text_is_spoken_or_passed_over(text: str) -> None:
    async def story(speaker: Espeak) -> None:
        said = [piece async for piece in speaker.speak(text, VoiceRequest(name="marin"))]
        assert "".join(word.text for piece in said for word in piece.words) == text
        assert await say(speaker)

    with_espeak(story)


def test_a_process_that_hangs_is_given_up_and_replaced() -> None:
    async def story(speaker: Espeak) -> None:
        await speaker.warm()
        (process,) = children(espeak.MODULE)
        process.send_signal(signal.SIGSTOP)
        with pytest.raises(EngineError) as caught:
            await say(speaker)
        assert caught.value.code == "engine_timeout"
        assert await say(speaker)

    with_espeak(story, deadline_s=1.0)


def test_a_long_text_does_not_delay_the_first_word_of_others() -> None:
    async def story(speaker: Espeak) -> None:
        await speaker.warm()
        async with aclosing(speaker.speak(SENTENCE * 1000, VoiceRequest(name="echo"))) as essay:
            await anext(essay)
            async with asyncio.timeout(2):
                assert await say(speaker, "Me too.")

    with_espeak(story)


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(espeak, "MODULE", "vivavoce_espeak_that_is_not_there")
    assert not espeak.installed()

    async def story(speaker: Espeak) -> None:
        with pytest.raises(EngineError, match="vivavoce-espeak is not installed"):
            await say(speaker)

    with_espeak(story)


def test_a_process_that_cannot_speak_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = tmp_path / "speechless"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("import sys; sys.exit('no voices here')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(espeak, "MODULE", "speechless")

    async def story(speaker: Espeak) -> None:
        for _ in range(2):
            with pytest.raises(EngineError, match="no voices here"):
                await say(speaker)

    with_espeak(story)


def test_the_process_gets_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")

    async def story(speaker: Espeak) -> None:
        await speaker.warm()
        (process,) = children(espeak.MODULE)
        assert "OPENAI_API_KEY" not in process.environ()

    with_espeak(story)


# The pipe, without the adapter


class Pipe:
    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vivavoce_espeak"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        )

    def write(self, message: object) -> None:
        self.write_raw(json.dumps(message).encode())

    def write_raw(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(struct.pack(">II", len(data), 0) + data)
        self.process.stdin.flush()

    def read(self) -> tuple[dict[str, object], bytes]:
        assert self.process.stdout is not None
        head, sound = struct.unpack(">II", self.process.stdout.read(8))
        message = json.loads(self.process.stdout.read(head))
        return message, self.process.stdout.read(sound)

    def close(self) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        code = self.process.wait(5)
        self.process.stdout.close()
        return code


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    message, _ = pipe.read()
    assert message["type"] == "ready"
    yield pipe
    if pipe.process.returncode is None:
        pipe.close()


def test_the_process_ends_with_its_input(pipe: Pipe) -> None:
    assert pipe.close() == 0


def test_the_process_answers_any_request_and_lives(pipe: Pipe) -> None:
    pipe.write_raw(b"\xff no json")
    pipe.write([])
    pipe.write({"type": "speak"})
    pipe.write({"type": "speak", "id": 1, "text": 7, "voice": "gmw/en"})
    pipe.write({"type": "speak", "id": 2, "text": "x", "voice": "nobody"})
    pipe.write({"type": "speak", "id": 3, "text": "x", "voice": "gmw/en\0"})
    pipe.write({"type": "speak", "id": 4, "text": "x" * 20_000, "voice": "gmw/en"})
    pipe.write({"type": "speak", "id": 5, "text": "x", "voice": "gmw/en", "rate": "fast"})
    answers = [pipe.read()[0] for _ in range(8)]
    assert {a["type"] for a in answers} == {"error"}
    assert sorted(a["id"] for a in answers if isinstance(a["id"], int)) == [1, 2, 3, 4, 5]
    pipe.write({"type": "speak", "id": 6, "text": "a\0b\x01\x1b\ud800", "voice": "gmw/en"})
    said = []
    while (answer := pipe.read())[0]["type"] == "sound":
        said.append(answer)
    assert said
    assert answer[0] == {"type": "end", "id": 6, "cancelled": False}


def test_a_cancelled_text_ends_early(pipe: Pipe) -> None:
    text = "one two three four five six seven eight nine ten. " * 180
    pipe.write({"type": "speak", "id": 1, "text": text, "voice": "gmw/en"})
    pipe.read()
    pipe.write({"type": "cancel", "id": 1})
    sounds = 0
    while (answer := pipe.read()[0])["type"] == "sound":
        sounds += 1
    assert answer == {"type": "end", "id": 1, "cancelled": True}
    assert sounds < 5000


def test_a_reader_that_goes_away_ends_the_process(pipe: Pipe) -> None:
    assert pipe.process.stdout is not None
    assert pipe.process.stdin is not None
    text = "and so on, " * 900
    pipe.write({"type": "speak", "id": 1, "text": text, "voice": "gmw/en"})
    pipe.process.stdout.close()
    assert pipe.process.wait(10) == 0
    pipe.process.stdin.close()


def test_our_package_does_not_import_the_other_licence() -> None:
    """Arm's length: nothing of ours loads `vivavoce_espeak`, and it loads nothing of ours."""
    code = (
        "import sys, vivavoce.engines.tts.espeak as e; assert e.installed();"
        "assert 'vivavoce_espeak' not in sys.modules"
    )
    ours = str(Path(vivavoce.__file__).parents[1])
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([ours, str(PACKAGE)])}
    subprocess.run([sys.executable, "-c", code], env=environ, check=True)
    theirs = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    assert "import vivavoce" not in theirs
    assert "from vivavoce" not in theirs


@pytest.mark.parametrize(
    ("language", "written", "words"),
    [
        ("en", "It starts at 8:00.", "It starts at eight o'clock."),
        ("it", "Comincia alle 8:30.", "Comincia alle otto e trenta."),
        ("es", "Cuesta 3,50 €.", "Cuesta tres euros con cincuenta."),
    ],
)
def test_S4_espeak_speaks_a_number_as_its_words(language: str, written: str, words: str) -> None:
    """The sound is that of the words, and the words of the transcript are those of the text."""
    assert not espeak_spec.reads_numbers

    async def story(speaker: Espeak) -> None:
        sound, heard = b"", ""
        sentence = SpokenText(language).read(written)
        voice = VoiceRequest(name="marin", language=language)
        async for piece in speaker.speak(sentence.text, voice):
            sound += piece.pcm
            heard += "".join(sentence.written(word.text) for word in piece.words)
        assert heard + sentence.rest() == written
        by_words = await say(speaker, words, language=language)
        by_digits = await say(speaker, written, language=language)
        assert abs(duration_ms(sound) - duration_ms(by_words)) <= 20
        if language == "en":  # where espeak reads most of them digit by digit
            assert abs(duration_ms(sound) - duration_ms(by_digits)) > 60

    with_espeak(story)
