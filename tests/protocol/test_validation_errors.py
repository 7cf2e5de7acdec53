"""Every sentence msgspec has for us, and what a client reads instead.

When a new msgspec says one of them differently, the table in `complaint.py` must follow.
"""

from __future__ import annotations

import json
import time
from typing import get_args

import pytest

from vivavoce.errors import InvalidRequest
from vivavoce.protocol import codec
from vivavoce.protocol.client import ClientEvent
from vivavoce.protocol.config import SessionConfig

ITEM = {"type": "conversation.item.create", "event_id": "mine"}
CREATE = {"type": "response.create", "event_id": "mine"}


def refusal(event: object) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        codec.decode(event if isinstance(event, bytes) else json.dumps(event))
    return caught.value


def response(**options: object) -> dict[str, object]:
    return {**CREATE, "response": options}


def message(role: str, *parts: object) -> dict[str, object]:
    return {**ITEM, "item": {"type": "message", "role": role, "content": parts}}


@pytest.mark.parametrize(
    ("event", "code", "param", "text"),
    [
        # Missing
        ({"type": "conversation.item.delete", "event_id": "mine"},
         "missing_required_parameter", "item_id", "Missing required parameter: 'item_id'."),
        (message("user", {"text": "hi"}), "missing_required_parameter", "item.content[0].type",
         "Missing required parameter: 'item.content[0].type'."),
        # Unknown
        (response(temperature=0.8), "unknown_parameter", "response.temperature",
         "Unknown parameter: 'response.temperature'."),
        (response(tools=[{"type": "function", "name": "a"}, {"type": "function", "name": "b",
         "meta": 1}]), "unknown_parameter", "response.tools[1].meta",
         "Unknown parameter: 'response.tools[1].meta'."),
        # A tag, a value of an enumeration, of one
        (message("user", {"type": "video"}), "invalid_value", "item.content[0].type",
         "Invalid value: 'video'. Supported values are: 'input_audio', 'input_image', "
         "'input_text', 'output_audio', and 'output_text'."),
        ({**ITEM, "item": {"type": "item_reference"}}, "invalid_value", "item.type",
         "Invalid value: 'item_reference'. Supported values are: "),
        (response(conversation="all"), "invalid_value", "response.conversation",
         "Invalid value: 'all'. Supported values are: 'auto' and 'none'."),
        (response(max_output_tokens="many"), "invalid_value", "response.max_output_tokens",
         "Invalid value: 'many'. Supported values are: 'inf'."),
        (response(audio={"output": {"format": {"type": "audio/pcm", "rate": 8000}}}),
         "invalid_value", "response.audio.output.format.rate",
         "Invalid value: '8000'. Supported values are: '24000'."),
        (response(tool_choice={"type": "any"}), "invalid_value", "response.tool_choice.type",
         "Invalid value: 'any'. Supported values are: 'function' and 'mcp'."),
        # Neighbours
        (message("assistant", {"type": "output_text", "text": "a"}, {"type": "input_text"}),
         "invalid_value", "item.content[1].type",
         "Invalid value: 'input_text'. Supported values are: 'output_text' and 'output_audio'."),
        (message("system", {"type": "input_audio"}), "invalid_value", "item.content[0].type",
         "Invalid value: 'input_audio'. Supported values are: 'input_text'."),
        # Bytes
        ({"type": "input_audio_buffer.append", "event_id": "mine", "audio": "***"},
         "invalid_value", "audio",
         "Invalid value for 'audio': not valid base64: '*' at character 0."),
        # Types
        (response(instructions=1), "invalid_type", "response.instructions",
         "Invalid type for 'response.instructions': expected string or null, but got integer."),
        (response(input={}), "invalid_type", "response.input",
         "Invalid type for 'response.input': expected array or null, but got object."),
        ({**ITEM, "item": {"type": 7}}, "invalid_type", "item.type",
         "Invalid type for 'item.type': expected string."),
        ({"type": "conversation.item.truncate", "event_id": "mine", "item_id": "i",
          "content_index": 0, "audio_end_ms": 1.5}, "invalid_type", "audio_end_ms",
         "Invalid type for 'audio_end_ms': expected integer, but got number."),
        # Bounds
        ({"type": "conversation.item.truncate", "event_id": "mine", "item_id": "i",
          "content_index": -1, "audio_end_ms": 0}, "invalid_value", "content_index",
         "Invalid value for 'content_index': expected integer >= 0."),
        (response(max_output_tokens=5000), "invalid_value", "response.max_output_tokens",
         "Invalid value for 'response.max_output_tokens': expected integer <= 4096."),
        (response(output_modalities=["text", "audio"]), "invalid_value",
         "response.output_modalities",
         "Invalid value for 'response.output_modalities': expected array of length 1."),
        (response(metadata={"k": "v" * 513}), "invalid_value", "response.metadata.k",
         "Invalid value for 'response.metadata.k': expected string of length <= 512."),
        (response(metadata={"k" * 65: "v"}), "invalid_value", f"response.metadata.{'k' * 65}",
         f"Invalid value for 'response.metadata.{'k' * 65}': expected string of length <= 64."),
        (response(metadata={str(i): "v" for i in range(17)}), "invalid_value",
         "response.metadata",
         "Invalid value for 'response.metadata': expected object of length <= 16."),
        # Numbers beyond numbers
        (b'{"event_id": "mine", "type": "session.update", "session": {"speed": 1e999}}',
         "invalid_value", "session[...]", "Invalid value for 'session[...]': out of range."),
        (b'{"event_id": "mine", "type": "session.update", "session": {"n": ' + b"1" * 5000 + b"}}",
         "invalid_value", "session[...]", "Invalid value for 'session[...]': out of range."),
        # The event itself
        ({"type": "scooby.dooby.doo", "event_id": "mine"}, "invalid_value", "type",
         "Invalid value: 'scooby.dooby.doo'. Supported values are: "),
        ({"event_id": "mine"}, "invalid_event", None, "The 'type' field is missing."),
        ({"type": 1, "event_id": "mine"}, "invalid_event", "type",
         "The 'type' field must be a string."),
    ],
)  # fmt: skip
def test_every_kind_of_mistake(event: object, code: str, param: str | None, text: str) -> None:
    error = refusal(event)
    assert (error.code, error.param, error.event_id) == (code, param, "mine")
    assert error.message.startswith(text)
    assert error.message == text or text.endswith(": ")


