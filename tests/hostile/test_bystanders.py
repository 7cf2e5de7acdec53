"""Send the most expensive requests that the limits allow: a bystander waits at most 250 ms.

The rule. A bystander in a process of its own sends a small request every 20 ms in a running call,
in a relayed call, and over HTTP on a fresh connection (`tests.support.bystander`). Each wait is
counted without the time in which the main thread of the server, or of the bystander, was ready to
run and got no processor, because the machine caused that time. Before the first case the longest
wait is measured while nothing else happens. A case may add 250 ms to it. A case that fails is tried
once more alone, after another quiet measurement, because other processes may have delayed the
server's threads or its disk. It fails if it fails twice. Every case is bounded in time and size.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

from ..support.calls import House
from ..support.sounds import noise
from ..support.waits import Attack, Watched, watched
from .worst import (
    BESIDE,
    MIB,
    TEXT,
    Attacker,
    call,
    calls,
    created,
    event,
    pictured,
    session_of,
    spoken,
    store,
    tools,
    typed,
    update,
    wide,
)

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

LONGEST_MS = 250
ATTEMPTS = 3
BREATH_S = 1.0  # before a case is tried again
RELAYED = "&assistant=relayed"
WIDTH = 80  # of the two loops of a template: almost all steps that it may use
SECRETS = "/v1/realtime/client_secrets"

Frame = Callable[[], bytes]


TEMPLATED = """
name = "templated"
engine = "scripted"

[instructions]
default = '''
{% for a in range(WIDTH) %}
{% for b in range(WIDTH) %}{{ x|upper|title|wordwrap(3) }}{% endfor %}
{% endfor %}
'''

