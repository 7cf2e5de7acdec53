"""Callers that arrive one after the other and stay: one process of `benchmarks.ramp`.

Each caller asks, plays the whole answer, pauses, and asks again, until the time is over. A caller
that is refused because the server is busy retries after the time that the server names. The
results are printed as JSON.

    python -m benchmarks.crowd URL KEY FIRST STEP LAST EVERY_S BEGIN END
"""

from __future__ import annotations

import asyncio
import json
import random
import sys

import msgspec

from vivavoce.audio.pcm import BYTES_PER_MS
from vivavoce.cli.http_server import new_loop
from vivavoce.core.types import Frame
from vivavoce.net.dial import UnreachableError

from .caller import CLOCK, Caller, Sentence

THINK_S = (0.5, 3.0)
ANSWER_WITHIN_S = 15.0
AUDIO, DONE = "response.output_audio.delta", "response.done"
EARLY_S = 0.2  # before the end of the question an answer belongs to an earlier one
_DELTA = b'"delta":"'


class Turn(msgspec.Struct):
    """One question. Times are seconds of the monotonic clock."""

    at: float  # the time of its last word
    first_ms: float | None = None  # until the first audio of the answer; None: there was none
    silent_ms: float = 0.0  # in the middle of the answer


class Found(msgspec.Struct):
    turns: list[Turn] = []
    came: list[float] = []
    busy: list[float] = []  # the `Retry-After` of each refusal
    lost: list[str] = []
    late_ms: list[float] = []  # the delay of our own frames


class _BusyError(Exception):
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Person(Caller):
    """A caller that measures when its loudspeaker had nothing to play."""

    def __init__(self, url: str, key: str) -> None:
        super().__init__(url, key)
        self.dry_at = 0.0
        self.silent_s = 0.0
        self._sounding = False
        self.retry_s: float | None = None

    def forget(self) -> None:
        """Return the answer that was received until now."""
        self.silent_s = 0.0
        while not self._seen.empty():
            _, kind = self._seen.get_nowait()
            if kind.startswith("error"):
                raise RuntimeError(kind)

    def frame(self, data: Frame) -> None:
        now, text = CLOCK(), bytes(data)
        if b'"response.output_audio.delta"' in text[:80]:
            start = text.index(_DELTA) + len(_DELTA)
            seconds = (text.index(b'"', start) - start) * 3 / 4 / BYTES_PER_MS / 1000
            if self._sounding:
                self.silent_s += max(0.0, now - self.dry_at)
            self.dry_at = max(self.dry_at, now) + seconds
            self._sounding = True
        elif b'"response.created"' in text[:80]:
            self._sounding = False
        elif b'"error"' in text[:80]:
            self.retry_s = json.loads(text)["error"].get("retry_after")
        super().frame(data)


async def live(url: str, key: str, place: int, end: float, found: Found) -> None:
    dice = random.Random(place)
    questions = Sentence("keynote_rms"), Sentence("registration_slt")
    while CLOCK() < end:
        try:
            await _call(Person(url, key), dice, questions, end, found)
        except _BusyError as busy:
            found.busy.append(busy.seconds)
            await asyncio.sleep(busy.seconds + dice.uniform(0, 1))
        except (RuntimeError, TimeoutError, OSError, UnreachableError) as error:
            found.lost.append(f"{type(error).__name__}: {error}"[:200])
            await asyncio.sleep(1)


async def _call(
    person: Person, dice: random.Random, questions: tuple[Sentence, ...], end: float, found: Found
) -> None:
    try:
        await person.__aenter__()
    except RuntimeError:
        if person.retry_s is None:
            raise
        raise _BusyError(person.retry_s) from None
    try:
        found.came.append(CLOCK())
        person.open_microphone()
        while CLOCK() < end:
            await asyncio.sleep(dice.uniform(*THINK_S))
            await _ask(person, dice.choice(questions), found)
    finally:
        found.late_ms += person.late_ms
        await person.__aexit__()


async def _ask(person: Person, question: Sentence, found: Found) -> None:
    person.forget()
    begun = person.say(question) - question.onset_s
    turn = Turn(begun + question.seconds)
    found.turns.append(turn)
    try:
        async with asyncio.timeout(question.seconds + ANSWER_WITHIN_S):
            while (at := await person.until(AUDIO)) < turn.at - EARLY_S:
                pass  # an answer to half of the question
            turn.first_ms = (at - turn.at) * 1000
            while person.replying:
                await person.until(DONE)
    except TimeoutError:
        return
    turn.silent_ms = person.silent_s * 1000
    await asyncio.sleep(max(0.0, person.dry_at - CLOCK()))


async def crowd(words: list[str]) -> Found:
    url, key = words[:2]
    first, step, last = map(int, words[2:5])
    every_s, begin, end = map(float, words[5:8])
    found = Found()

    async def come(place: int) -> None:
        await asyncio.sleep(max(0.0, begin + place * every_s - CLOCK()))
        await live(url, key, place, end, found)

    async with asyncio.TaskGroup() as tasks:
        for place in range(first, last, step):
            tasks.create_task(come(place))
    return found


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=new_loop) as runner:
        print(msgspec.json.encode(runner.run(crowd(sys.argv[1:]))).decode())
