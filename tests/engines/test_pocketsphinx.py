"""Recogniser processes: what happens when they are busy, hang, die, or their server does."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from itertools import pairwise

import psutil
import pytest
import uvloop

from vivavoce.audio import pcm as audio
from vivavoce.engines import child_process
from vivavoce.engines.child_process import environment
from vivavoce.errors import EngineError
from vivavoce.runtime.load import LoadMonitor
from vivavoce_embedded.stt.lm import ModelFiles
from vivavoce_embedded.stt.pocketsphinx import LONGEST_S, Pocketsphinx, _Quiet, _Stretches, _Tape
from vivavoce_embedded.stt.pool import Pool
from vivavoce_embedded.stt.sphinx_worker import END, FAILED, FINAL, SOUND, START, DecoderLoop

from ..support.real_time import live
from ..support.sounds import noise, pieces, spoken

KEYNOTE = noise(300, -60) + spoken("keynote_rms") + noise(500, -60)
REGISTRATION = spoken("registration_slt")


async def nobody(text: str, guess: str = "", logprobs: object = (), /) -> None:
    pass


class Talker:
    """Send speech, then wait for the end. `quiet`: send the empty piece of a long silence too."""

    def __init__(self, pcm: bytes = KEYNOTE, *, quiet: bool = False) -> None:
        self._pcm = pcm
        self._quiet = quiet
        self.heard = asyncio.Event()
        self.done = asyncio.Event()

    async def sound(self) -> AsyncIterator[bytes]:
        async for piece in pieces(self._pcm):
            yield piece
        self.heard.set()
        if self._quiet:
            yield b""
        await self.done.wait()


def workers() -> list[psutil.Process]:
    return [
        child for child in psutil.Process().children() if "sphinx_worker" in str(child.cmdline())
    ]


async def until_gone(process: psutil.Process) -> None:
    """Until the loop has noticed too, which alone may ask how its child ended."""
    for _ in range(500):
        await asyncio.sleep(0.01)
        if not process.is_running():
            await asyncio.sleep(0.01)
            return
    raise AssertionError(f"{process} lives on")


def test_it_works_on_uvloop_too(congress: ModelFiles) -> None:
    async def story() -> str:
        async with Pool(1) as pool:
            return (await Pocketsphinx(pool, congress).listen(pieces(KEYNOTE), nobody)).text

    assert live(story(), uvloop.new_event_loop) == "when does the keynote start"


def test_processes_start_when_they_are_needed_and_end_with_the_pool(congress: ModelFiles) -> None:
    async def story() -> None:
        async with Pool(2) as pool:
            assert not workers()
            await Pocketsphinx(pool, congress).listen(pieces(b""), nobody)
            assert len(workers()) == 1
            await pool.warm(congress)
            assert len(workers()) == 2
        assert not workers()

    live(story())


def test_guesses_come_before_the_words_are_certain(congress: ModelFiles) -> None:
    told: list[tuple[str, str]] = []

    async def tell(text: str, guess: str = "", logprobs: object = (), /) -> None:
        told.append((text, guess))

    async def story() -> None:
        async with Pool(1) as pool:
            sound = pieces(KEYNOTE, ms=32)
            await Pocketsphinx(pool, congress).listen(_in_real_time(sound), tell)

    live(story())
    assert len(set(told)) == len(told), "something new every time"
    assert any(len(guess) > len(text) for text, guess in told)
    assert told[-1][1].startswith("when does the keynote")


async def _in_real_time(sound: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in sound:
        yield piece
        await asyncio.sleep(audio.duration_ms(piece) / 1000)


def test_a_worker_that_dies_costs_its_utterance_only(congress: ModelFiles) -> None:
    async def story() -> str:
        async with Pool(1) as pool:
            stt, talker = Pocketsphinx(pool, congress), Talker()
            listening = asyncio.create_task(stt.listen(talker.sound(), nobody))
            await talker.heard.wait()
            workers()[0].kill()
            with pytest.raises(EngineError, match="stopped unexpectedly"):
                await listening
            return (await stt.listen(pieces(KEYNOTE), nobody)).text

    assert "keynote" in live(story())


def test_a_worker_that_died_in_its_sleep_is_replaced(congress: ModelFiles) -> None:
    async def story() -> str:
        async with Pool(1) as pool:
            await pool.warm(congress)
            process = workers()[0]
            process.kill()
            await until_gone(process)
            return (await Pocketsphinx(pool, congress).listen(pieces(KEYNOTE), nobody)).text

    assert "keynote" in live(story())


ANSWERS = {
    "no JSON": "print('what time is it')",
    "another shape": "print('{}')",
    "another type": "print('[1, \"final\", 5, null]')",
    "a line without an end": "sys.stdout.write('x' * 200_000)",
    "not UTF-8": "sys.stdout.buffer.write(bytes([255, 10]))",
    "words that are not UTF-8": 'sys.stdout.buffer.write(b\'[1, "final", "\\xff", null]\\n\')',
    "half a pair": 'print(\'[1, "final", "\\\\ud800", null]\')',
    "nothing, and it ends": "sys.exit(3)",
}


@pytest.mark.parametrize("what", ANSWERS)
def test_a_worker_whose_answer_cannot_be_read_is_killed_and_replaced(
    congress: ModelFiles, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = f"import sys\nsys.stdin.buffer.read(9)\n{ANSWERS[what]}\nsys.stdout.flush()\n"
    program += "sys.stdin.buffer.read()"

    async def story() -> str:
        async with Pool(1, answer_s=20.0) as pool:
            stt = Pocketsphinx(pool, congress)
            with monkeypatch.context() as patched:
                patched.setattr(child_process, "command", lambda _: [sys.executable, "-c", program])
                with pytest.raises(EngineError):
                    await stt.listen(pieces(KEYNOTE), nobody)
            return (await stt.listen(pieces(KEYNOTE), nobody)).text

    assert "keynote" in live(story())


def test_a_worker_that_cannot_be_started_is_an_engine_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(child_process, "command", lambda _: ["/nowhere/python"])

    async def story() -> None:
        async with Pool(1) as pool:
            with pytest.raises(EngineError, match="cannot be started"):
                await Pocketsphinx(pool, None).listen(pieces(KEYNOTE), nobody)

    live(story())


@pytest.mark.parametrize("seconds", [0.0, 20.0], ids=["at the end", "while there is more to hear"])
def test_a_worker_that_hangs_is_killed_and_replaced(congress: ModelFiles, seconds: float) -> None:
    async def story() -> str:
        async with Pool(1, answer_s=2.0) as pool:
            await pool.warm(congress)
            process = workers()[0]
            process.send_signal(signal.SIGSTOP)
            stt = Pocketsphinx(pool, congress)
            with pytest.raises(EngineError) as error:
                await stt.listen(pieces(audio.silence(int(seconds * 1000))), nobody)
            assert error.value.code == "recogniser_timeout"
            assert process not in workers()
            return (await stt.listen(pieces(KEYNOTE), nobody)).text

    assert "keynote" in live(story())


def test_the_first_utterance_is_transcribed_first_and_whole(congress: ModelFiles) -> None:
    order: list[int] = []

    async def story() -> list[str]:
        async with Pool(1) as pool:
            first = Talker()

            async def listen(number: int, sound: AsyncIterator[bytes]) -> str:
                text = (await Pocketsphinx(pool, congress).listen(sound, nobody)).text
                order.append(number)
                return text

            async with asyncio.TaskGroup() as tasks:
                heard = [tasks.create_task(listen(0, first.sound()))]
                await first.heard.wait()
                heard += [tasks.create_task(listen(n, pieces(KEYNOTE))) for n in range(1, 4)]
                await asyncio.sleep(0)
                first.done.set()
            return [task.result() for task in heard]

    assert live(story()) == ["when does the keynote start"] * 4
    assert order == [0, 1, 2, 3]


@pytest.mark.long
def test_a_silent_talker_gives_the_worker_to_a_speaking_one(congress: ModelFiles) -> None:
    """A button held down, or a connection that died in the middle of a word."""

    async def story() -> None:
        holding, speaking = Talker(quiet=True), Talker()
        speaking.done.set()
        async with Pool(1) as pool:
            one, other = Pocketsphinx(pool, congress), Pocketsphinx(pool, congress)
            held = asyncio.create_task(one.listen(holding.sound(), nobody))
            await holding.heard.wait()
            assert "keynote" in (await other.listen(speaking.sound(), nobody)).text
            assert not held.done()
            holding.done.set()
            assert "keynote" in (await held).text, "all of it, from the beginning"
            holding = Talker(quiet=True)
            again = asyncio.create_task(one.listen(holding.sound(), nobody))
            await holding.heard.wait()
            again.cancel()
            await asyncio.wait((again,))
            assert "keynote" in (await other.listen(speaking.sound(), nobody)).text

    live(story())


def test_audio_with_many_pauses_is_recognised_twice_at_most() -> None:
    """A minute, and then a little whenever the worker has been given back."""

    async def story() -> tuple[int, bool]:
        said: asyncio.Queue[bytes | None] = asyncio.Queue()

        async def sound() -> AsyncGenerator[bytes, None]:
            while (piece := await said.get()) is not None:
                yield piece

        for _ in range(59):
            said.put_nowait(b"a second")
        tape, heard = _Tape(sound()), 0
        for more in [*[b"a little"] * 5, None]:
            said.put_nowait(b"")
            try:
                async for _ in tape.play():
                    heard += 1
            except _Quiet:
                pass
            said.put_nowait(more)
            await tape.more()
        async for _ in tape.play():
            heard += 1
        return heard, tape.over

    heard, over = live(story())
    assert heard <= 2 * (59 + 5)
    assert over


def test_an_utterance_with_two_pauses_is_transcribed_whole(congress: ModelFiles) -> None:
    async def story() -> str:
        async def sound() -> AsyncIterator[bytes]:
            for pcm in (KEYNOTE, noise(300, -60), REGISTRATION):
                async for piece in pieces(pcm):
                    yield piece
                yield b""

        async with Pool(1) as pool:
            return (await Pocketsphinx(pool, congress).listen(sound(), nobody)).text

    said = live(story())
    assert said.count("keynote") == 1
    assert said.count("registration") == 1


def test_an_utterance_that_ends_in_a_pause_is_transcribed(congress: ModelFiles) -> None:
    """Their worker was given back meanwhile."""

    async def story() -> str:
        async def sound() -> AsyncIterator[bytes]:
            async for piece in pieces(KEYNOTE):
                yield piece
            yield b""
            yield b""

        async with Pool(1) as pool:
            return (await Pocketsphinx(pool, congress).listen(sound(), nobody)).text

    assert "keynote" in live(story())


def test_a_call_has_one_worker_however_much_it_sends(congress: ModelFiles) -> None:
    async def story() -> None:
        ends: list[int] = []
        async with Pool(4) as pool, asyncio.TaskGroup() as tasks:
            call, talker = Pocketsphinx(pool, congress), Talker()

            async def listen(number: int) -> str:
                sound = pieces(REGISTRATION) if number else talker.sound()
                text = (await call.listen(sound, nobody)).text
                ends.append(number)
                return text

            heard = [tasks.create_task(listen(number)) for number in range(4)]
            await talker.heard.wait()
            other = await Pocketsphinx(pool, congress).listen(pieces(KEYNOTE), nobody)
            assert "keynote" in other.text
            assert (pool.busy, ends) == (1, [])
            talker.done.set()
        assert ends == [0, 1, 2, 3]
        assert all("registration" in task.result() for task in heard[1:])

    live(story())


def test_a_wait_for_a_worker_ends_with_an_error(congress: ModelFiles) -> None:
    async def story() -> None:
        async with Pool(1, wait_s=0.05) as pool:
            talker = Talker()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(Pocketsphinx(pool, congress).listen(talker.sound(), nobody))
                await talker.heard.wait()
                with pytest.raises(EngineError) as error:
                    await Pocketsphinx(pool, congress).listen(pieces(KEYNOTE), nobody)
                assert error.value.code == "recogniser_busy"
                talker.done.set()

    live(story())


@pytest.mark.long
def test_a_speech_without_end_is_heard_in_stretches(congress: ModelFiles) -> None:
    """A decoder's memory grows with what it hears at once; no word is lost where it is parted."""
    sound = noise(600, -60).join((KEYNOTE, REGISTRATION) * 11)
    assert len(sound) / 48_000 > LONGEST_S
    told: list[str] = []

    async def tell(text: str, guess: str = "", logprobs: object = (), /) -> None:
        told.append(text)

    async def story() -> str:
        async with Pool(1) as pool:
            return (await Pocketsphinx(pool, congress).listen(pieces(sound), tell)).text

    said = live(story())
    assert said.count("registration") >= 10
    assert said.count("keynote") >= 9
    for earlier, later in pairwise([*told, said]):
        assert later.startswith(earlier)


