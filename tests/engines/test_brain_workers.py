"""The brain's processes: what happens when they are slow, die, or their server does."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import psutil
import pytest

from vivavoce.engines.base import GenerateRequest
from vivavoce.engines.child_process import environment
from vivavoce.errors import EngineError
from vivavoce.knowledge import ingest
from vivavoce.knowledge.chunks import markdown
from vivavoce.knowledge.normalize import LANGUAGES
from vivavoce_embedded.brain import wire, worker
from vivavoce_embedded.brain.brain import WAITING, ExtractiveBrain
from vivavoce_embedded.brain.excerpt import Excerpt, excerpt
from vivavoce_embedded.brain.worker import Responders
from vivavoce_embedded.brain.workers import Knowledge, Workers

from ..support.folders import files
from ..support.real_time import live
from .brain_talk import ALL, DATA, FAIR, WEDNESDAY, user

CHUNKS = ingest.read_files([*files(DATA, "*.md"), *files(DATA, "*.csv")], LANGUAGES).chunks
KEYNOTE = GenerateRequest(
    instructions="", history=(user("where is the restaurant"),), tools=ALL, language="en"
)
TIMER = GenerateRequest(
    instructions="", history=(user("set a timer for ten minutes"),), tools=ALL, language="en"
)
TOMORROW = msgspec.structs.replace(TIMER, history=(user("book a table for tomorrow"),))
PORTER = markdown("# Breakfast\nBreakfast is from seven to ten.", "en", "hotel.md")
BREAKFAST = GenerateRequest(instructions="", history=(user("when is breakfast"),), language="en")


def fair() -> Knowledge:
    return Knowledge(CHUNKS, LANGUAGES, "Aurora")


def expected(question: GenerateRequest) -> str:
    return FAIR.reply(excerpt(question)).text


class Open:
    """Some processes, and brains of several calls that share them."""

    def __init__(self, workers: Workers, knowledge: Knowledge) -> None:
        self.workers = workers
        self.knowledge = knowledge

    def brain(self) -> ExtractiveBrain:
        return ExtractiveBrain(self.workers, self.knowledge, now=lambda: WEDNESDAY)

    async def text(self, question: GenerateRequest, brain: ExtractiveBrain | None = None) -> str:
        thoughts = [t async for t in (brain or self.brain()).generate(question)]
        return "".join(thought for thought in thoughts if isinstance(thought, str))


@asynccontextmanager
async def opened(
    size: int = 1, *, wait_s: float = 20.0, answer_s: float = 20.0
) -> AsyncIterator[Open]:
    """Start them with deadlines that a busy machine meets, and load all knowledge."""
    async with Workers(size, wait_s=wait_s, answer_s=answer_s) as workers:
        knowledge = fair()
        await workers.warm(knowledge)
        yield Open(workers, knowledge)
    assert not processes()


def processes() -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE
        and "vivavoce_embedded.brain.worker" in str(child.cmdline())
    ]


async def until_others_than(gone: psutil.Process) -> None:
    for _ in range(3_000):
        if processes() and gone not in processes():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it was not replaced")


def test_a_process_answers_what_the_rules_answer() -> None:
    async def story() -> None:
        async with opened() as brains:
            assert await brains.text(KEYNOTE) == expected(KEYNOTE)
            call, _ = [t async for t in brains.brain().generate(TIMER)]
            assert getattr(call, "name", "") == "set_timer"

    live(story())


def test_a_process_that_does_not_answer_fails_one_response_and_is_replaced() -> None:
    async def story() -> None:
        async with opened(answer_s=0.5) as brains:
            (stuck,) = processes()
            stuck.suspend()
            with pytest.raises(EngineError) as caught:
                await brains.text(KEYNOTE)
            assert caught.value.code == "brain_timeout"
            assert "too long" in str(caught.value)
            await until_others_than(stuck)  # without a request
            assert not stuck.is_running() or stuck.status() == psutil.STATUS_ZOMBIE
        async with opened() as brains:  # with patience again: what was replaced answers
            assert await brains.text(KEYNOTE) == expected(KEYNOTE)

    live(story())


def test_a_process_that_hangs_does_not_delay_other_requests() -> None:
    async def story() -> None:
        async with opened(2) as brains:
            processes()[0].suspend()
            async with asyncio.TaskGroup() as tasks:
                slow = [tasks.create_task(brains.text(KEYNOTE)) for _ in range(2)]
                await asyncio.wait(slow, return_when=asyncio.FIRST_COMPLETED)
                assert sum(task.done() for task in slow) == 1
                for _ in range(5):
                    assert await brains.text(KEYNOTE) == expected(KEYNOTE)
                assert sum(task.done() for task in slow) == 1
                processes()[0].resume()

    live(story())


def test_a_process_that_dies_between_two_requests_is_not_missed() -> None:
    async def story() -> None:
        async with opened() as brains:
            for _ in range(3):
                processes()[0].kill()
                assert await brains.text(KEYNOTE) == expected(KEYNOTE)

    live(story())


def test_a_process_that_dies_while_it_thinks_is_asked_once_more() -> None:
    async def story() -> None:
        async with opened() as brains:
            (first,) = processes()
            first.suspend()
            asking = asyncio.create_task(brains.text(KEYNOTE))
            await asyncio.sleep(0.05)  # it was asked by now; if it was not, this shows less
            first.kill()
            assert await asking == expected(KEYNOTE)
            assert processes() != [first]

    live(story())


def test_a_request_that_ends_every_process_fails_with_a_sentence() -> None:
    async def story() -> None:
        async with opened() as brains:

            async def killing() -> None:
                while True:
                    for process in processes():
                        process.kill()
                    await asyncio.sleep(0.005)

            killer = asyncio.create_task(killing())
            with pytest.raises(EngineError, match="stopped unexpectedly"):
                await brains.text(KEYNOTE)
            killer.cancel()
            await asyncio.wait([killer])
            assert await brains.text(KEYNOTE) == expected(KEYNOTE)

    live(story())


@pytest.mark.parametrize("turns", range(1, 12))
def test_a_request_after_a_cancelled_one_gets_its_own_answer(turns: int) -> None:
    """Interrupt after this number of turns of the loop: at any moment of the exchange."""

    async def story() -> None:
        async with opened() as brains:
            for _ in range(3):
                asking = asyncio.create_task(brains.text(TIMER))
                for _ in range(turns):
                    await asyncio.sleep(0)
                asking.cancel()
                await asyncio.wait([asking])
                assert await brains.text(KEYNOTE) == expected(KEYNOTE)

    live(story())


def test_an_interrupted_request_that_hangs_fails_no_other() -> None:
    async def story() -> None:
        async with opened(answer_s=1.0) as brains:
            (stuck,) = processes()
            stuck.suspend()
            asking = asyncio.create_task(brains.text(TIMER))
            await asyncio.sleep(0.05)
            asking.cancel()
            await asyncio.wait([asking])
            assert await brains.text(KEYNOTE) == expected(KEYNOTE)
            assert stuck not in processes()

    live(story())


def test_many_responses_of_one_call_delay_those_of_another_by_one() -> None:
    async def story() -> None:
        async with opened() as brains:
            busy, other = brains.brain(), brains.brain()
            done: list[str] = []

            async def ask(name: str, brain: ExtractiveBrain) -> None:
                await brains.text(KEYNOTE, brain)
                done.append(name)

            async with asyncio.TaskGroup() as tasks:
                for _ in range(WAITING):
                    tasks.create_task(ask("busy", busy))
                tasks.create_task(ask("other", other))
            assert "other" in done[:2]
            assert len(done) == WAITING + 1

    live(story())


def test_more_responses_of_a_call_than_may_wait_fail() -> None:
    async def story() -> None:
        async with opened() as brains:
            brain = brains.brain()
            asking = [asyncio.create_task(brains.text(KEYNOTE, brain)) for _ in range(WAITING + 3)]
            results = await asyncio.gather(*asking, return_exceptions=True)
            failed = [result for result in results if isinstance(result, EngineError)]
            assert [error.code for error in failed] == ["brain_busy"] * 3
            assert results.count(expected(KEYNOTE)) == WAITING

    live(story())


def test_a_request_that_exceeds_its_wait_for_a_process_fails_as_busy() -> None:
    async def story() -> None:
        async with opened(wait_s=0.2) as brains:
            processes()[0].suspend()
            first = asyncio.create_task(brains.text(KEYNOTE))
            await asyncio.sleep(0)
            with pytest.raises(EngineError) as caught:
                await brains.text(KEYNOTE)
            assert caught.value.code == "brain_busy"
            processes()[0].resume()
            assert await first == expected(KEYNOTE)

    live(story())


def test_each_assistant_is_asked_about_what_it_knows() -> None:
    async def story() -> None:
        async with opened() as brains:
            porter = Open(brains.workers, Knowledge(PORTER, ("en",), "Porter"))
            await porter.workers.prepare(porter.knowledge)
            for _ in range(2):
                assert await porter.text(BREAKFAST) == "Breakfast is from seven to ten."
                assert await brains.text(KEYNOTE) == expected(KEYNOTE)

    live(story())


def test_a_process_gets_no_key_and_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-children")

    async def story() -> None:
        async with opened() as brains:
            await brains.text(KEYNOTE)
            (process,) = processes()
            if sys.platform == "linux":
                assert "OPENAI_API_KEY" not in process.environ()
            assert process.memory_info().rss < 60 * 2**20

    live(story())


def test_a_process_imports_nothing_of_the_server() -> None:
    module = "vivavoce_embedded.brain.worker"
    command = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    shown = subprocess.run(
        [sys.executable, "-c", command], env=environment(module), capture_output=True, check=True
    ).stdout
    loaded = {name.split(".")[0] for name in json.loads(shown)}
    assert not loaded & {"asyncio", "fastapi", "numpy", "onnxruntime", "pydantic", "uvicorn"}


SERVER = """
import asyncio, sys
from tests.engines.test_brain_workers import KEYNOTE, Open, fair, processes
from vivavoce_embedded.brain.workers import Workers