[variables.x]
default = ""
"""


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    data = tmp_path_factory.mktemp("bystander")
    (data / "assistants/templated").mkdir(parents=True)
    text = TEMPLATED.replace("WIDTH", str(WIDTH))
    (data / "assistants/templated/assistant.toml").write_text(text)
    with watched(data) as server:
        asyncio.run(_fill(server.house.server.data))
        server.measure_quiet()
        yield server
        assert server.house.server.process.poll() is None, "it is still there"
        assert "Traceback" not in server.house.server.log.read_text()


async def _fill(data: Path) -> None:
    """Store the conversations of long calls."""
    await store(data, "conv_many", ["hello"] * 9_990, crowded=True)
    await store(data, "conv_parts", ["x"] * 9_990, parts=2)
    await store(data, "conv_large", ["x" * (14 * MIB + MIB // 2)] * 4)
    await store(data, "conv_escapes", ['é"' * (14 * MIB // 4)] * 4)
    await store(data, "conv_relayed", ["hello"] * 9_990, assistant="relayed")


def judge(server: Watched, attack: Attack) -> None:
    """Attack at most three times: on a busy machine, others delay a bystander, too."""
    for _ in range(ATTEMPTS):
        if not (late := _late(server, attack)):
            return
        time.sleep(BREATH_S)
        server.measure_quiet()
    pytest.fail(f"a bystander waited, in milliseconds: {late}")


def _late(server: Watched, attack: Attack) -> dict[str, float]:
    waits = server.beside(attack)
    return {name: ms for name, ms in waits.items() if ms > server.quiet[name] + LONGEST_MS}


# One event


TWICE = 2
HUGE: dict[str, tuple[Frame, str]] = {
    # the event, and the type of its answer
    "base64 that is none": (
        lambda: wide('{"type":"input_audio_buffer.append","audio":"', "A" * (15 * MIB - 1), '*"}'),
        "error",
    ),
    "blanks": (lambda: wide('{"type":"response.cancel"', " " * (15 * MIB), "}"), "error"),
    "escapes in a name": (
        lambda: wide(
            '{"type":"response.cancel","event_id":"', r"\u0041" * (15 * MIB // 6), '"}'
        ),
        "error",
    ),
    "escapes in a text": (
        lambda: wide(
            '{"type":"conversation.item.create","item":{"type":"message","role":"user","content":['
            '{"type":"input_text","text":"', r"\"" * (15 * MIB // 2), '"}]}}',
        ),
        "error",
    ),
    "empty strings": (lambda: session_of('"",' * (15 * MIB // 3)), "error"),
    "integers": (lambda: session_of("1," * (15 * MIB // 2)), "error"),
    "fractions": (lambda: session_of("1.1," * (15 * MIB // 4)), "error"),
    "long integers": (lambda: session_of(("1" * 4_000 + ",") * 3_900), "error"),
    "one integer": (lambda: session_of("1" * (15 * MIB) + ","), "error"),
    "objects": (lambda: session_of("{}," * (5 * MIB)), "error"),
    "keys": (
        lambda: wide(
            '{"type":"session.update","session":{"type":"realtime",',
            ",".join(f'"{n}":1' for n in range(1_200_000)), "}}",
        ),
        "error",
    ),
    "as many keys as are read": (
        lambda: wide(
            '{"type":"session.update","session":{"type":"realtime",',
            ",".join(f'"{n}":1' for n in range(99_000)), "}}",
        ),
        "error",
    ),
    "as many objects as are read": (
        lambda: update(tracing={"metadata": {"x": [{}] * 49_000}}), "session.updated",
    ),
    "depth": (
        lambda: update(tracing={"metadata": {"x": [json.loads("[" * 58 + "]" * 58)] * 800}}),
        "session.updated",
    ),
    "depth without end": (lambda: session_of("[" * 90_000 + "]" * 90_000 + ","), "error"),
    "metadata": (
        lambda: event("response.create",
                      response={"metadata": {f"{n}": "x" for n in range(90_000)}}),
        "error",
    ),
    "a type that looks like a complaint": (
        lambda: wide('{"type":"', "missing required field `" * 600_000, '"}'), "error",
    ),
    "a field that looks like a complaint": (
        lambda: wide('{"type":"response.cancel","', " - at `$" * 1_900_000, '":1}'), "error",
    ),
    "an item's name": (
        lambda: event("conversation.item.retrieve", item_id="x" * (15 * MIB)), "error",
    ),
    "instructions": (lambda: update(instructions="x" * 1_000_000), "session.updated"),
    "instructions of a response": (
        lambda: event("response.create", response=BESIDE | {"instructions": "x" * (15 * MIB)}),
        "error",
    ),
    "tools of a response": (
        lambda: event(
            "response.create", response=BESIDE | {"tools": tools(40_000, description="x" * 300)}
        ),
        "error",
    ),
    "an item of many parts": (lambda: created(typed("", 20_000)), "error"),
    "an item of PCM": (lambda: created(spoken(b"\x20\x10" * (5 * MIB))), "conversation.item.done"),
}  # fmt: skip


def first_two(cases: Iterable[str]) -> list[ParameterSet]:
    """Return all cases. Those after the second one are `long`: each takes the machine alone."""
    return [
        pytest.param(case, marks=() if number < 2 else pytest.mark.long)
        for number, case in enumerate(cases)
    ]


@pytest.mark.parametrize("name", first_two(HUGE))
def test_beside_an_event_full_of(beside: Watched, name: str) -> None:
    make, answer = HUGE[name]
    frame = make()

    async def attack(house: House) -> None:
        async with call(house) as caller:
            for _ in range(TWICE):
                await caller.ask([frame], answer)

    judge(beside, attack)


@pytest.mark.long
def test_P15_beside_fifteen_megabytes_of_audio(beside: Watched) -> None:
    frame = wide('{"type":"input_audio_buffer.append","audio":"', "MBAw" * (15 * MIB // 4), '"}')

    async def attack(house: House) -> None:
        async with call(house) as caller:
            await caller.send(frame)
            await asyncio.sleep(1)

    judge(beside, attack)


# Many events


async def _flood(house: House, frames: list[bytes], answer: str, query: str = "") -> None:
    async with call(house, query) as caller:
        await caller.ask(frames, answer)


FLOODS: dict[str, tuple[Callable[[], list[bytes]], str, str]] = {
    # the events, the type of each answer, and the assistant
    "errors": (lambda: [event("response.cancel")] * 3_000, "error", ""),
    "errors of a transcription": (
        lambda: [event("conversation.item.retrieve", item_id="x")] * 2_000,
        "error", "&intent=transcription",
    ),
    "updates": (lambda: [update(tool_choice="auto")] * 500, "session.updated", ""),
    "items": (lambda: [created(typed())] * 500, "conversation.item.done", ""),
    "deletions": (
        lambda: [event("conversation.item.delete", item_id=f"i{n}") for n in range(4_000, 4_500)],
        "conversation.item.deleted", "&conversation_id=conv_many",
    ),
    "truncations": (
        lambda: [event("conversation.item.truncate", item_id="i1", content_index=0,
                       audio_end_ms=0)] * 2_000,
        "error", "&conversation_id=conv_many",
    ),
    "insertions where no room is left": (
        lambda: [created(typed(), previous_item_id="i0")] * 60,
        "conversation.item.done", "&conversation_id=conv_many",
    ),
    "large items that are retrieved": (
        lambda: [event("conversation.item.retrieve", item_id="i0")] * 3,
        "conversation.item.retrieved", "&conversation_id=conv_large",
    ),
    "responses over thousands of items": (
        lambda: [event("response.create", response=BESIDE)] * 8,
        "response.done", "&conversation_id=conv_parts",
    ),
    "responses over thousands of references": (
        lambda: [event("response.create", response=BESIDE | {
            "input": [{"type": "item_reference", "id": f"i{n}"} for n in range(9_990)]})] * 4,
        "response.done", "&conversation_id=conv_parts",
    ),
    "responses over megabytes": (
        lambda: [event("response.create", response=BESIDE)] * 8,
        "response.done", "&conversation_id=conv_large",
    ),
    "tools of a relayed session": (
        lambda: [update(tools=tools(20_000))] * 3, "session.updated", RELAYED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", first_two(FLOODS))
def test_beside_a_flood_of(beside: Watched, name: str) -> None:
    make, answer, query = FLOODS[name]
    frames = make()
    judge(beside, lambda house: _flood(house, frames, answer, query))


def test_beside_tools_that_are_replaced(beside: Watched) -> None:
    servers = [{"type": "mcp", "server_label": f"s{n}"} for n in range(64)]
    frames = [update(tools=tools(12_000, letter) + servers) for letter in "aba"]
    judge(beside, lambda house: _flood(house, frames, "session.updated"))


@pytest.mark.parametrize("text", ["?!", "Dr. ", "\n", "x"], ids=["marks", "stops", "lines", "x"])
def test_beside_an_answer_that_is_cut_into_sentences(beside: Watched, text: str) -> None:
    async def attack(house: House) -> None:
        async with call(house) as caller:
            await caller.ask(
                [created(typed(text * (100_000 // len(text))))], "conversation.item.done"
            )
            await caller.send(event("response.create"))
            await asyncio.sleep(0.5)

    judge(beside, attack)


# G.711 audio


TELEPHONE = {"input": {"format": {"type": "audio/pcmu"}}}


def test_beside_items_with_four_minutes_of_g711(beside: Watched) -> None:
    minute = created(spoken(b"\x20" * 480_000))

    async def attack(house: House) -> None:
        async with calls(house, 4) as callers:
            for caller in callers:
                await caller.ask([update(audio=TELEPHONE)], "session.updated")
            await asyncio.gather(*(c.ask([minute], "conversation.item.done") for c in callers))
            await asyncio.sleep(0.5)

    judge(beside, attack)


def test_beside_retrieved_items_in_g711(beside: Watched) -> None:
    async def attack(house: House) -> None:
        async with call(house) as caller:
            sound = spoken(b"\x20\x10" * (24_000 * 14), id="sound")
            await caller.ask([created(sound)], "conversation.item.done")
            await caller.ask([update(audio=TELEPHONE)], "session.updated")
            wish = event("conversation.item.retrieve", item_id="sound")
            await caller.ask([wish] * 10, "conversation.item.retrieved")

    judge(beside, attack)


# Templates


def test_X10_beside_calls_whose_templates_use_their_whole_budget(beside: Watched) -> None:
    """Each prompt takes almost 0.1 s, and all calls begin at the same moment."""

    async def begin(house: House) -> None:
        async with call(house, "&assistant=templated&var.x=1"):
            pass

    async def attack(house: House) -> None:
        await asyncio.gather(*(begin(house) for _ in range(15)))

    judge(beside, attack)


# Noise


@pytest.mark.parametrize(
    "detection",
    [
        {"type": "server_vad", "threshold": 0.0},
        {"type": "server_vad", "threshold": 0.02, "silence_duration_ms": 0, "prefix_padding_ms": 0},
        {"type": "semantic_vad", "eagerness": "high"},
    ],
    ids=["one turn without end", "turns without number", "no speech"],
)
def test_X6_beside_noise_that_is_taken_for_speech(
    beside: Watched, detection: dict[str, object]
) -> None:
    """Eight clients send two seconds of noise again and again, faster than real time."""
    sound = base64.b64encode(noise(2_000, -20)).decode()
    frames = [event("input_audio_buffer.append", audio=sound)] * 8
    vad = update(audio={"input": {"turn_detection": detection}})

    async def attack(house: House) -> None:
        async with calls(house, 8) as callers:
            await asyncio.gather(*(caller.ask([vad], "session.updated") for caller in callers))
            await asyncio.gather(*(caller.send(*frames) for caller in callers))
            await asyncio.sleep(1.5)

    judge(beside, attack)


# Short frames


def _short(kind: int, data: bytes) -> bytes:
    """Return a frame of a WebSocket with a mask of zero."""
    return bytes([kind, 0x80 | len(data)]) + bytes(4) + data


SHORT = {
    "fragments of one byte": _short(0x01, b"{") + _short(0x00, b" ") * 60_000 + _short(0x80, b"}"),
    "empty fragments": _short(0x01, b"{") + _short(0x00, b"") * 60_000 + _short(0x80, b"}"),
    "messages of one byte": _short(0x81, b"x") * 2_000,
    "messages of two fragments": (_short(0x01, b"{") + _short(0x80, b"}")) * 2_000,
    "PINGs between fragments": (
        _short(0x01, b"{") + (_short(0x00, b" ") + _short(0x89, b"x")) * 30_000 + _short(0x80, b"}")
    ),
}


@pytest.mark.parametrize("name", first_two(SHORT))
def test_X1_beside_very_short(beside: Watched, name: str) -> None:
    data = SHORT[name]
    answers = 2_000 if name.startswith("messages") else 1

    async def attack(house: House) -> None:
        async with calls(house, 4) as callers:
            for caller in callers:
                caller.socket.transport.write(data)
            await asyncio.gather(*(caller.until("error", times=answers) for caller in callers))

    judge(beside, attack)


# Conversations


@pytest.mark.parametrize("name", ["many", "large", "escapes"])
def test_X9_beside_a_conversation_that_is_continued(beside: Watched, name: str) -> None:
    judge(beside, lambda house: _flood(house, [], "", f"&conversation_id=conv_{name}"))


def test_beside_a_conversation_that_is_sent_upstream(beside: Watched) -> None:
    judge(beside, lambda house: _flood(house, [], "", f"{RELAYED}&conversation_id=conv_relayed"))


@pytest.mark.parametrize(
    "name", ["escapes", *(pytest.param(name, marks=pytest.mark.long) for name in ("many", "large"))]
)
def test_beside_a_conversation_that_is_read(beside: Watched, name: str) -> None:
    async def attack(house: House) -> None:
        headers = {"Authorization": f"Bearer {house.key}"}
        async with httpx2.AsyncClient(
            base_url=house.server.url, headers=headers, timeout=40
        ) as http:
            assert (await http.get(f"/api/conversations/conv_{name}")).status_code == 200

    judge(beside, attack)


# Bodies


BODIES: dict[str, Callable[[], object]] = {
    "keys": lambda: {f"key_{n}": 1 for n in range(70_000)},
    "keys of a session": lambda: {
        "session": {"type": "realtime"} | {f"key_{n}": 1 for n in range(65_000)}
    },
    "variables": lambda: {"vivavoce": {"variables": {f"key_{n}": n for n in range(50_000)}}},
    "tools": lambda: {"session": {"type": "realtime", "tools": tools(24_000)}},
    "objects": lambda: {
        "session": {"type": "realtime", "tracing": {"metadata": {"x": [{}] * 250_000}}}
    },
    "instructions": lambda: {"session": {"type": "realtime", "instructions": "x" * 1_000_000}},
}


@pytest.mark.parametrize("name", first_two(BODIES))
def test_beside_a_secrets_body_of(beside: Watched, name: str) -> None:
    body = json.dumps(BODIES[name](), separators=(",", ":")).encode()
    assert len(body) <= MIB

    async def attack(house: House) -> None:
        headers = {"Authorization": f"Bearer {house.key}", "Content-Type": "application/json"}
        async with httpx2.AsyncClient(
            base_url=house.server.url, headers=headers, timeout=40
        ) as http:
            for _ in range(TWICE):
                assert (await http.post(SECRETS, content=body)).status_code in (200, 400)

    judge(beside, attack)


# Control connections


async def _controlled(
    house: House, query: str, attack: Callable[[Attacker, list[Attacker]], Awaitable[None]]
) -> None:
    async with call(house, query) as main, calls(house, 4, f"&call_id={main.call_id}") as sides:
        await attack(main, sides)


def test_beside_a_flood_from_control_connections(beside: Watched) -> None:
    async def attack(main: Attacker, sides: list[Attacker]) -> None:
        frames = [event("response.cancel")] * 500
        await asyncio.gather(*(side.ask(frames, "error") for side in sides))

    judge(beside, lambda house: _controlled(house, "", attack))


@pytest.mark.parametrize("frame", [event("response.cancel"), session_of("{}," * (5 * MIB))],
                         ids=["small", "large"])  # fmt: skip
def test_beside_control_connections_of_a_relayed_call(beside: Watched, frame: bytes) -> None:
    async def attack(main: Attacker, sides: list[Attacker]) -> None:
        for side in sides[: 1 if len(frame) > MIB else 4]:
            await side.send(*[frame] * (1 if len(frame) > MIB else 1_000))
        await asyncio.sleep(0.5)

    judge(beside, lambda house: _controlled(house, RELAYED, attack))


# Several large requests


@pytest.mark.parametrize(
    ("frames", "answer"),
    [
        ([update(tool_choice="auto")] * 100, "session.updated"),
        pytest.param([update(tools=tools(4_000, parameters={"a": {}}))], "session.updated",
                     marks=pytest.mark.long),
    ],
    ids=["small", "large"],
)  # fmt: skip
def test_beside_fifteen_calls_with_large_requests(
    beside: Watched, frames: list[bytes], answer: str
) -> None:
    async def attack(house: House) -> None:
        async with calls(house, 15) as callers:
            await asyncio.gather(*(caller.ask(frames, answer) for caller in callers))

    judge(beside, attack)


@pytest.mark.long
def test_beside_many_clients_that_retrieve_large_images(beside: Watched) -> None:
    async def attack(house: House) -> None:
        async with calls(house, 6) as callers:
            for caller in callers:
                await caller.ask(
                    [created(pictured(10 * MIB, id="image"))], "conversation.item.done"
                )
            wish = [event("conversation.item.retrieve", item_id="image")] * 5
            await asyncio.gather(*(c.ask(wish, "conversation.item.retrieved") for c in callers))

    judge(beside, attack)


# The embedded brain


def _wide_tools(word: str) -> list[dict[str, object]]:
    """Return 112 kB of tools. `word` makes them differ, so that no cache of other tools helps."""
    values = [f"{word} {n}" for n in range(500)]
    fields = {f"field_{n}": {"type": "string", "enum": values} for n in range(16)}
    tool: dict[str, object] = {
        "type": "function",
        "name": "book",
        "description": "Books something.",
        "parameters": {
            "type": "object",
            "properties": fields,
            "x-examples": [f"book {word} {n} for {word} {n + 1}" for n in range(300)],
        },
    }
    return [tool]


@pytest.mark.long
@pytest.mark.parametrize("worst", ["tools", "text"])
def test_X2_beside_the_embedded_brain(beside: Watched, worst: str) -> None:
    beside.house.server.await_charlotte(beside.house.key)
    words = iter(("value", "choice"))  # of the first attempt and of the second

    async def attack(house: House) -> None:
        async with call(house, "&assistant=charlotte") as caller:
            if worst == "tools":
                word = next(words)
                await caller.ask([update(tools=_wide_tools(word))], "session.updated")
                await caller.ask([created(typed(f"book {word} 7 for {word} 8 please"))],
                                 "conversation.item.done")  # fmt: skip
                await caller.ask([event("response.create", response=TEXT)], "response.done")
                return
            await caller.ask([created(typed("when is the keynote " * 5_000))],
                             "conversation.item.done")  # fmt: skip
            await caller.ask([event("response.create", response=BESIDE)] * 8, "response.done")

    judge(beside, attack)
