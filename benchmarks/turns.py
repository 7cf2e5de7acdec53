"""Measure how often a pause is taken for the end of a turn, and how long a real end waits.

    python -m benchmarks turns [MODEL.onnx]

The recordings are sentences with and without a pause in the middle, spoken by flite. Each is
processed once, in real time: by voice detection, by the embedded recogniser, and, if its file is
given, by smart-turn at each pause. Then the rules of each setting are applied to the same results.
A pause in which a turn ended is a cut-off. The delay is the time from the last audio of the
sentence to the end of the turn. Flite speaks half a sentence as if it were a whole one; people do
not.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from vivavoce.app.adapters import Adapters
from vivavoce.app.catalogue import load_shipped
from vivavoce.app.data_folder import DataFolder
from vivavoce.audio import pcm as audio
from vivavoce.audio.pcm import BYTES_PER_MS, FRAME_MS
from vivavoce.config import Settings, SpeechSection
from vivavoce.core import utterance_ending
from vivavoce.core.input_audio import SCORED_AFTER_MS, SCORED_MS
from vivavoce.core.turns import (
    SilenceDurations,
    Started,
    Stopped,
    TurnDetector,
    TurnSettings,
    UtteranceEnding,
)
from vivavoce.engines.base import EndOfTurnModel, SpeechToText
from vivavoce.protocol import server
from vivavoce.protocol.config import AudioInput, SemanticVad, ServerVad
from vivavoce.runtime.input_pipeline import InputPipeline

from .figures import table

VOICES = ("slt", "rms")
AT_ONCE = 2
TAIL_MS = 2_400  # of silence, in which late words come
LONGEST_MS = 9_000  # of silence: any setting has decided by then

Text = tuple[str | float, ...]  # the words, and the pauses between them in seconds
PAUSING: tuple[Text, ...] = (
    ("I would like to book", 1.0, "a table for two"),
    ("I would like to go to the", 0.8, "poster session"),
    ("When does the", 1.2, "keynote start"),
    ("Is there a train to", 0.7, "the airport on Friday"),
    ("Please tell me where I can find my", 1.5, "registration"),
    ("I am looking for a talk about", 1.0, "energy storage and", 1.0, "wind power"),
    ("Can I pay with", 0.6, "a credit card"),
    ("What I wanted to ask is", 1.2, "how much does a ticket cost"),
    ("My number is four seven one", 0.6, "nine two", 1.0, "zero eight"),
    ("Call me on five five five", 0.8, "zero one", 2.0, "nine nine"),
    ("The code is eight three", 1.5, "six four"),
    ("I have a question", 0.7, "about the lunch on Thursday"),
)
WHOLE: tuple[Text, ...] = (
    ("When does the keynote start?",),
    ("Where is the registration desk?",),
    ("How much does a student ticket cost?",),
    ("Is there a vegetarian lunch on Thursday?",),
    ("I would like two tickets please.",),
    ("Thank you very much.",),
    ("Which room is it in?",),
    ("Can I bring my dog into the exhibition hall?",),
)


@dataclass(slots=True)
class Heard:
    """One recording, with the results of all models."""

    edges: list[tuple[int, int]]  # where each part begins and ends, ms
    probabilities: list[float] = field(default_factory=list)  # one a frame
    words: list[tuple[int, str]] = field(default_factory=list)  # when, and the words until then
    opinions: list[tuple[int, int, float]] = field(default_factory=list)  # when, of the pause at

    @property
    def pausing(self) -> bool:
        return len(self.edges) > 1


@dataclass(frozen=True, slots=True)
class Setting:
    name: str
    rules: TurnSettings
    words: bool = True
    model: bool = True


@dataclass(slots=True)
class Score:
    pauses: int = 0
    cut: int = 0
    delays: list[float] = field(default_factory=list)


# The texts


def say(text: Text, voice: str, folder: Path) -> tuple[bytes, list[tuple[int, int]]]:
    pcm = audio.silence(320)
    edges = []
    for part in text:
        if isinstance(part, float):
            pcm += audio.silence(round(part * 1000))
            continue
        file = folder / "said.wav"
        subprocess.run(["flite", "-voice", voice, "-t", part, "-o", file], check=True)
        spoken = _without_silence(_read(file))
        begins = audio.duration_ms(pcm)
        pcm += spoken
        edges.append((begins, audio.duration_ms(pcm)))
    return pcm, edges


def _read(file: Path) -> bytes:
    import wave

    from vivavoce.audio.resample import Resampler

    with wave.open(str(file)) as sound:
        pcm = sound.readframes(sound.getnframes())
        return Resampler(sound.getframerate(), audio.SAMPLE_RATE).push(pcm, last=True)


def _without_silence(pcm: bytes, level_db: float = -45.0) -> bytes:
    """Cut the silence that flite adds before and after."""
    size = 10 * BYTES_PER_MS
    loud = [i for i in range(0, len(pcm), size) if audio.level_db(pcm[i : i + size]) > level_db]
    return pcm[loud[0] : loud[-1] + size]


# The listeners


async def listen(
    parts: Adapters,
    ears: SpeechToText,
    judge: EndOfTurnModel | None,
    text: Text,
    voice: str,
    at: Path,
) -> Heard:
    pcm, edges = await asyncio.to_thread(say, text, voice, at)
    detectors = await parts.detectors()
    pcm += audio.silence(TAIL_MS)
    heard = Heard(edges)
    began = time.monotonic()

    def now_ms() -> int:
        return round((time.monotonic() - began) * 1000)

    async def stable(
        text: str, guess: str = "", logprobs: tuple[server.Logprob, ...] = (), /
    ) -> None:
        heard.words.append((now_ms(), guess or text))

    async def think(judge: EndOfTurnModel, pause_at: int, sound: bytes) -> None:
        if (over := await judge.over(sound)) is not None:
            heard.opinions.append((now_ms(), pause_at, over))

    async def sound() -> AsyncIterator[bytes]:
        silero = InputPipeline(detectors, AudioInput)
        turns = TurnDetector(TurnSettings(waits=SilenceDurations(*[10**6] * 4)))
        for start in range(0, len(pcm), FRAME_MS * BYTES_PER_MS):
            until = start // BYTES_PER_MS + FRAME_MS
            await asyncio.sleep(began + until / 1000 - time.monotonic())
            piece = pcm[start : start + FRAME_MS * BYTES_PER_MS]
            for verdict in silero.decode(piece):
                heard.probabilities += verdict.probabilities
                for probability in verdict.probabilities:
                    turns.push(probability)
                    if judge and turns.silent_ms == SCORED_AFTER_MS:
                        so_far = pcm[max(0, start - SCORED_MS * BYTES_PER_MS) : start]
                        pause = len(heard.probabilities) * FRAME_MS - SCORED_AFTER_MS
                        thinking.create_task(think(judge, pause, so_far))
            yield piece

    async with asyncio.TaskGroup() as thinking:
        await ears.listen(sound(), stable, language="en")
    return heard


async def record(model: Path | None) -> list[Heard]:
    assistant = load_shipped("charlotte")
    settings = Settings(speech=SpeechSection(smart_turn_model=model))
    room = asyncio.Semaphore(AT_ONCE)
    with TemporaryDirectory() as folder:
        async with Adapters(settings, DataFolder(Path(folder))) as parts:
            await parts.preload(assistant)
            judge = await parts.end_of_turn_model()

            async def one(number: int, text: Text, voice: str) -> Heard:
                async with room:
                    ears = await parts.recogniser(assistant, "en")
                    at = Path(folder) / str(number)
                    at.mkdir()
                    return await listen(parts, ears, judge, text, voice, at)

            said = [(text, voice) for voice in VOICES for text in (*PAUSING, *WHOLE)]
            return list(await asyncio.gather(*(one(n, *what) for n, what in enumerate(said))))


# The decisions of each setting


def decide(heard: Heard, setting: Setting) -> list[int]:
    """Return the times in ms at which turns end."""
    turns = TurnDetector(setting.rules)
    words = list(heard.words) if setting.words else []
    opinions = list(heard.opinions) if setting.model else []
    ends = []
    silence = [0.0] * (LONGEST_MS // FRAME_MS)
    for number, probability in enumerate([*heard.probabilities, *silence], 1):
        now = number * FRAME_MS
        while words and words[0][0] <= now:
            text = words.pop(0)[1]
            turns.ending = (
                utterance_ending.ending(text, "en") if turns.speaking else UtteranceEnding.OPEN
            )
        while opinions and opinions[0][0] <= now:
            _, pause_at, over = opinions.pop(0)
            if turns.silent_ms and now - FRAME_MS - turns.silent_ms == pause_at:
                turns.apply_score(turns.pause, over)
        match turns.push(probability):
            case Stopped(at_ms=at):
                ends.append(at)
            case Started() | None:
                pass
    return ends


def score(recordings: Sequence[Heard], setting: Setting) -> tuple[Score, Score]:
    """Count cut-offs and delays: for recordings with a pause, and for those without."""
    scores = (Score(), Score())
    for heard in recordings:
        kept = scores[not heard.pausing]
        ends = decide(heard, setting)
        for (_, ended), (begins, _) in zip(heard.edges, heard.edges[1:], strict=False):
            kept.pauses += 1
            kept.cut += any(ended < at <= begins + 2 * FRAME_MS for at in ends)
        last = heard.edges[-1][1]
        kept.delays += [at - last for at in ends if at > last][:1]
    return scores


def settings(model: bool) -> list[Setting]:
    rows = [
        Setting(
            f"`server_vad`, {ms} ms",
            TurnSettings.of(ServerVad(silence_duration_ms=ms)),
            False,
            False,
        )
        for ms in (500, 1000)
    ]
    for eagerness in ("high", "medium", "low"):
        rules = TurnSettings.of(SemanticVad(eagerness=eagerness))
        rows.append(Setting(f"`{eagerness}`, no words known", rules, False, False))
        rows.append(Setting(f"`{eagerness}`, words", rules, True, False))
        if model:
            rows.append(Setting(f"`{eagerness}`, words and smart-turn", rules))
    return rows


def main(*given: str) -> None:
    model = Path(given[0]) if given else None
    recordings = asyncio.run(record(model))
    rows = []
    for setting in settings(model is not None):
        pausing, whole = score(recordings, setting)
        late = sorted(pausing.delays)
        rows.append([
            setting.name,
            f"{pausing.cut} of {pausing.pauses}",
            f"{median(whole.delays):.0f} / {max(whole.delays):.0f}",
            f"{median(late):.0f} / {late[-1]:.0f}",
        ])  # fmt: skip
    wide = ["", "cut off in a pause", "delay, whole sentences, ms", "delay after pauses, ms"]
    print(table(wide, rows))
    if model:
        in_pauses = [o for h in recordings for at, o in _of_pauses(h, last=False)]
        at_ends = [o for h in recordings for at, o in _of_pauses(h, last=True)]
        taken = [w - p - SCORED_AFTER_MS for h in recordings for w, p, _ in h.opinions]
        print(
            f"\nsmart-turn: at ends {median(at_ends):.2f}, in pauses {median(in_pauses):.2f} ",
            end="",
        )
        print(f"(medians); an answer takes {median(taken):.0f} ms, at most {max(taken)}")


def _of_pauses(heard: Heard, *, last: bool) -> list[tuple[int, float]]:
    end = heard.edges[-1][1] - 2 * FRAME_MS
    return [(at, over) for _, at, over in heard.opinions if (at >= end) is last]