async def main():
    async with Workers(2) as workers:
        knowledge = fair()
        await workers.warm(knowledge)
        await Open(workers, knowledge).text(KEYNOTE)
        print(*(process.pid for process in processes()), flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def test_no_process_outlives_a_server_that_was_killed() -> None:
    path = os.pathsep.join(sys.path)
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    ) as server:
        assert server.stdout is not None
        pids = [int(pid) for pid in server.stdout.readline().split()]
        left = [psutil.Process(pid) for pid in pids]
        server.send_signal(signal.SIGKILL)
    assert len(left) == 2
    _, alive = psutil.wait_procs(left, timeout=10)
    assert not alive


ENDLESS = """
import re
from vivavoce_embedded.brain.worker import _deadline
with _deadline(0.2):
    re.match("(a+)+$", "a" * 64 + "b")
"""


def test_a_process_ends_itself_in_a_pattern_that_never_ends() -> None:
    """Its server may be dead by then, and a thread would wait for the interpreter's lock."""
    ended = subprocess.run(
        [sys.executable, "-c", ENDLESS], env=environment("vivavoce_embedded"), timeout=30
    )
    assert ended.returncode == -signal.SIGALRM


# Without a process


def _load(key: int, title: str = "Breakfast") -> wire.Load:
    chunks = tuple(markdown(f"# {title}\n{title} is from seven to ten.", "en", "hotel.md"))
    return wire.Load(key, "Porter", ("en",), chunks)


