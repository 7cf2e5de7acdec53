"""The beta's flat sessions: what they ask of ours, and ours as one of them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.errors import InvalidRequest
from vivavoce.protocol.beta_session import flattened, nested
from vivavoce.protocol.config import (
    AnySession,
    JsonObject,
    SessionConfig,
    SessionType,
    TranscriptionConfig,
)

WHOLE: JsonObject = {
    "model": "gpt-4o-realtime-preview",
    "modalities": ["text", "audio"],
    "instructions": "Be brief.",
    "voice": "ash",
    "speed": 1.25,
    "input_audio_format": "g711_ulaw",
    "output_audio_format": "g711_alaw",
    "input_audio_transcription": {"model": "whisper-1", "language": "it"},
    "input_audio_noise_reduction": {"type": "near_field"},
    "turn_detection": {"type": "server_vad", "threshold": 0.6},
    "tools": [{"type": "function", "name": "look", "parameters": {"type": "object"}}],
    "tool_choice": "required",
    "temperature": 0.7,
    "max_response_output_tokens": 200,
    "tracing": "auto",
}


def on_the_wire(session: AnySession) -> JsonObject:
    told: JsonObject = msgspec.json.decode(msgspec.json.encode(flattened(session)))
    return told


def test_every_field_of_the_beta_has_its_place_in_ours() -> None:
    session = SessionConfig().merged(nested(WHOLE, "realtime"))
    hearing, speaking = session.audio.input, session.audio.output
    assert session.output_modalities == ("audio",)
    assert session.instructions == "Be brief."
    assert (speaking.voice, speaking.speed) == ("ash", 1.25)
    told = on_the_wire(session)
    for name, value in WHOLE.items():
        if name not in ("model", "modalities", "temperature", "turn_detection"):
            found = told[name]
            if isinstance(value, dict) and isinstance(found, dict):
                assert found | value == found, name
            else:
                assert found == value, name
    assert told["modalities"] == ["audio", "text"]
    assert told["temperature"] == 0.8
    assert told["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.6,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "create_response": True,
        "interrupt_response": True,
    }
    assert hearing.transcription is not None


def test_a_flat_transcription_session_has_its_place_too() -> None:
    flat: JsonObject = {
        "input_audio_format": "pcm16",
        "input_audio_transcription": {"model": "whisper-1", "language": "en", "prompt": ""},
        "turn_detection": None,
        "include": ["item.input_audio_transcription.logprobs"],
    }
    told = on_the_wire(TranscriptionConfig().merged(nested(flat, "transcription")))
    assert told["object"] == "realtime.transcription_session"
    assert told["turn_detection"] is None
    assert told["include"] == flat["include"]
    assert "model" not in told


def test_nothing_asked_is_nothing_changed() -> None:
    assert nested({}, "realtime") == {"type": "realtime"}
    assert nested({"instructions": None, "tools": None}, "realtime") == {"type": "realtime"}
    text = nested({"modalities": ["text"]}, "realtime")
    assert text == {"type": "realtime", "output_modalities": ["text"]}


def test_a_null_switches_off_what_can_be_off() -> None:
    patch = nested({"turn_detection": None, "input_audio_transcription": None}, "realtime")
    assert SessionConfig().merged(patch).audio.input.turn_detection is None


def test_types_that_the_client_may_omit_are_written() -> None:
    flat: JsonObject = {"turn_detection": {"threshold": 0.9}, "tools": [{"name": "look"}]}
    session = SessionConfig().merged(nested(flat, "realtime"))
    assert getattr(session.audio.input.turn_detection, "threshold", 0) == 0.9
    assert session.tools[0].__class__.__name__ == "FunctionTool"


@pytest.mark.parametrize(
    ("flat", "code", "param"),
    [
        ({"colour": 1}, "unknown_parameter", "colour"),
        ({"audio": {}}, "unknown_parameter", "audio"),
        ({"speed": 9}, "invalid_value", "speed"),
        ({"voice": 1}, "invalid_type", "voice"),
        ({"temperature": 2}, "invalid_value", "temperature"),
        ({"modalities": []}, "invalid_value", "modalities"),
        ({"modalities": ["smell"]}, "invalid_value", "modalities[0]"),
        ({"input_audio_format": "mp3"}, "invalid_value", "input_audio_format"),
        ({"turn_detection": {"type": "psychic"}}, "invalid_value", "turn_detection.type"),
        ({"turn_detection": {"threshold": "x"}}, "invalid_type", "turn_detection.threshold"),
        ({"tools": [{}]}, "missing_required_parameter", "tools[0].name"),
        ({"max_response_output_tokens": 0}, "invalid_value", "max_response_output_tokens"),
    ],
)
def test_an_error_names_the_field_of_the_flat_session(
    flat: JsonObject, code: str, param: str
) -> None:
    with pytest.raises(InvalidRequest) as error:
        nested(flat, "realtime")
    assert (error.value.code, error.value.param) == (code, param)


@pytest.mark.parametrize("name", ["voice", "instructions", "tools", "output_audio_format"])
def test_a_transcription_session_does_not_speak(name: str) -> None:
    with pytest.raises(InvalidRequest, match="Unknown parameter"):
        nested({name: WHOLE[name]}, "transcription")


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from([*WHOLE, "include", "prompt"]), json, max_size=5),
    st.sampled_from(["realtime", "transcription"]),
)
def test_whatever_is_asked_is_understood_or_refused(flat: JsonObject, kind: SessionType) -> None:
    try:
        patch = nested(flat, kind)
    except InvalidRequest:
        return
    session = SessionConfig() if kind == "realtime" else TranscriptionConfig()
    assert flattened(session.merged(patch))