def test_the_error_for_an_unknown_type_lists_all_events() -> None:
    offered = refusal({"type": "scooby.dooby.doo"}).message
    assert all(f"'{kind.__struct_config__.tag}'" in offered for kind in get_args(ClientEvent))


def test_an_error_repeats_only_a_part_of_a_clients_words() -> None:
    assert len(refusal({"type": "x" * 10_000}).message) < 1000
    assert len(refusal(response(**{"y" * 10_000: 1})).message) < 1000


def test_words_that_look_like_a_place_are_words() -> None:
    error = refusal({"type": "x - at `$.session.tools`"})
    assert (error.code, error.param) == ("invalid_value", "type")
    name = "x` - at `$.response.output_modalities[7].y"
    assert refusal({"type": "response.create", name: 1}).code == "unknown_parameter"


@pytest.mark.parametrize(
    "words",
    ["missing required field `", "contains unknown field `", "Expected `", " - at `$", "Invalid '"],
)
def test_words_that_look_like_a_sentence_of_msgspec_cost_nothing(words: str) -> None:
    """Each began a search to the end of the text: 15 MiB of them would have taken hours."""
    text = words * (2**20 // len(words))
    began = time.process_time()
    for event in (
        {"type": text},
        {"type": "response.cancel", text: 1},
        response(conversation=text),
        message("user", {"type": text}),
    ):
        error = refusal(event)
        assert len(error.message) < 500
        assert len(error.param or "") < 500
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"[]",
        b"null",
        b"3",
        b'"session.update"',
        b'{"type": "response.create"',
        b'{"type": "response.create"} {}',
        b'{"type": "response.create", "response": {"max_output_tokens": NaN}}',
        b'{"type": "session.update", "session": {"instructions": "\xff"}}',
        b'{"type": "session.update", "session": {"instructions": "\\ud800"}}',
        b'\xff\xfe{\x00"\x00',
        b"[" * 100_000,
        b'{"type": "session.update", "session": ' + b'{"a":' * 100_000,
        b'{"type": "session.update", "session": ' + b'{"a":' * 70 + b"1" + b"}" * 71,
        '{"type": "\ud800"}',
    ],
    ids=lambda data: repr(data[:40]),
)
def test_a_frame_that_is_not_an_event_is_refused(data: bytes | str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        codec.decode(data)
    assert caught.value.code == "invalid_event"


SESSION = SessionConfig()


def session_refusal(patch: dict[str, object]) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        SESSION.merged({"type": "realtime", **patch})
    return caught.value


@pytest.mark.parametrize(
    ("patch", "param", "text"),
    [
        ({"audio": {"input": {"turn_detection": {"type": None}}}},
         "session.audio.input.turn_detection.type", "expected string, but got null."),
        ({"audio": {"input": {"format": {"type": {}}}}},
         "session.audio.input.format.type", "expected string, but got object."),
        ({"audio": {"input": {"format": {"type": []}}}},
         "session.audio.input.format.type", "expected string, but got array."),
        ({"tools": [{"type": "mcp", "server_label": "s", "headers": {"a": "b", "c": 1}}]},
         "session.tools[0].headers.c", "expected string, but got integer."),
    ],
)  # fmt: skip
def test_P10_a_session_is_refused_in_the_protocols_types_and_names(
    patch: dict[str, object], param: str, text: str
) -> None:
    error = session_refusal(patch)
    assert (error.code, error.param) == ("invalid_type", param)
    assert error.message == f"Invalid type for '{param}': {text}"


@pytest.mark.parametrize(
    ("metadata", "param", "text"),
    [
        ({"ok": "yes", "turn": 1}, "response.metadata.turn", "expected string, but got integer."),
        ({"ok": "yes", "turn": None}, "response.metadata.turn", "expected string, but got null."),
        ({"ok": "", "long": "x" * 513}, "response.metadata.long",
         "expected string of length <= 512."),
        ({"ok": "", "k" * 65: ""}, f"response.metadata.{'k' * 65}",
         "expected string of length <= 64."),
    ],
)  # fmt: skip
def test_P10_a_wrong_entry_is_named_by_its_key(
    metadata: dict[str, object], param: str, text: str
) -> None:
    error = refusal(response(metadata=metadata))
    assert (error.param, error.event_id) == (param, "mine")
    assert error.message.endswith(f"'{param}': {text}")


@pytest.mark.parametrize(
    ("frame", "param"),
    [
        (b'{"type":"response.create","type":"session.update","event_id":"mine"}', "type"),
        (b'{"type":"conversation.item.create","event_id":"mine","item":{"type":"message",'
         b'"type":"function_call","role":"user","content":[]}}', "item.type"),
    ],
)  # fmt: skip
def test_P10_a_type_that_occurs_twice_is_not_called_unsupported(frame: bytes, param: str) -> None:
    error = refusal(frame)
    assert (error.code, error.param, error.event_id) == ("invalid_value", param, "mine")
    assert error.message == f"The key '{param}' occurs twice, with different values."


@pytest.mark.parametrize(
    ("frame", "param"),
    [
        (b'{"type":"conversation.item.create","event_id":"mine","item":{"type":"message",'
         b'"role":"user","content":[{"type":"input_text","text":"a\\ud800b"}]}}',
         "item.content[0].text"),
        (b'{"type":"response.create","event_id":"mine","response":{"metadata":{"a\\udc00":""}}}',
         "response.metadata"),
        (b'{"type":"session.update","event_id":"mine","session":{"x":["\\ud83d\\ude00","\\udead"]}}',
         "session.x[1]"),
    ],
)  # fmt: skip
def test_P10_half_of_a_surrogate_pair_is_refused_with_its_place(frame: bytes, param: str) -> None:
    error = refusal(frame)
    assert (error.code, error.param, error.event_id) == ("invalid_event", param, "mine")
    assert error.message == (
        f"Invalid JSON: half of a surrogate pair in '{param}' is not a character."
    )


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (b'{"type":"response.cancel"', "Invalid JSON: it ends too early."),
        (b'{"type":}', "Invalid JSON at byte 8."),
        (b'{"type":"\xff"}', "Invalid JSON: it is not UTF-8."),
        (b'{"a":"\\ud800"', "Invalid JSON"),
    ],
)
def test_P10_what_is_not_JSON_is_refused_with_its_place(frame: bytes, text: str) -> None:
    error = refusal(frame)
    assert (error.code, error.param) == ("invalid_event", None)
    assert error.message.startswith(text)


