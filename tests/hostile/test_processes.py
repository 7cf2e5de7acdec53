"""Kill or stop a recogniser, a brain or a voice: an exact event, and the next turn works."""

from __future__ import annotations

import asyncio
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from vivavoce.engines.tts import espeak

from ..support.calls import Caller, House
from ..support.served import TAKES_ALL, Served, serve
from ..support.sounds import noise, spoken

KEYNOTE = noise(200, -60) + spoken("keynote_rms") + noise(500, -60)
PUSH_TO_TALK = {
    "type": "realtime",
    "audio": {"input": {
        "turn_detection": None, "transcription": {"model": "whisper-1", "language": "en"},
    }},
}  # fmt: skip
HEARD = ("conversation.item.input_audio_transcription.completed",
         "conversation.item.input_audio_transcription.failed")  # fmt: skip


@pytest.fixture(scope="module")
def charlotte(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Serve the embedded engine with short timeouts."""
    data = tmp_path_factory.mktemp("processes")
    hasty = {"VIVAVOCE_SPEECH__WORKER_TIMEOUT_S": "2", "VIVAVOCE_SPEECH__STT_WORKERS": "2"}
    with serve(data, **TAKES_ALL, **hasty) as server:
        yield receiving(server)
        assert "Traceback" not in server.log.read_text()


def receiving(server: Served) -> House:
    """Wait until Charlotte takes calls."""
    house = House(server, server.key(), "charlotte")
    server.await_charlotte(house.key)
    return house


def processes(house: House, word: str) -> list[psutil.Process]:
    children = psutil.Process(house.server.process.pid).children(recursive=True)
    return [child for child in children if word in " ".join(child.cmdline())]


async def speak(caller: Caller) -> None:
    for start in range(0, len(KEYNOTE), 48_000):
        await caller.append(KEYNOTE[start : start + 48_000])


async def understood(caller: Caller) -> None:
    await speak(caller)
    await caller.say("input_audio_buffer.commit")
    heard = await caller.hear(*HEARD)
    assert heard["type"] == HEARD[0], heard
    assert "keynote" in heard["transcript"]


async def answered(caller: Caller) -> dict[str, object]:
    await caller.say("response.create")
    response: dict[str, object] = (await caller.hear("response.done"))["response"]
    return response


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGSTOP])
def test_a_killed_recogniser_costs_one_transcript(charlotte: House, by: signal.Signals) -> None:
    async def story() -> None:
        async with charlotte.welcome() as caller, charlotte.welcome() as bystander:
            await caller.say("session.update", session=PUSH_TO_TALK)
            await caller.hear("session.updated")
            await understood(caller)
            await speak(caller)
            await asyncio.sleep(0.3)
            for worker in processes(charlotte, "sphinx_worker"):
                worker.send_signal(by)
            await caller.say("input_audio_buffer.commit")
            lost = await caller.hear(*HEARD)
            assert lost["type"] == HEARD[1]
            assert lost["error"]["code"] == "transcription_failed"
            assert lost["error"]["message"] in (
                "The recogniser stopped unexpectedly.", "The recogniser does not answer.",
            )  # fmt: skip
            assert (await answered(caller))["status"] == "completed"
            assert await bystander.turn("where is the keynote")
            for worker in processes(charlotte, "sphinx_worker"):
                if worker.status() == psutil.STATUS_STOPPED:
                    worker.kill()  # the other worker, which had no request
            await understood(caller)
            assert len(processes(charlotte, "sphinx_worker")) <= 2

    asyncio.run(story())


@pytest.mark.skipif(not espeak.installed(), reason="needs espeak")
@pytest.mark.parametrize(
    ("kills", "code"), [(True, "engine_failed"), (False, "engine_timeout")], ids=["dies", "hangs"]
)
def test_a_killed_voice_costs_one_response(charlotte: House, kills: bool, code: str) -> None:
    async def story() -> None:
        async with charlotte.welcome() as caller, charlotte.welcome() as bystander:
            await caller.add("where is the keynote")
            assert (await answered(caller))["status"] == "completed"
            (voice,) = processes(charlotte, "vivavoce_espeak")
            voice.suspend()
            await caller.say("response.create")
            await caller.hear("response.created")
            await asyncio.sleep(0.3)
            if kills:
                voice.kill()
            assert await bystander.turn("where is the keynote"), "in text, without a voice"
            failed = (await caller.hear("response.done"))["response"]
            assert failed["status"] == "failed"
            assert failed["status_details"]["error"]["code"] == code
            assert (await answered(caller))["status"] == "completed"
            assert len(processes(charlotte, "vivavoce_espeak")) == 1

    asyncio.run(story())


BRAIN = "vivavoce_embedded.brain.worker"


async def healthy(house: House) -> None:
    def ask() -> int:
        with urllib.request.urlopen(f"{house.server.url}/healthz", timeout=5) as response:
            status: int = response.status
            return status

    assert await asyncio.to_thread(ask) == 200


def test_a_killed_brain_is_asked_again_and_costs_nothing(charlotte: House) -> None:
    async def story() -> None:
        async with charlotte.welcome() as caller:
            before = await caller.turn("where is the keynote")
            for brain in processes(charlotte, BRAIN):
                brain.kill()
            assert await caller.turn("where is the keynote") == before

    asyncio.run(story())


def test_a_brain_that_hangs_costs_one_response(charlotte: House) -> None:
    async def story() -> None:
        async with charlotte.welcome() as caller, charlotte.welcome() as bystander:
            stuck = processes(charlotte, BRAIN)
            for brain in stuck:
                brain.suspend()
            await caller.add("where is the keynote")
            await caller.say("response.create")
            await healthy(charlotte)  # no other call waits
            failed = (await caller.hear("response.done"))["response"]
            assert failed["status"] == "failed"
            assert failed["status_details"]["error"]["code"] == "brain_timeout"
            for brain in processes(charlotte, BRAIN):
                brain.resume()  # one of the workers, which had no request
            assert (await answered(caller))["status"] == "completed"
            assert await bystander.turn("where is the keynote")
            assert len(set(stuck) & set(processes(charlotte, BRAIN))) < len(stuck)

    asyncio.run(story())


def test_the_largest_allowed_tools_delay_no_other_call(charlotte: House) -> None:
    """Return 73 kB of tools: sixteen enums of five hundred values, and three hundred examples."""
    values = [f"value {number}" for number in range(500)]
    properties = {f"p{number}": {"type": "string", "enum": values} for number in range(16)}
    examples = [f"show me value {number}" for number in range(300)]
    tool = {
        "type": "function",
        "name": "show",
        "parameters": {"type": "object", "properties": properties, "x-examples": examples},
    }

    async def story() -> None:
        async with charlotte.welcome() as caller, charlotte.welcome() as bystander:
            update = {"type": "realtime", "tools": [tool], "output_modalities": ["text"]}
            await caller.say("session.update", session=update)
            await caller.hear("session.updated")
            await caller.add("please show me something " * 500)
            await caller.say("response.create")
            for _ in range(7):
                await caller.say("response.create", response={"conversation": "none"})
            assert await bystander.turn("where is the keynote")
            await healthy(charlotte)
            for _ in range(8):
                done = (await caller.hear("response.done"))["response"]
                assert done["status"] == "completed", done

    asyncio.run(story())


def test_a_server_whose_brain_hangs_still_handles_sigterm(tmp_path: Path) -> None:
    with serve(tmp_path, **TAKES_ALL) as server:
        house = receiving(server)

        async def story() -> None:
            async with house.welcome() as caller:
                await caller.turn("where is the keynote")
                for brain in processes(house, BRAIN):
                    brain.suspend()
                await caller.add("where is the keynote")
                await caller.say("response.create")
                await caller.hear("response.created")
                left = processes(house, BRAIN)
                assert await asyncio.to_thread(server.stop) == 0
                assert not psutil.wait_procs(left, timeout=5)[1]

        asyncio.run(story())
