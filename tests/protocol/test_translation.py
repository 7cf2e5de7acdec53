from __future__ import annotations

import json
from typing import get_args

import pytest

from vivavoce.errors import InvalidRequest
from vivavoce.protocol import codec, server, translation
from vivavoce.protocol.config import NoiseReduction
from vivavoce.protocol.translation import Transcriber, TranslationConfig

pydantic = pytest.importorskip("pydantic")
theirs = pytest.importorskip("openai.types.realtime.realtime_translation_server_event")
official = pydantic.TypeAdapter(theirs.RealtimeTranslationServerEvent)

BEGAN = TranslationConfig(id="sess_t", model="m", expires_at=9)
WHOLE = BEGAN.merged(
    {
        "audio": {
            "input": {
                "transcription": {"model": "gpt-realtime-whisper"},
                "noise_reduction": {"type": "far_field", "strength": 0.5},
            },
            "output": {"language": "de"},
        }
    }
)

EVENTS: list[translation.TranslationServerEvent] = [
    server.Error(event_id="e", error=server.ErrorBody(type="server_error", code=None, message="m")),
    translation.SessionCreated(event_id="e", session=BEGAN),
    translation.SessionUpdated(event_id="e", session=WHOLE),
    translation.InputDelta(event_id="e", delta="Good morning", elapsed_ms=1200),
    translation.OutputDelta(event_id="e", delta="Buenos días", elapsed_ms=1400),
    translation.SoundDelta(event_id="e", delta=b"\0\1", elapsed_ms=1400),
    translation.SessionClosed(event_id="e"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_the_official_client_takes_every_event(event: translation.TranslationServerEvent) -> None:
    data = codec.encode(event)
    parsed = official.validate_json(data)
    assert parsed.model_dump(mode="json", exclude_unset=True) == json.loads(data)
    assert {type(event) for event in EVENTS} == set(get_args(translation.TranslationServerEvent))


def test_translation_events_of_a_client_decode() -> None:
    append = codec.decode_translation(
        '{"type":"session.input_audio_buffer.append","event_id":"a","audio":"AAECAw=="}'
    )
    assert append == translation.SoundAppend(event_id="a", audio=bytes(range(4)))
    close = codec.decode_translation('{"type":"session.close","event_id":"c"}')
    assert close == translation.SessionClose(event_id="c")
    with pytest.raises(InvalidRequest, match=r"Supported values are: .*, and 'session\.close'\."):
        codec.decode_translation('{"type":"response.create"}')
    with pytest.raises(InvalidRequest, match=r"Invalid value: 'session\.close'"):
        codec.decode('{"type":"session.close"}')


def test_an_update_has_no_type_and_leaves_the_rest() -> None:
    update = codec.decode_translation(
        '{"type":"session.update","event_id":"u","session":{"audio":{"input":{"transcription":'
        '{"model":"gpt-realtime-whisper"},"noise_reduction":{"type":"near_field","strength":1}},'
        '"output":{"language":"de"}}}}'
    )
    assert isinstance(update, translation.SessionUpdate)
    german = BEGAN.merged(update.session)
    assert german.audio.output.language == "de"
    assert german.audio.input.transcription == Transcriber(model="gpt-realtime-whisper")
    quiet = german.merged({"audio": {"input": {"noise_reduction": {"type": "far_field"}}}})
    kept = NoiseReduction(type="far_field", strength=1.0)  # a missing field stays (§2.2)
    assert quiet.audio.input.noise_reduction == kept
    assert quiet.audio.input.transcription == german.audio.input.transcription
    silent = quiet.merged({"audio": {"input": {"transcription": None, "noise_reduction": None}}})
    assert silent.audio == BEGAN.merged({"audio": {"output": {"language": "de"}}}).audio
    with pytest.raises(InvalidRequest, match=r"Unknown parameter: 'session\.instructions'"):
        BEGAN.merged({"instructions": ""})
