"""Sentences that no recording holds: what protocol §4 tells of tools, playout and the rest."""

from __future__ import annotations

from typing import TypedDict

import msgspec
import pytest

from vivavoce.protocol import grammar, server
from vivavoce.protocol.config import SessionConfig
from vivavoce.protocol.items import (
    FunctionCall,
    Item,
    McpApprovalRequest,
    McpCall,
    McpListTools,
    Message,
    Part,
)

Events = list[server.ServerEvent]

HEARD = Message(id="u1", role="user", content=(Part(type="input_audio", transcript=None),))
CALL = FunctionCall(id="f1", name="lookup", call_id="call_1", arguments="{}")
MCP = McpCall(id="m1", server_label="docs", name="lookup", arguments="{}", output="42")


class Place(TypedDict):
    response_id: str
    item_id: str
    output_index: int


class CallPlace(Place):
    call_id: str


def response(status: str = "in_progress", *output: Item, rid: str = "r1") -> server.Response:
    return msgspec.convert(
        {
            "id": rid,
            "status": status,
            "output_modalities": ["audio"],
            "conversation_id": None if rid.startswith("beside") else "conv_1",
            "output": msgspec.to_builtins(output),
            "usage": None if status == "in_progress" else {},
        },
        server.Response,
    )


def begin(rid: str = "r1") -> Events:
    return [server.ResponseCreated(response=response(rid=rid))]


def finish(*output: Item, rid: str = "r1") -> Events:
    return [server.ResponseDone(response=response("completed", *output, rid=rid))]


def opened(item: Item, rid: str = "r1", index: int = 0) -> Events:
    events: Events = [server.OutputItemAdded(response_id=rid, output_index=index, item=item)]
    return events if rid.startswith("beside") else [*events, server.ItemAdded(item=item)]


def closed(item: Item, rid: str = "r1", index: int = 0) -> Events:
    events: Events = [server.OutputItemDone(response_id=rid, output_index=index, item=item)]
    return events if rid.startswith("beside") else [server.ItemDone(item=item), *events]


def said(text: str, iid: str, rid: str = "r1", index: int = 0) -> tuple[Events, Events]:
    """Return a message that speaks, up to where it could be interrupted, and its end."""
    at: Place = {"response_id": rid, "item_id": iid, "output_index": index}
    message = Message(id=iid, role="assistant", status="in_progress")
    whole = Message(id=iid, role="assistant", content=(Part(type="output_audio", transcript=text),))
    return [
        *opened(message, rid, index),
        server.PartAdded(**at, part=server.ContentPart(type="audio", transcript="")),
        server.TranscriptDelta(**at, delta=text),
        server.AudioDelta(**at, delta=b"\0\0"),
    ], [
        server.AudioDone(**at),
        server.TranscriptDone(**at, transcript=text),
        server.PartDone(**at, part=server.ContentPart(type="audio", transcript=text)),
        *closed(whole, rid, index),
    ]


def called(call: FunctionCall, rid: str = "r1", index: int = 0) -> tuple[Events, Events]:
    at: CallPlace = {
        "response_id": rid,
        "item_id": call.id,
        "output_index": index,
        "call_id": call.call_id,
    }
    bare = msgspec.structs.replace(call, status="in_progress", arguments="")
    return [
        *opened(bare, rid, index),
        server.ArgumentsDelta(**at, delta=call.arguments[:1]),
        server.ArgumentsDelta(**at, delta=call.arguments[1:]),
    ], [
        server.ArgumentsDone(**at, name=call.name, arguments=call.arguments),
        *closed(call, rid, index),
    ]


def spoken(text: str, iid: str) -> Message:
    return Message(id=iid, role="assistant", content=(Part(type="output_audio", transcript=text),))


def accept(*parts: Events) -> None:
    grammar.check([event for part in parts for event in part], whole=True)


def refuse(*parts: Events) -> None:
    with pytest.raises(grammar.OutOfOrder):
        accept(*parts)


def test_items_of_a_response_interleave() -> None:
    """Protocol §4.4: the second opens before the first closes, and they close in order."""
    message, message_end = said("One moment.", "a1")
    call, call_end = called(CALL, index=1)
    end = finish(spoken("One moment.", "a1"), CALL)
    accept(begin(), message, call, message_end, call_end, end)
    accept(begin(), message, message_end, call, call_end, end)
    refuse(begin(), message, call, call_end, message_end, end)
    refuse(begin(), message, call, message_end, end)
    refuse(begin(), message, message_end, call, call_end, finish(CALL))


