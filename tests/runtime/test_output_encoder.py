"""Output audio in G.711, and retrieved items in the format of the session."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from vivavoce.audio import g711
from vivavoce.protocol import server
from vivavoce.protocol.config import (
    Audio,
    AudioInput,
    AudioOutput,
    Format,
    Pcm,
    Pcma,
    Pcmu,
    SessionConfig,
)
from vivavoce.protocol.items import Message, Part
from vivavoce.runtime.output_encoder import OutputEncoder, OutputFormats


def tone(ms: int) -> bytes:
    at = np.arange(24 * ms)
    return (8000 * np.sin(2 * np.pi * 440 * at / 24_000)).astype("<i2").tobytes()


def created(format: Format) -> server.ResponseCreated:
    audio = server.ResponseAudio(output=server.ResponseVoice(format=format, voice="marin"))
    return server.ResponseCreated(
        response=server.Response(
            id="resp_1",
            status="in_progress",
            conversation_id="conv_1",
            output_modalities=("audio",),
            audio=audio,
        )
    )


def said(format: Format, ms: int = 400) -> bytes:
    """Return the audio that arrives of a tone, sent in pieces of 40 ms."""
    formats, pcm, received = OutputFormats(), tone(ms), b""
    encoder = OutputEncoder(formats)
    events: list[server.ServerEvent] = [created(format)]
    events += [
        server.AudioDelta(response_id="resp_1", item_id="item_1", delta=pcm[i : i + 1920])
        for i in range(0, len(pcm), 1920)
    ]
    events.append(server.AudioDone(response_id="resp_1", item_id="item_1"))
    for event in events:
        formats.follow(event)
        encoded = encoder.encode(event) or (event,)
        received += b"".join(e.delta for e in encoded if isinstance(e, server.AudioDelta))
        if isinstance(event, server.AudioDone):
            assert encoded[-1] is event
    return received


def test_pcm_is_passed_as_it_is() -> None:
    assert said(Pcm()) == tone(400)
    assert AudioOutput().format == Pcm()


@pytest.mark.parametrize(("format", "law"), [(Pcmu(), "ulaw"), (Pcma(), "alaw")])
def test_a_telephone_gets_its_eight_thousand_bytes_a_second(format: Format, law: g711.Law) -> None:
    heard = said(format)
    assert abs(len(heard) - 400 * 8) <= 8
    samples = np.frombuffer(g711.decode(heard, law), "<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(samples[400:2400]))
    assert np.argmax(spectrum) * 8000 / 2000 == pytest.approx(440, abs=4)


def session(**formats: Format) -> server.SessionUpdated:
    heard = AudioInput(format=formats.get("heard", Pcm()))
    spoken = AudioOutput(format=formats.get("spoken", Pcm()))
    return server.SessionUpdated(session=SessionConfig(audio=Audio(input=heard, output=spoken)))


@pytest.mark.parametrize("role", ["user", "assistant"])
def test_a_retrieved_item_sounds_as_the_session_does(role: Literal["user", "assistant"]) -> None:
    kind: Literal["input_audio", "output_audio"]
    kind = "input_audio" if role == "user" else "output_audio"
    part = Part(type=kind, transcript="hello", audio=tone(400))
    event = server.ItemRetrieved(item=Message(id="item_1", role=role, content=(part,)))
    formats = OutputFormats()
    encoder = OutputEncoder(formats)
    assert encoder.encode(event) is None
    formats.follow(session(**{"heard" if role == "user" else "spoken": Pcma()}))
    (encoded,) = encoder.encode(event) or ()
    assert isinstance(encoded, server.ItemRetrieved)
    assert isinstance(encoded.item, Message)
    sound = encoded.item.content[0].audio
    assert isinstance(sound, bytes)
    assert len(sound) == 400 * 8
    samples = np.frombuffer(g711.decode(sound, "alaw"), "<i2").astype(float)
    assert np.argmax(np.abs(np.fft.rfft(samples[400:2400]))) * 4 == pytest.approx(440, abs=4)
    formats.follow(session(**{"spoken" if role == "user" else "heard": Pcma()}))
    assert encoder.encode(event) is None
