"""Every field that a client may set, once: taken, and echoed or acted upon."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from vivavoce.protocol import client, server
from vivavoce.protocol.client import AudioOptions, CustomVoice, ResponseOptions, VoiceOptions
from vivavoce.protocol.config import ChosenMcp, Pcm, Prompt, Reasoning, SessionConfig
from vivavoce.protocol.items import (
    FunctionCall,
    FunctionOutput,
    Item,
    ItemReference,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpHttpError,
    McpListedTool,
    McpListTools,
    McpProtocolError,
    McpToolError,
    Message,
    Part,
)

from ..support.pictures import PNG_URL
from ..support.scenario import Scenario, dictation, update

Json = dict[str, Any]

HEARD: Json = {
    "format": {"type": "audio/pcm", "rate": 24_000},
    "transcription": {
        "model": "gpt-transcribe",
        "language": "it",
        "prompt": "A congress.",
        "languages": ["it", "en"],
        "keywords": ["Lingotto"],
        "delay": "low",
    },
    "noise_reduction": {"type": "far_field", "strength": 0.5},
    "turn_detection": {
        "type": "server_vad",
        "threshold": 0.25,
        "prefix_padding_ms": 100,
        "silence_duration_ms": 900,
        "idle_timeout_ms": 6_000,
        "create_response": False,
        "interrupt_response": False,
    },
}
SEMANTIC: Json = {
    "type": "semantic_vad",
    "eagerness": "low",
    "create_response": False,
    "interrupt_response": False,
}
FUNCTION: Json = {
    "type": "function",
    "name": "book",
    "description": "Book a room.",
    "parameters": {"type": "object", "properties": {}},
}
MCP: Json = {
    "type": "mcp",
    "server_label": "docs",
    "server_url": "https://mcp.example",
    "connector_id": "connector_gmail",
    "tunnel_id": "tunnel_1",
    "allowed_tools": {"tool_names": ["look_up"], "read_only": True},
    "require_approval": {
        "always": {"tool_names": ["delete"], "read_only": False},
        "never": {"tool_names": ["look_up"], "read_only": True},
    },
    "server_description": "Documents",
    "defer_loading": True,
    "allowed_callers": ["direct"],
}
LOGPROBS = ["item.input_audio_transcription.logprobs"]
SPOKEN: Json = {
    "output_modalities": ["audio"],
    "instructions": "Be brief.",
    "tools": [FUNCTION, MCP],
    "tool_choice": {"type": "mcp", "server_label": "docs", "name": "look_up"},
    "max_output_tokens": 200,
    "tracing": {"workflow_name": "congress", "group_id": "g", "metadata": {"hall": "1"}},
    "truncation": {
        "type": "retention_ratio",
        "retention_ratio": 0.5,
        "token_limits": {"post_instructions": 9_000},
    },
    "prompt": {"id": "pmpt_1", "version": "2", "variables": {"city": "Turin"}},
    "audio": {
        "input": HEARD,
        "output": {
            "format": {"type": "audio/pcm", "rate": 24_000},
            "voice": {"id": "voice_1"},
            "speed": 1.25,
        },
    },
    "include": LOGPROBS,
    "parallel_tool_calls": False,
    "reasoning": {"effort": "low"},
}


@pytest.fixture
def s() -> Scenario:
    return Scenario()


def as_written(value: object) -> Any:  # noqa: ANN401
    return msgspec.json.decode(msgspec.json.encode(value))


def echoed(s: Scenario) -> Json:
    shown = next(e for e in s.sent if isinstance(e, server.SessionUpdated))
    echo: Json = as_written(shown.session)
    return echo


# The session


def test_a_session_in_which_everything_is_set_is_echoed_whole(s: Scenario) -> None:
    """But an own voice is a name in the echo, and what opens an MCP server is not shown (§2.5)."""
    secrets = {"authorization": "Bearer x", "headers": {"x-key": "y"}}
    asked = {**SPOKEN, "tools": [FUNCTION, {**MCP, **secrets}]}
    s.tell(update(**asked))
    output = {**SPOKEN["audio"]["output"], "voice": "voice_1"}
    expected = {**SPOKEN, "audio": {"input": HEARD, "output": output}}
    echo = echoed(s)
    assert {key: echo[key] for key in expected} == expected


def test_both_ways_to_hear_the_end_of_a_turn(s: Scenario) -> None:
    s.tell(update(audio={"input": {"turn_detection": SEMANTIC, "format": {"type": "audio/pcma"}}}))
    heard = echoed(s)["audio"]["input"]
    assert (heard["turn_detection"], heard["format"]) == (SEMANTIC, {"type": "audio/pcma"})


def test_whatever_was_set_may_be_unset_again() -> None:
    """Null is what the session began with (§2.2). Tracing alone stays as it is."""
    s = Scenario(SessionConfig())
    before = as_written(s.session.config)
    s.tell(update(**SPOKEN))
    s.forget()
    nothing: Json = dict.fromkeys(key for key in SPOKEN if key != "tracing")
    s.tell(update(**nothing))
    assert echoed(s) == {**before, "tracing": SPOKEN["tracing"]}


def test_a_transcription_session_in_which_everything_is_set_is_echoed_whole() -> None:
    s = Scenario(dictation())
    s.tell(update("transcription", audio={"input": HEARD}, include=LOGPROBS))
    echo = echoed(s)
    assert echo["audio"] == {"input": HEARD}
    assert echo["include"] == LOGPROBS
    s.forget()
    s.tell(update("transcription", audio={"input": {"turn_detection": SEMANTIC}}))
    assert echoed(s)["audio"]["input"]["turn_detection"] == SEMANTIC


# A response


def test_a_response_in_which_everything_is_set_is_asked_for_so(s: Scenario) -> None:
    """The rest of what it may say is in `test_responses`."""
    session = s.session.config
    output = VoiceOptions(format=Pcm(), voice=CustomVoice(id="voice_1"))
    wish = ResponseOptions(
        tool_choice=ChosenMcp(server_label="docs", name="look_up"),
        parallel_tool_calls=False,
        reasoning=Reasoning(effort="high"),
        prompt=Prompt(id="pmpt_1", version="2", variables={"city": "Turin"}),
        audio=AudioOptions(output=output),
    )
    s.tell(client.ResponseCreate(response=wish))
    asked = s.request.config
    assert asked.tool_choice == wish.tool_choice
    assert (asked.parallel_tool_calls, asked.reasoning) == (False, wish.reasoning)
    assert asked.prompt == wish.prompt
    assert (asked.audio.output.format, asked.audio.output.voice) == (Pcm(), "voice_1")
    assert s.session.config == session


# Items

PICTURE = Part(type="input_image", image_url=PNG_URL, detail="low")
ITEMS: list[Item] = [
    Message(id="a", object="realtime.item", role="user", status="incomplete", content=(PICTURE,)),
    Message(
        id="b",
        role="assistant",
        phase="final_answer",
        content=(Part(type="output_text", text="Hi"), Part(type="output_audio", transcript="Hi")),
    ),
    FunctionCall(
        id="c",
        object="realtime.item",
        status="incomplete",
        name="book",
        call_id="call_1",
        arguments="{}",
    ),
    FunctionOutput(
        id="d", object="realtime.item", status="completed", call_id="call_1", output="booked"
    ),
    McpListTools(
        id="e",
        server_label="docs",
        tools=(
            McpListedTool(
                name="look_up",
                description="Looks things up",
                input_schema={"type": "object"},
                annotations={"readOnlyHint": True},
            ),
        ),
    ),
    McpApprovalRequest(id="f", server_label="docs", name="look_up", arguments="{}"),
    McpApprovalResponse(id="g", approval_request_id="f", approve=True, reason="why not"),
    McpCall(
        id="h",
        server_label="docs",
        name="look_up",
        arguments="{}",
        output="42",
        approval_request_id="f",
    ),
    *(
        McpCall(id=id, server_label="docs", name="look_up", arguments="{}", error=error)
        for id, error in (
            ("i", McpProtocolError(code=1, message="no")),
            ("j", McpToolError(message="no")),
            ("k", McpHttpError(code=502, message="no")),
        )
    ),
]


def test_every_kind_of_item_can_be_created_and_retrieved_unchanged(s: Scenario) -> None:
    """Without what only clients say: `object`, and a status that is not the server's (§5.1)."""
    s.tell(*(client.ItemCreate(item=item) for item in ITEMS))
    told = [e.item for e in s.sent if isinstance(e, server.ItemDone)]
    assert told == [shown(item) for item in ITEMS]
    assert told == [e.item for e in s.sent if isinstance(e, server.ItemAdded)]
    s.forget()
    s.tell(*(client.ItemRetrieve(item_id=item.id) for item in told))
    assert [e.item for e in s.sent if isinstance(e, server.ItemRetrieved)] == told