@pytest.mark.parametrize(
    ("event", "param"),
    [
        ({**ITEM, "item": {"type": "message", "role": "user"}}, "item.content"),
        (response(input=[message("user")["item"], {"type": "message", "role": "system"}]),
         "response.input[1].content"),
    ],
)  # fmt: skip
def test_P10_a_message_needs_content(event: dict[str, object], param: str) -> None:
    error = refusal(event)
    assert (error.code, error.param, error.event_id) == (
        "missing_required_parameter", param, "mine",
    )  # fmt: skip


def test_P10_a_message_may_have_no_parts() -> None:
    codec.decode(json.dumps(message("user")))
    codec.decode(json.dumps(response(input=[message("user")["item"]])))


@pytest.mark.parametrize(
    ("audio", "text"),
    [
        ("AA*A", ": '*' at character 2."),
        ("AAAA\nAAA", ": '\n' at character 4."),
        ("AA==AAAA", ": '=' at character 2."),
        ("AAAAA", ": 5 characters are not a multiple of 4."),
    ],
)
def test_P10_base64_is_refused_with_the_character(audio: str, text: str) -> None:
    event = {"type": "input_audio_buffer.append", "event_id": "mine", "audio": audio}
    error = refusal(event)
    assert (error.code, error.param, error.event_id) == ("invalid_value", "audio", "mine")
    assert error.message == f"Invalid value for 'audio': not valid base64{text}"
