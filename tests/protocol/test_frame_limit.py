"""Frames of the server are at most 1 MiB, whatever a client wrote."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from vivavoce.protocol import codec, server
from vivavoce.protocol.config import FunctionTool, SessionConfig
from vivavoce.protocol.frame_limit import MAX_FRAME_BYTES, fitted
from vivavoce.protocol.items import (
    FunctionCall,
    FunctionOutput,
    Item,
    McpCall,
    McpListedTool,
    McpListTools,
    Message,
    Part,
)

from ..support.official import accept

MIB = 2**20
IMAGE = "data:image/png;base64," + "A" * (2 * MIB)


def image(text: str = "What is this?") -> Message:
    parts = (Part(type="input_text", text=text), Part(type="input_image", image_url=IMAGE))
    return Message(id="i", role="user", content=parts)


ITEMS: dict[str, Item] = {
    "image": image(),
    "image and text": image("é" * MIB),
    "text": Message(id="i", role="user", content=(Part(type="input_text", text='"' * 2 * MIB),)),
    "parts": Message(
        id="i",
        role="user",
        content=tuple(Part(type="input_text", text="x" * 1100) for _ in range(1000)),
    ),
    "audio": Message(
        id="i", role="assistant", content=(Part(type="output_audio", audio=bytes(MIB)),)
    ),
    "tool output": FunctionOutput(id="i", call_id="c", output="\\" * 15 * MIB),
    "arguments": FunctionCall(id="i", name="f", call_id="c", arguments="x" * 2 * MIB),
    "mcp call": McpCall(id="i", server_label="s", name="f", arguments="{}", output="x" * 2 * MIB),
    "mcp tools": McpListTools(
        id="i",
        server_label="s",
        tools=tuple(
            McpListedTool(name=f"tool{i}", input_schema={"enum": ["x" * 20] * 20})
            for i in range(10_000)
        ),
    ),
}


@pytest.mark.parametrize("kind", ITEMS)
@pytest.mark.parametrize("event", [server.ItemAdded, server.ItemDone, server.ItemRetrieved])
def test_P8_an_event_with_a_large_item_is_at_most_1_MiB(
    kind: str, event: type[server.ItemAdded | server.ItemDone | server.ItemRetrieved]
) -> None:
    said = event(event_id="e", item=ITEMS[kind])
    whole = codec.encode(said)
    assert len(whole) > MAX_FRAME_BYTES
    frame = fitted(whole)
    assert len(frame) <= MAX_FRAME_BYTES
    told = codec.decode_server(frame)
    assert isinstance(told, event)
    assert (told.event_id, told.item.id, type(told.item)) == ("e", "i", type(said.item))
    accept(frame)


def test_P8_an_image_is_left_out_and_the_words_beside_it_stay() -> None:
    frame = fitted(codec.encode(server.ItemAdded(event_id="e", item=image())))
    content: list[dict[str, Any]] = msgspec.json.decode(frame)["item"]["content"]
    assert content == [{"type": "input_text", "text": "What is this?"}, {"type": "input_image"}]


def test_P8_the_output_of_a_tool_is_cut_and_says_so() -> None:
    item = FunctionOutput(id="i", call_id="c", output="0123456789" * MIB)
    output: str = msgspec.json.decode(
        fitted(codec.encode(server.ItemDone(event_id="e", item=item)))
    )["item"]["output"]
    assert item.output.startswith(output.removesuffix("…"))
    assert output.endswith("…")
    assert len(output) > MIB // 4


@pytest.mark.parametrize(
    "session",
    [
        SessionConfig(instructions="x" * 2 * MIB),
        SessionConfig(
            tools=tuple(
                FunctionTool(name=f"tool{i}", parameters={"enum": ["x"] * 1000}) for i in range(400)
            )
        ),
        SessionConfig(tools=tuple(FunctionTool(name=f"tool{i}") for i in range(60_000))),
    ],
    ids=["instructions", "schemas", "tools"],
)
def test_P8_the_echo_of_a_large_session_is_at_most_1_MiB(session: SessionConfig) -> None:
    whole = codec.encode(server.SessionUpdated(event_id="e", session=session))
    assert len(whole) > MAX_FRAME_BYTES
    frame = fitted(whole)
    assert len(frame) <= MAX_FRAME_BYTES
    accept(frame)


def test_P8_a_response_with_many_long_items_is_at_most_1_MiB() -> None:
    item = Message(
        id="i", role="assistant", content=(Part(type="output_text", text="x" * 300_000),)
    )
    response = server.Response(
        id="r", status="completed", output=(item,) * 8, output_modalities=("text",)
    )
    done = server.ResponseDone(event_id="e", response=response)
    frame = fitted(codec.encode(done))
    assert len(frame) <= MAX_FRAME_BYTES
    told = codec.decode_server(frame)
    assert isinstance(told, server.ResponseDone)
    assert len(told.response.output) == 8


def test_P8_a_frame_that_fits_stays_as_it_is() -> None:
    frame = codec.encode(server.ItemDone(event_id="e", item=FunctionOutput(call_id="c", output="")))
    exact = frame.replace(b'"output":""', b'"output":"' + b"x" * (MIB - len(frame)) + b'"')
    assert len(exact) == MAX_FRAME_BYTES
    assert fitted(exact) is exact
    longer = exact.replace(b'"xx', b'"xxx')
    assert len(fitted(longer)) < MAX_FRAME_BYTES