def shown(item: Item) -> Item:
    match item:
        case Message() | FunctionCall():
            return msgspec.structs.replace(item, object=UNSET, status="completed")
        case FunctionOutput():
            return msgspec.structs.replace(item, object=UNSET, status=UNSET)
        case _:
            return item


# The client's own names of its events

NOTHING = ItemReference(id="nothing")
HARMLESS = [
    client.SessionUpdate(event_id="mine", session={"type": "realtime"}),
    client.AudioClear(event_id="mine"),
    client.ItemCreate(event_id="mine", item=Message(role="user")),
    client.ResponseCreate(event_id="mine"),
]
REFUSED = [
    client.SessionUpdate(event_id="mine", session={"type": "realtime", "speed": 2}),
    client.AudioCommit(event_id="mine"),
    client.ItemCreate(event_id="mine", item=Message(role="user"), previous_item_id="nothing"),
    client.ItemRetrieve(event_id="mine", item_id="nothing"),
    client.ItemDelete(event_id="mine", item_id="nothing"),
    client.ItemTruncate(event_id="mine", item_id="nothing", content_index=0, audio_end_ms=0),
    client.ResponseCreate(
        event_id="mine", response=ResponseOptions(conversation="none", input=(NOTHING,))
    ),
    client.ResponseCancel(event_id="mine", response_id="nothing"),
]


@pytest.mark.parametrize("event", HARMLESS, ids=lambda event: type(event).__name__)
def test_an_event_that_has_a_name_is_as_good_as_any(s: Scenario, event: client.Command) -> None:
    s.tell(event)
    assert not s.errors


@pytest.mark.parametrize("event", REFUSED, ids=lambda event: type(event).__name__)
def test_an_error_names_the_event_that_failed(s: Scenario, event: client.Command) -> None:
    s.tell(event)
    (error,) = s.sent
    assert isinstance(error, server.Error)
    assert error.error.event_id == "mine"


def test_silencing_a_silent_loudspeaker_may_have_a_name_too() -> None:
    s = Scenario(plays_out=True)
    s.tell(client.PlayoutClear(event_id="mine"))
    assert s.sent == []