def test_a_call_is_done_when_its_arguments_are() -> None:
    call, end = called(CALL)
    accept(begin(), call, end, finish(CALL))
    refuse(begin(), call, end[1:], finish(CALL))
    refuse(begin(), call[:-1], end, finish(CALL))
    refuse(begin(), call, end[:1], end, finish(CALL))
    other = msgspec.structs.replace(CALL, call_id="call_2")
    refuse(begin(), call, called(other)[1], finish(CALL))


def test_responses_beside_the_conversation() -> None:
    """Protocol §4.11: several at once, and nothing of them enters the conversation."""
    default, default_end = said("Aloud.", "a1")
    beside, beside_end = said("Angry.", "a2", "beside_1")
    second, second_end = said("Turin.", "a3", "beside_2")
    accept(
        begin(), begin("beside_1"), default, beside, begin("beside_2"), second, beside_end,
        finish(spoken("Angry.", "a2"), rid="beside_1"), default_end,
        finish(spoken("Aloud.", "a1")), second_end,
        finish(spoken("Turin.", "a3"), rid="beside_2"),
    )  # fmt: skip
    refuse(begin(), begin("r2"))
    entering: Events = [server.ItemAdded(item=spoken("Angry.", "a2"))]
    refuse(begin("beside_1"), beside, beside_end, entering)


def test_a_response_ends_once_and_limits_follow_it() -> None:
    limits: Events = [server.RateLimitsUpdated(rate_limits=())]
    accept(begin(), finish(), limits)
    accept(begin(), finish())
    refuse(begin(), limits, finish())
    refuse(begin(), finish(), limits, limits)
    refuse(begin(), finish(), finish())
    refuse(begin())
    refuse(begin(), finish(), begin())


def test_silence_is_a_turn_too() -> None:
    timeout: Events = [
        server.TimeoutTriggered(audio_start_ms=0, audio_end_ms=5000, item_id="u1"),
        server.AudioCommitted(previous_item_id=None, item_id="u1"),
        server.ItemAdded(item=HEARD),
        server.ItemDone(item=HEARD),
    ]
    accept(timeout)
    refuse([timeout[0], *timeout[2:]])
    refuse([timeout[1], timeout[0], *timeout[2:]])
    refuse([timeout[0], server.AudioCommitted(previous_item_id=None, item_id="u2")])


def test_speech_ends_in_a_commit_or_is_thrown_away() -> None:
    start = server.SpeechStarted(audio_start_ms=100, item_id="u1")
    stop = server.SpeechStopped(audio_end_ms=900, item_id="u1")
    commit = server.AudioCommitted(previous_item_id=None, item_id="u1")
    added: Events = [server.ItemAdded(item=HEARD), server.ItemDone(item=HEARD)]
    again = server.SpeechStarted(audio_start_ms=1000, item_id="u2")
    accept([start, stop, commit, *added, again])
    accept([start, commit, *added, again])
    accept([start, server.AudioCleared(), again])
    accept([start, server.SessionUpdated(session=SessionConfig()), again])
    accept([start, server.TranscriptionDelta(item_id="u1", delta="Hi"), stop, commit, *added])
    refuse([start, again])
    refuse([stop])
    refuse([start, stop, again])
    refuse([start, stop, *added])
    refuse([start, stop, commit, commit])
    refuse([start, stop, commit])
    refuse([start, stop, commit, *added, server.SpeechStarted(audio_start_ms=5, item_id="u2")])


def test_words_are_final_once() -> None:
    heard: Events = [
        server.AudioCommitted(previous_item_id=None, item_id="u1"),
        server.ItemAdded(item=HEARD),
        server.ItemDone(item=HEARD),
    ]
    delta = server.TranscriptionDelta(item_id="u1", delta="Hi")
    segment = server.TranscriptionSegment(
        item_id="u1", id="s", text="Hi", speaker="A", start=0, end=1
    )
    usage = server.Duration(seconds=1)
    completed = server.TranscriptionCompleted(item_id="u1", transcript="Hi", usage=usage)
    failed = server.TranscriptionFailed(
        item_id="u1", error=server.TranscriptionError(code="c", message="m")
    )
    accept([delta, *heard, segment, completed])
    refuse([*heard, completed, delta])
    refuse([*heard, completed, segment])
    refuse([*heard, completed, failed])
    refuse([completed, *heard])


