"""Apply `session.update` to a session, frame by frame as real clients send them."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vivavoce.errors import InvalidRequest
from vivavoce.protocol import client, codec, server
from vivavoce.protocol.config import (
    Audio,
    AudioInput,
    AudioOutput,
    FunctionTool,
    JsonObject,
    McpTool,
    NoiseReduction,
    Pcm,
    Pcmu,
    Reasoning,
    SemanticVad,
    ServerVad,
    SessionConfig,
    Transcription,
    TranscriptionConfig,
)

BEGAN = SessionConfig(id="sess_1", model="charlotte", instructions="You know Turin.", expires_at=9)


def merged(config: SessionConfig = BEGAN, /, **patch: object) -> SessionConfig:
    return config.merged({"type": "realtime", **patch}, BEGAN)


def with_input(**patch: object) -> AudioInput:
    return merged(audio={"input": patch}).audio.input


def refusal(**patch: object) -> tuple[str, str | None]:
    with pytest.raises(InvalidRequest) as caught:
        merged(**patch)
    return caught.value.code, caught.value.param


# First frames

AGENTS_PYTHON = """{"type":"session.update","session":{"type":"realtime","audio":{"input":{"format":
{"rate":24000,"type":"audio/pcm"},"transcription":{"model":"gpt-4o-mini-transcribe"},
"turn_detection":{"type":"semantic_vad","interrupt_response":true}},"output":{"format":{"rate":
24000,"type":"audio/pcm"},"voice":"ash"}},"instructions":"x","model":"gpt-realtime-2.1",
"output_modalities":["audio"],"tools":[]}}"""
AGENTS_TRACING = """{"type":"session.update","session":{"type":"realtime","model":
"gpt-realtime-2.1","tracing":"auto"}}"""
AGENTS_JS = """{"type":"session.update","session":{"type":"realtime","instructions":"x","model":
"gpt-realtime-2.1","output_modalities":["audio"],"audio":{"input":{"format":{"type":"audio/pcm",
"rate":24000},"noise_reduction":null,"transcription":{"model":"gpt-4o-mini-transcribe"},
"turn_detection":{"type":"semantic_vad"}},"output":{"format":{"type":"audio/pcm","rate":24000},
"speed":1}}}}"""
LIVEKIT = """{"type":"session.update","event_id":"session_update_08d0b157ea83","session":{"type":
"realtime","audio":{"input":{"format":{"rate":24000,"type":"audio/pcm"},"noise_reduction":null,
"transcription":{"model":"gpt-4o-mini-transcribe"},"turn_detection":{"type":"semantic_vad",
"create_response":true,"eagerness":"medium","interrupt_response":true}},"output":{"format":{"rate":
24000,"type":"audio/pcm"},"speed":1.0,"voice":"marin"}},"max_output_tokens":"inf","model":"foo",
"output_modalities":["audio"],"tool_choice":"auto","tracing":null}}"""
PIPECAT = """{"type":"session.update","event_id":"fe49d903-34b7-4431-89fa-71ca58a5d1ca","session":
{"type":"realtime","model":"foo","instructions":"be nice"}}"""

HEARING = Transcription(model="gpt-4o-mini-transcribe")


def heard_by(vad: SemanticVad, voice: str) -> Audio:
    spoken = AudioOutput(voice=voice)
    return Audio(input=AudioInput(transcription=HEARING, turn_detection=vad), output=spoken)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (AGENTS_PYTHON, {"instructions": "x", "audio": heard_by(SemanticVad(), "ash")}),
        (AGENTS_TRACING, {"tracing": "auto"}),
        (AGENTS_JS, {"instructions": "x", "audio": heard_by(SemanticVad(), "marin")}),
        (LIVEKIT, {"audio": heard_by(SemanticVad(eagerness="medium"), "marin")}),
        (PIPECAT, {"instructions": "be nice"}),
    ],
    ids=["agents-python", "agents-tracing", "agents-js", "livekit", "pipecat"],
)
def test_the_first_frame(frame: str, expected: dict[str, object]) -> None:
    event = codec.decode(frame)
    assert isinstance(event, client.SessionUpdate)
    assert BEGAN.merged(event.session) == msgspec.structs.replace(BEGAN, **expected)


def test_livekits_nulls_in_a_response_change_nothing() -> None:
    event = codec.decode(
        '{"type":"response.create","event_id":"r","response":{"instructions":null,'
        '"metadata":{"client_event_id":"r"}}}'
    )
    options = client.ResponseOptions(metadata={"client_event_id": "r"})
    assert event == client.ResponseCreate(event_id="r", response=options)


# The echo


def test_a_fresh_session_shows_the_keys_of_the_reference_in_its_order() -> None:
    event = server.SessionCreated(session=BEGAN)
    assert codec.encode(event) == (
        b'{"type":"session.created","event_id":"","session":{"type":"realtime","object":'
        b'"realtime.session","id":"sess_1","model":"charlotte","output_modalities":["audio"],'
        b'"instructions":"You know Turin.","tools":[],"tool_choice":"auto","max_output_tokens":'
        b'"inf","tracing":null,"truncation":"auto","prompt":null,"expires_at":9,"audio":{"input":'
        b'{"format":{"type":"audio/pcm","rate":24000},"transcription":null,"noise_reduction":null,'
        b'"turn_detection":{"type":"server_vad","threshold":0.5,"prefix_padding_ms":300,'
        b'"silence_duration_ms":500,"idle_timeout_ms":null,"create_response":true,'
        b'"interrupt_response":true}},"output":{"format":{"type":"audio/pcm","rate":24000},'
        b'"voice":"marin","speed":1.0}},"include":null}}'
    )


def test_a_key_is_shown_once_it_was_set() -> None:
    shown = json.loads(codec.encode(server.SessionUpdated(session=merged())))["session"]
    assert not {"reasoning", "parallel_tool_calls"} & shown.keys()
    config = merged(reasoning={"effort": "low"}, parallel_tool_calls=True)
    shown = json.loads(codec.encode(server.SessionUpdated(session=config)))["session"]
    assert (shown["reasoning"], shown["parallel_tool_calls"]) == ({"effort": "low"}, True)
    assert merged(config, reasoning=None, parallel_tool_calls=None) == BEGAN


def test_a_transcriber_is_shown_with_what_was_asked_of_it() -> None:
    plain = with_input(transcription={"model": "m"})
    assert codec.encode(server.SessionUpdated(session=BEGAN)).count(b"keywords") == 0
    assert msgspec.to_builtins(plain.transcription) == {
        "model": "m",
        "language": None,
        "prompt": None,
    }
    asked = {"model": "m", "languages": ("it", "en"), "keywords": ("Turin",), "delay": "low"}
    fancy = with_input(transcription=asked).transcription
    assert msgspec.to_builtins(fancy) == {"language": None, "prompt": None, **asked}


def test_credentials_of_an_mcp_server_are_kept_and_not_shown() -> None:
    tool = {"type": "mcp", "server_label": "docs", "server_url": "https://x", "headers": {"a": "b"}}
    config = merged(tools=[{**tool, "authorization": "secret"}, {"type": "function", "name": "f"}])
    assert isinstance(config.tools[0], McpTool)
    assert config.tools[0].authorization == "secret"
    shown = msgspec.json.encode(config.without_secrets())
    assert b"secret" not in shown
    assert b"headers" not in shown
    assert config.without_secrets().tools[1] == FunctionTool(name="f")


# Merging


def test_fields_that_an_update_omits_stay() -> None:
    once = merged(audio={"input": {"transcription": {"model": "m", "language": "it"}}}, tools=[])
    twice = once.merged({"type": "realtime", "audio": {"output": {"speed": 1.25}}})
    assert twice.audio.input == once.audio.input
    assert (twice.audio.output.speed, twice.instructions) == (1.25, "You know Turin.")
    third = twice.merged(
        {"type": "realtime", "audio": {"input": {"transcription": {"model": "n"}}}}
    )
    assert third.audio.input.transcription == Transcription(model="n", language="it")


def test_read_only_keys_are_ignored() -> None:
    assert merged(object="x", id="sess_2", model="gpt", expires_at=0) == BEGAN


def test_a_list_takes_the_place_of_the_list() -> None:
    config = merged(tools=[{"type": "function", "name": "a"}, {"type": "function", "name": "b"}])
    assert merged(config, tools=[{"type": "function", "name": "c"}]).tools == (
        FunctionTool(name="c"),
    )


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_instructions_are_the_first_ones(nothing: str | None) -> None:
    config = merged(instructions="Sing.")
    assert merged(config, instructions=nothing) == BEGAN


def test_turn_detection_of_the_same_type_merges_and_of_another_replaces() -> None:
    quick = with_input(turn_detection={"type": "server_vad", "silence_duration_ms": 200})
    assert quick.turn_detection == ServerVad(silence_duration_ms=200)
    config = msgspec.structs.replace(BEGAN, audio=Audio(input=quick))
    for patch, expected in [
        ({"threshold": 0.7}, ServerVad(silence_duration_ms=200, threshold=0.7)),
        ({"type": "server_vad", "threshold": 0.7},
         ServerVad(silence_duration_ms=200, threshold=0.7)),
        ({"type": "semantic_vad", "create_response": False}, SemanticVad(create_response=False)),
        (None, None),
    ]:  # fmt: skip
        again = merged(config, audio={"input": {"turn_detection": patch}})
        assert again.audio.input.turn_detection == expected
    pushed = merged(config, audio={"input": {"turn_detection": None}})
    back = merged(pushed, audio={"input": {"turn_detection": {"type": "server_vad"}}})
    assert back.audio.input.turn_detection == ServerVad()


def test_noise_reduction_keeps_its_strength() -> None:
    near = with_input(noise_reduction={"type": "near_field", "strength": 0.5})
    assert near.noise_reduction == NoiseReduction(type="near_field", strength=0.5)
    config = msgspec.structs.replace(BEGAN, audio=Audio(input=near))
    far = merged(config, audio={"input": {"noise_reduction": {"type": "far_field"}}})
    assert far.audio.input.noise_reduction == NoiseReduction(type="far_field", strength=0.5)


def test_formats() -> None:
    assert with_input(format={"type": "audio/pcmu"}).format == Pcmu()
    assert with_input(format={"type": "audio/pcm"}).format == Pcm()
    assert refusal(audio={"input": {"format": {"type": "audio/pcmu", "rate": 8000}}}) == (
        "unknown_parameter",
        "session.audio.input.format.rate",
    )


def test_a_custom_voice_is_its_id() -> None:
    config = merged(audio={"output": {"voice": {"id": "voice_1"}}})
    assert config.audio.output.voice == "voice_1"


def test_objects_that_are_not_ours_are_replaced_whole() -> None:
    config = merged(prompt={"id": "a", "version": "2"}, tracing={"metadata": {"a": 1}})
    config = merged(config, prompt={"id": "b"}, tracing={"metadata": {"b": 1}})
    assert msgspec.to_builtins(config.prompt) == {"id": "b"}
    assert msgspec.to_builtins(config.tracing) == {"metadata": {"b": 1}}


def test_null_goes_back_to_how_it_began() -> None:
    config = merged(max_output_tokens=5, tool_choice="none", reasoning={"effort": "low"})
    assert config.reasoning == Reasoning(effort="low")
    assert merged(config, max_output_tokens=None, tool_choice=None, reasoning=None) == BEGAN
    loud = merged(audio={"output": {"voice": "ash"}, "input": {"transcription": {"model": "m"}}})
    assert merged(loud, audio=None) == BEGAN


# Refusals


@pytest.mark.parametrize(
    ("patch", "code", "param"),
    [
        ({"colour": "red"}, "unknown_parameter", "session.colour"),
        ({"colour": None}, "unknown_parameter", "session.colour"),
        ({"tools": [{"type": "function", "name": "a"}] * 2
          + [{"type": "function", "name": "b", "meta": 1}]},
         "unknown_parameter", "session.tools[2].meta"),
        ({"tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools[0].name"),
        ({"tools": [{"name": "a"}]}, "missing_required_parameter", "session.tools[0].type"),
        ({"audio": {"input": {"turn_detection": {"create_response": None}}}},
         "invalid_type", "session.audio.input.turn_detection.create_response"),
        ({"audio": {"input": {"turn_detection": {"type": "vad"}}}},
         "invalid_value", "session.audio.input.turn_detection.type"),
        ({"audio": {"input": {"turn_detection": {"threshold": 1.1}}}},
         "invalid_value", "session.audio.input.turn_detection.threshold"),
        ({"audio": {"input": {"transcription": {"keywords": ["a<b"]}}}},
         "invalid_value", "session.audio.input.transcription.keywords[0]"),
        ({"audio": {"output": {"speed": 2}}}, "invalid_value", "session.audio.output.speed"),
        ({"audio": {"output": {"voice": {"id": "a", "b": 1}}}},
         "unknown_parameter", "session.audio.output.voice.b"),
        ({"audio": []}, "invalid_type", "session.audio"),
        ({"output_modalities": ["text", "audio"]}, "invalid_value", "session.output_modalities"),
        ({"max_output_tokens": 0}, "invalid_value", "session.max_output_tokens"),
        ({"include": ["everything"]}, "invalid_value", "session.include[0]"),
        ({"truncation": {"type": "retention_ratio", "retention_ratio": 2}},
         "invalid_value", "session.truncation.retention_ratio"),
    ],
)  # fmt: skip
def test_one_bad_field_refuses_all(patch: JsonObject, code: str, param: str) -> None:
    assert refusal(instructions="new", **patch) == (code, param)


def test_the_type_is_written_and_never_changes() -> None:
    patches: list[tuple[JsonObject, str]] = [
        ({}, "missing_required_parameter"),
        ({"type": None}, "invalid_type"),
        ({"type": "transcription"}, "invalid_value"),
    ]
    for patch, code in patches:
        with pytest.raises(InvalidRequest) as caught:
            BEGAN.merged(patch)
        assert (caught.value.code, caught.value.param) == (code, "session.type")


def test_values_are_offered() -> None:
    with pytest.raises(InvalidRequest, match="'server_vad' and 'semantic_vad'"):
        merged(audio={"input": {"turn_detection": {"type": "vad"}}})


# Transcription


def test_a_transcription_session_only_hears() -> None:
    began = TranscriptionConfig(id="sess_t")
    model = {"model": "gpt-realtime-whisper", "delay": "low"}
    hears = {"input": {"turn_detection": None, "transcription": model}}
    config = began.merged({"type": "transcription", "audio": hears})
    assert config.audio.input.turn_detection is None
    shown = json.loads(codec.encode(server.SessionUpdated(session=config)))["session"]
    assert shown["object"] == "realtime.transcription_session"
    assert list(shown) == ["type", "object", "id", "expires_at", "audio", "include"]
    for field in ("instructions", "tools", "model_of_the_year"):
        with pytest.raises(InvalidRequest, match="Unknown parameter"):
            began.merged({"type": "transcription", field: ""})


# Whatever is asked

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False)
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "id",
                    "name",
                    "input",
                    "output",
                    "format",
                    "voice",
                    "turn_detection",
                    "rate",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(SessionConfig.__struct_fields__), json_values, max_size=4))
def test_whatever_is_asked_is_granted_or_refused(patch: JsonObject) -> None:
    try:
        config = merged(**patch)
    except InvalidRequest as refused:
        config, param = BEGAN, refused.param or ""
    else:
        param = "session."
    assert param.startswith("session.")
    data = codec.encode(server.SessionUpdated(event_id="e", session=config))
    assert codec.decode_server(data) == server.SessionUpdated(event_id="e", session=config)


# Unknown fields

WHOLE = merged(
    audio={
        "input": {
            "transcription": {"model": "whisper-1", "languages": ["en"]},
            "noise_reduction": {"type": "near_field", "strength": 50},
        }
    },
    tracing={"workflow_name": "desk"},
    truncation={"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": {}},
    prompt={"id": "pmpt_1"},
    reasoning={"effort": "low"},
)
OBJECTS: dict[str, JsonObject] = {
    # the path of a nested object, and what it needs if it is replaced as a whole
    "": {},
    "audio": {},
    "audio.input": {},
    "audio.input.format": {},
    "audio.input.transcription": {},
    "audio.input.noise_reduction": {},
    "audio.input.turn_detection": {},
    "audio.output": {},
    "audio.output.format": {},
    "audio.output.voice": {"id": "voice_1"},
    "tool_choice": {"type": "function", "name": "look"},
    "tracing": {},
    "truncation": {"type": "retention_ratio", "retention_ratio": 0.5},
    "truncation.token_limits": {},
    "prompt": {"id": "pmpt_1"},
    "reasoning": {},
}
ABSENT = ("languages", "keywords", "delay", "strength")  # a null takes these away, in their place


def nested(path: str, value: JsonObject) -> JsonObject:
    for step in reversed(path.split(".")) if path else ():
        value = {step: value}
    return value


@pytest.mark.parametrize("value", [1, None, {"y": 1}], ids=["value", "null", "object"])
@pytest.mark.parametrize("path", OBJECTS)
def test_X18_an_unknown_field_of_every_nested_object_is_named_with_its_path(
    path: str, value: object
) -> None:
    patch = nested(path, OBJECTS[path] | {"colour": value})
    if path == "truncation.token_limits":
        patch["truncation"] = OBJECTS["truncation"] | {"token_limits": {"colour": value}}
    param = ".".join(filter(None, ("session", path, "colour")))
    with pytest.raises(InvalidRequest) as caught:
        merged(WHOLE, **patch)
    assert (caught.value.code, caught.value.param) == ("unknown_parameter", param)
    assert caught.value.message == f"Unknown parameter: '{param}'."


@pytest.mark.parametrize("name", ABSENT)
@pytest.mark.parametrize("path", [path for path in OBJECTS if path.startswith("audio")])
def test_X18_a_null_is_an_unknown_field_where_its_name_is_not_one(path: str, name: str) -> None:
    patch = nested(path, OBJECTS[path] | {name: None})
    own = {"audio.input.transcription": ABSENT[:3], "audio.input.noise_reduction": ABSENT[3:]}
    if name in own.get(path, ()):
        assert merged(WHOLE, **patch)
        return
    with pytest.raises(InvalidRequest) as caught:
        merged(WHOLE, **patch)
    assert caught.value.param == f"session.{path}.{name}"


@pytest.mark.parametrize("kind", ["function", "mcp"])
def test_X18_an_unknown_field_of_a_tool_is_named_with_its_index(kind: str) -> None:
    own: JsonObject = {"name": "look"} if kind == "function" else {"server_label": "docs"}
    tools = [{"type": kind, **own}, {"type": kind, **own, "meta": 1}]
    assert refusal(tools=tools) == ("unknown_parameter", "session.tools[1].meta")


def test_X18_objects_of_any_shape_keep_every_field() -> None:
    free = {"colour": {"deep": None}}
    changed = merged(
        tracing={"metadata": free},
        prompt={"id": "pmpt_1", "variables": free},
        tools=[{"type": "function", "name": "look", "parameters": free}],
    )
    assert changed.tracing.metadata == free  # type: ignore[union-attr]
    assert changed.prompt.variables == free  # type: ignore[union-attr]
    assert changed.tools[0].parameters == free  # type: ignore[union-attr]