@pytest.mark.parametrize("loud", [True, False])
def test_a_stretch_ends_where_it_is_quiet_and_at_the_latest_when_it_is_full(loud: bool) -> None:
    async def story() -> list[float]:
        second = noise(1_000, -20, 16_000)
        quiet = second if loud else audio.silence(1_000)[:32_000]
        parts = [second] * 50 + [quiet] + [second] * 30

        async def sound() -> AsyncGenerator[bytes, None]:
            for part in parts:
                yield part

        stretches, seconds = _Stretches(sound()), []
        while not stretches.over:
            seconds.append(sum([len(p) / 32_000 async for p in stretches.next()]))
        return seconds

    assert live(story()) == ([LONGEST_S, 81 - LONGEST_S] if loud else [51, 30])


@pytest.mark.parametrize("language", ["it", "es-ES", "de"])
def test_it_says_what_it_cannot_understand(language: str) -> None:
    with pytest.raises(EngineError, match="English only") as error:
        live(Pocketsphinx(Pool(1)).listen(pieces(KEYNOTE), nobody, language=language))
    assert error.value.code == "language_not_supported"


def test_a_worker_knows_two_assistants_and_learns_a_third(
    congress: ModelFiles, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def copy(name: str) -> ModelFiles:
        folder = tmp_path_factory.mktemp(name)
        for file in (congress.lm, congress.dict):
            (folder / file.name).symlink_to(file)
        return ModelFiles(folder / congress.lm.name, folder / congress.dict.name)

    models = [congress, copy("second"), copy("third"), congress]

    async def story() -> list[str]:
        async with Pool(1) as pool:
            return [
                (await Pocketsphinx(pool, m).listen(pieces(KEYNOTE), nobody)).text for m in models
            ]

    assert live(story()) == ["when does the keynote start"] * 4


def test_without_a_model_general_english_is_heard() -> None:
    async def story() -> str:
        async with Pool(1) as pool:
            return (await Pocketsphinx(pool).listen(pieces(KEYNOTE), nobody)).text

    assert "start" in live(story())


def test_nothing_of_one_caller_stays_for_the_next(congress: ModelFiles) -> None:
    """A decoder gets used to a voice. The voice goes with the call, not with the decoder."""

    async def story() -> tuple[str, str]:
        async with Pool(1) as pool:
            alone = (await Pocketsphinx(pool, congress).listen(pieces(KEYNOTE), nobody)).text
            shouting = noise(3_000, -10) + spoken("registration_slt") * 3
            await Pocketsphinx(pool, congress).listen(pieces(shouting), nobody)
            return alone, (await Pocketsphinx(pool, congress).listen(pieces(KEYNOTE), nobody)).text

    alone, after_somebody = live(story())
    assert alone == after_somebody


def test_a_new_utterance_is_the_end_of_the_one_before(congress: ModelFiles) -> None:
    answers = io.StringIO()
    hearing = DecoderLoop(answers)
    start = json.dumps({"lm": str(congress.lm), "dict": str(congress.dict), "voice": None}).encode()
    pcm = spoken("keynote_rms", 16_000)
    hearing.do(START, 1, start)
    hearing.do(SOUND, 1, pcm[: len(pcm) // 2])
    hearing.do(START, 2, start)
    hearing.do(SOUND, 2, pcm)
    hearing.do(SOUND, 1, pcm)  # after its end
    hearing.do(END, 1, b"")
    hearing.do(END, 2, b"")
    hearing.do(END, 2, b"")
    told = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert [(number, text) for number, kind, text, _ in told if kind == FINAL] == [
        (2, "when does the keynote start")
    ]
    assert FAILED not in [kind for _, kind, _, _ in told]


SERVER = """
import asyncio, sys, psutil
from vivavoce_embedded.stt.pool import Pool

async def main():
    async with Pool(2) as pool:
        await pool.warm()
        print(*[child.pid for child in psutil.Process().children()], flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_workers_do_not_outlive_a_server_that_is_killed() -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER], stdout=subprocess.PIPE, env=environment("vivavoce_embedded")
    )
    assert server.stdout is not None
    with server, server.stdout:
        left = [psutil.Process(int(pid)) for pid in server.stdout.readline().split()]
        assert len(left) == 2
        os.kill(server.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(left, timeout=10)
    assert not alive


def test_the_observer_sees_each_wait_for_a_worker(congress: ModelFiles) -> None:
    async def story() -> None:
        load = LoadMonitor()
        async with Pool(1, observer=load) as pool:
            clock = asyncio.get_running_loop().time
            async with pool.lease(congress):
                assert (pool.busy, load.waiting) == (1, 0)
                second = asyncio.create_task(_lease(pool, congress))
                await asyncio.sleep(0.05)
                assert load.waiting == 1
                second.cancel()
                await asyncio.wait([second])
                assert load.waiting == 0, "who gives up waits no longer"
            assert pool.busy == 0
            assert load.busy(clock()) is None

    live(story())


async def _lease(pool: Pool, model: ModelFiles) -> None:
    async with pool.lease(model):
        pass