def _ask(key: int) -> wire.Ask:
    return wire.Ask(key, WEDNESDAY, excerpt(BREAKFAST))


def test_an_assistant_that_was_not_loaded_is_unknown() -> None:
    responders = Responders()
    assert responders.do(_ask(1), 0) == wire.Unknown()
    assert responders.do(_load(1), 100) == wire.Loaded()
    answer = responders.do(_ask(1), 0)
    assert isinstance(answer, wire.Answered)
    assert answer.reply.text == "Breakfast is from seven to ten."


def test_the_assistant_that_was_asked_least_recently_makes_room() -> None:
    responders = Responders(most=250)
    for key in (1, 2):
        responders.do(_load(key), 100)
    responders.do(_ask(1), 0)
    responders.do(_load(3), 100)
    kept = [key for key in (1, 2, 3) if responders.do(_ask(key), 0) != wire.Unknown()]
    assert kept == [1, 3]
    responders.do(_load(4), 1_000)
    assert responders.do(_ask(4), 0) != wire.Unknown(), "the last one stays, however large it is"
    assert responders.do(_ask(1), 0) == wire.Unknown()


def test_an_exception_of_the_rules_is_logged_by_type_and_place_only() -> None:
    responders = Responders()
    responders.do(_load(1), 0)
    broken = Excerpt(dialogue=None)  # type: ignore[arg-type]
    failed = responders.do(wire.Ask(1, dt.datetime.now(), broken), 0)
    assert isinstance(failed, wire.Failed)
    assert failed.error == "AttributeError"
    assert failed.place.startswith("responder.py:")


def test_a_request_that_breaks_the_rules_fails_its_response_and_not_the_process() -> None:
    """No day comes after the last one."""

    async def story() -> None:
        async with opened() as brains:
            (before,) = processes()
            with pytest.raises(EngineError, match="could not find"):
                await brains.workers.reply(brains.knowledge, excerpt(TOMORROW), dt.datetime.max)
            assert await brains.text(KEYNOTE) == expected(KEYNOTE)
            assert processes() == [before]

    live(story())


IMPOSTOR = """
import sys
from vivavoce_embedded.brain.wire import HEADER, Failed, frame
(size,) = HEADER.unpack(sys.stdin.buffer.read(HEADER.size))
sys.stdin.buffer.read(size)
sys.stdout.buffer.write({answer})
sys.stdout.flush()
sys.stdin.read()
"""


@pytest.mark.parametrize(
    "answer",
    [
        "HEADER.pack(3) + b'???'",
        "frame(Failed('?', '')).replace(b'?', bytes([255]))",
        "bytes([255]) * 100",
    ],
    ids=["no message", "no UTF-8", "no length"],
)
def test_a_process_whose_answer_cannot_be_read_is_replaced(
    answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "impostor.py").write_text(IMPOSTOR.format(answer=answer))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    async def story() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(worker, "__name__", "impostor")
            workers = Workers(1)
        async with workers:
            with pytest.raises(EngineError, match="cannot be read"):
                await workers.prepare(fair())
            (one,) = workers._leases.workers
            assert not one.running

    live(story())
