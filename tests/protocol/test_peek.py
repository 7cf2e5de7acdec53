from __future__ import annotations

import msgspec
import pytest

from vivavoce.protocol.peek import peek_type


@pytest.mark.parametrize(
    "frame",
    [
        b'{"type":"response.done","event_id":"e","response":{"id":"r"}}',
        b'{"type": "response.done", "event_id": "e"}',
        b'{"event_id":"e","type":"response.done"}',
        b'\n { "event_id" : "e" ,\n "type" : "response.done" }',
        b'{"session":{"type":"realtime"},"type":"response.done"}',
        b'{"event_id":"\\"type\\":\\"x\\"","type":"response.done"}',
        b'{"audio":"' + b"A" * 4000 + b'","type":"response.done"}',
        b'{"type":"response\\u002edone"}',
    ],
)
def test_the_type_is_found_wherever_it_stands(frame: bytes) -> None:
    assert peek_type(frame) == b"response.done"
    assert peek_type(memoryview(frame)) == b"response.done"
    assert peek_type(bytearray(frame)) == b"response.done"


def test_a_frame_may_be_cut_off_behind_its_type() -> None:
    assert peek_type(b'{"type":"response.output_audio.delta","delta":"AAAA') == (
        b"response.output_audio.delta"
    )


@pytest.mark.parametrize(
    "frame",
    [b"", b"{}", b"[]", b"hello", b'{"type":1}', b'{"session":{"type":"realtime"}}', b"\xff",
     b'{"type":"respon', b"[" * 100_000, b'{"a":' * 100_000],
    ids=lambda frame: repr(frame[:20]),
)  # fmt: skip
def test_a_frame_without_a_type_has_none(frame: bytes) -> None:
    assert peek_type(frame) is None


def test_a_long_frame_is_not_copied() -> None:
    frame = msgspec.json.encode({"type": "input_audio_buffer.append", "audio": bytes(100_000)})
    view = memoryview(frame)
    assert peek_type(view) == b"input_audio_buffer.append"
    assert view.obj is frame
