"""Encode and decode the most frequent events: microseconds each, best of five.

`python -m benchmarks codec`. The audio delta matters most: msgspec
writes base64 as fast as `binascii`, so a special path would save nothing.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from timeit import repeat

from vivavoce.protocol import codec, server
from vivavoce.protocol.peek import peek_type

TIMES = 20_000
PCM = bytes(range(256)) * 18 + bytes(192)  # 4.8 kB: 100 ms of audio

DELTA = server.AudioDelta(
    event_id="event_E7VIlWXBhzDMiXFfysYod",
    response_id="resp_E7VIlWXBhzDMiXFfysYod",
    item_id="item_E7VIlWXBhzDMiXFfysYod",
    delta=PCM,
)
WORDS = server.TranscriptDelta(
    event_id="event_E7VIlWXBhzDMiXFfysYod",
    response_id="resp_E7VIlWXBhzDMiXFfysYod",
    item_id="item_E7VIlWXBhzDMiXFfysYod",
    delta=" hello",
)
FRAME = codec.encode(DELTA)
VIEW = memoryview(FRAME)
SPACED = b'{"event_id": "event_1", "type": "response.output_audio.delta", ' + FRAME[50:]
APPEND = b'{"type":"input_audio_buffer.append","audio":"' + base64.b64encode(PCM[:1920]) + b'"}'
TYPE_LAST = b'{"audio":"' + base64.b64encode(PCM[:1920]) + b'","type":"input_audio_buffer.append"}'
CREATE = (
    b'{"type":"conversation.item.create","item":{"type":"message","role":"user","content":'
    b'[{"type":"input_text","text":"What is the weather in Turin?"}]}}'
)

MEASURED: dict[str, Callable[[], object]] = {
    "encode audio delta, 4.8 kB of pcm": lambda: codec.encode(DELTA),
    "  (binascii alone)": lambda: binascii.b2a_base64(PCM, newline=False),
    "encode transcript delta": lambda: codec.encode(WORDS),
    "decode append, 1.9 kB of pcm": lambda: codec.decode(APPEND),
    "decode item.create": lambda: codec.decode(CREATE),
    "decode audio delta of an upstream": lambda: codec.decode_server(FRAME),
    "peek, type first": lambda: peek_type(FRAME),
    "peek, type first, memoryview": lambda: peek_type(VIEW),
    "peek, spaces and event_id first": lambda: peek_type(SPACED),
    "peek, type last of 2.6 kB": lambda: peek_type(TYPE_LAST),
}


def main() -> None:
    for name, call in MEASURED.items():
        best = min(repeat(call, number=TIMES, repeat=5))
        print(f"{name:36} {best / TIMES * 1e6:6.2f} µs")