def test_playout_events_follow_the_grammar() -> None:
    started: Events = [server.PlayoutStarted(response_id="r1")]
    stopped: Events = [server.PlayoutStopped(response_id="r1")]
    cleared: Events = [server.PlayoutCleared(response_id="r1")]
    message, end = said("Hello.", "a1")
    done = finish(spoken("Hello.", "a1"))
    truncated: Events = [server.ItemTruncated(item_id="a1", content_index=0, audio_end_ms=9)]
    accept(begin(), message, started, end, done, stopped)
    accept(begin(), message, started, cleared, truncated, end, done)
    accept(begin(), message, end, done, started, cleared)
    refuse(begin(), started, message, end, done)
    refuse(begin(), message, started, stopped, end, done)
    refuse(begin(), message, started, end, done, stopped, stopped)
    refuse(begin(), message, started, started, end, done)
    refuse(begin(), message, cleared, end, done)
    refuse(truncated, begin(), message, end, done)


def test_an_mcp_server_lists_its_tools() -> None:
    """Protocol §4.10: clients take the item and the completion in either order."""
    listed = McpListTools(id="l1", server_label="docs")
    begun = server.McpListInProgress(item_id="l1")
    item: Events = [server.ItemAdded(item=listed), server.ItemDone(item=listed)]
    completed = server.McpListCompleted(item_id="l1")
    accept([begun, *item, completed])
    accept([begun, item[0], completed, item[1]])
    accept([begun, server.McpListFailed(item_id="l1")])
    refuse([completed, begun, *item])
    refuse([begun, *item])
    refuse([begun, begun, *item, completed])
    refuse([begun, *item, completed, server.McpListFailed(item_id="l1")])


def test_an_mcp_tool_is_called() -> None:
    asked = McpApprovalRequest(id="q1", server_label="docs", name="lookup", arguments="{}")
    at: Place = {"response_id": "r1", "item_id": "m1", "output_index": 1}
    bare = msgspec.structs.replace(MCP, arguments="", output=None)
    delta = server.McpArgumentsDelta(**at, delta="{}")
    arguments = server.McpArgumentsDone(**at, arguments="{}")
    runs = server.McpCallInProgress(item_id="m1", output_index=1)
    settles = server.McpCallCompleted(item_id="m1", output_index=1)
    before = [*begin(), *opened(asked), *closed(asked), *opened(bare, index=1)]
    after = [*closed(MCP, index=1), *finish(asked, MCP)]
    accept(before, [delta, arguments, runs, settles], after)
    accept(before, [delta, arguments, runs, server.McpCallFailed(item_id="m1")], after)
    refuse(before, [arguments, runs, settles], after)
    refuse(before, [delta, runs, settles], after)
    refuse(before, [delta, arguments, settles], after)
    refuse(before, [delta, arguments, runs, runs, settles], after)
    refuse(before, [delta, arguments, runs, settles, settles], after)
    refuse([runs])


def test_the_conversation_knows_its_items() -> None:
    added, done = server.ItemAdded(item=HEARD), server.ItemDone(item=HEARD)
    deleted = server.ItemDeleted(item_id="u1")
    retrieved = server.ItemRetrieved(item=HEARD)
    accept([added, done, retrieved, deleted])
    accept([added, done, deleted, added, done])
    refuse([done, added])
    refuse([added, done, done])
    refuse([added])
    refuse([retrieved])
    refuse([added, done, deleted, deleted])
    refuse([server.ItemAdded(item=HEARD, previous_item_id="u0"), done])


def test_an_events_name_is_its_own() -> None:
    refuse([server.AudioCleared(event_id="e"), server.AudioCleared(event_id="e")])


def test_keys_of_a_telephone_come_at_any_time() -> None:
    key: Events = [server.DtmfReceived(event="1", received_at=1)]
    accept(key, begin(), key, finish(), key)
