"""Events about words beyond their text: probability, language and speaker."""

from __future__ import annotations

import json

import pytest
from msgspec import UNSET

from vivavoce.core.effects import Listen
from vivavoce.core.inputs import PartialTranscript, Transcribed
from vivavoce.core.types import Segment
from vivavoce.protocol import client, codec, server
from vivavoce.protocol.config import SessionConfig, TranscriptionConfig

from ..support.scenario import UNPADDED, Scenario, config, dictation, update

LOGPROBS = "item.input_audio_transcription.logprobs"


def tokens(*said: str) -> tuple[server.Logprob, ...]:
    return tuple(
        server.Logprob(token=token, logprob=-0.1, bytes=tuple(token.encode())) for token in said
    )


def spoken(settings: SessionConfig | TranscriptionConfig, *, sure: bool = True) -> Scenario:
    s = Scenario(settings)
    kind = "transcription" if isinstance(settings, TranscriptionConfig) else "realtime"
    s.tell(update(kind, include=[LOGPROBS] if sure else None))
    s.forget()
    s.hear(speech_ms=600, silence_ms=600)
    return s


def words(s: Scenario) -> list[tuple[object, ...]]:
    """Of each delta and the whole: the text and the tokens it is made of."""
    told: list[tuple[object, ...]] = []
    for event in s.sent:
        match event:
            case server.TranscriptionDelta(delta=text, logprobs=logprobs):
                pass
            case server.TranscriptionCompleted(transcript=text, logprobs=logprobs):
                pass
            case _:
                continue
        told.append((text, *(each.token for each in logprobs or ())))
    return told


@pytest.mark.parametrize("settings", [dictation(), config()], ids=["dictation", "session"])
def test_each_delta_brings_its_own_tokens_and_the_whole_brings_all(
    settings: SessionConfig | TranscriptionConfig,
) -> None:
    s = spoken(settings)
    s.tell(PartialTranscript("item_1", "what", "", tokens("what")))
    s.tell(PartialTranscript("item_1", "what time is", "", tokens("what", " time", " is")))
    s.tell(Transcribed("item_1", "what time is it", tokens("what", " time", " is", " it")))
    assert words(s) == [
        ("what", "what"),
        (" time is", " time", " is"),
        (" it", " it"),
        ("what time is it", "what", " time", " is", " it"),
    ]
    assert next(e for e in s.log if isinstance(e, Listen)).logprobs


def test_no_transcript_is_sent_that_the_session_does_not_ask_for() -> None:
    s = spoken(dictation(), sure=False)
    s.tell(PartialTranscript("item_1", "what", "", tokens("what")))
    s.tell(Transcribed("item_1", "what time", tokens("what", " time")))
    assert words(s) == [("what",), (" time",), ("what time",)]
    assert b"logprobs" not in b"".join(map(codec.encode, s.sent))
    assert not next(e for e in s.log if isinstance(e, Listen)).logprobs


def test_a_recogniser_that_cannot_tell_leaves_them_out() -> None:
    s = spoken(dictation())
    s.tell(PartialTranscript("item_1", "what"), Transcribed("item_1", "what time"))
    assert words(s) == [("what",), (" time",), ("what time",)]
    assert b"logprobs" not in b"".join(map(codec.encode, s.sent))


def test_words_that_contradict_the_deltas_are_all_in_the_whole() -> None:
    s = spoken(dictation())
    s.tell(PartialTranscript("item_1", "what tie", "", tokens("what", " tie")))
    s.tell(Transcribed("item_1", "what time", tokens("what", " time")))
    assert words(s) == [("what tie", "what", " tie"), ("what time", "what", " time")]


def test_detected_languages_are_sent() -> None:
    s = spoken(dictation())
    s.tell(Transcribed("item_1", "ciao", languages=("it", "en")))
    (done,) = [e for e in s.sent if isinstance(e, server.TranscriptionCompleted)]
    told = json.loads(codec.encode(done))["languages"]
    assert told == [{"code": "it"}, {"code": "en"}]


# Segments


def segments(s: Scenario) -> list[tuple[str, str, float, float]]:
    return [
        (e.speaker, e.text, e.start, e.end)
        for e in s.sent
        if isinstance(e, server.TranscriptionSegment)
    ]


@pytest.mark.parametrize(
    "settings",
    [
        dictation(model="gpt-4o-transcribe-diarize"),
        SessionConfig().merged({
            "type": "realtime",
            "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe-diarize"},
                                "turn_detection": {"type": "server_vad"}}},
        }),
    ],
    ids=["dictation", "session"],
)  # fmt: skip
def test_a_diarizing_model_sends_segments_with_speakers(
    settings: SessionConfig | TranscriptionConfig,
) -> None:
    s = spoken(settings)
    client_id = (
        Segment(text="Shall we?", speaker="A", start_ms=0, end_ms=400),
        Segment(text="We shall.", speaker="B", start_ms=450, end_ms=900),
    )
    s.tell(Transcribed("item_1", "Shall we? We shall.", segments=client_id))
    assert segments(s) == [("A", "Shall we?", 0.0, 0.4), ("B", "We shall.", 0.45, 0.9)]
    kinds = [type(e) for e in s.sent]
    first = kinds.index(server.TranscriptionSegment)
    assert kinds.index(server.TranscriptionCompleted) > first
    assert len({e.id for e in s.sent if isinstance(e, server.TranscriptionSegment)}) == 2
    s.check()


def test_without_diarization_one_segment_has_one_speaker() -> None:
    s = spoken(dictation(UNPADDED, "any-diarize"))
    s.tell(Transcribed("item_1", "hello"))
    (done,) = [e for e in s.sent if isinstance(e, server.TranscriptionCompleted)]
    assert isinstance(done.usage, server.Duration)
    assert segments(s) == [("A", "hello", 0.0, done.usage.seconds)]


@pytest.mark.parametrize(("model", "said"), [("whisper-1", "hello"), ("any-diarize", "")])
def test_no_other_model_has_segments_and_silence_has_none(model: str, said: str) -> None:
    s = spoken(dictation(UNPADDED, model))
    s.tell(Transcribed("item_1", said, segments=()))
    assert segments(s) == []


def test_transcription_settings_changed_during_a_turn_apply_from_then_on() -> None:
    s = spoken(dictation(), sure=False)
    s.tell(PartialTranscript("item_1", "what", "", tokens("what")))
    s.tell(client.SessionUpdate(session={"type": "transcription", "include": [LOGPROBS]}))
    s.tell(Transcribed("item_1", "what time", tokens("what", " time")))
    assert words(s) == [("what",), (" time", " time"), ("what time", "what", " time")]
    (first, *_) = [e for e in s.sent if isinstance(e, server.TranscriptionDelta)]
    assert first.logprobs is UNSET
