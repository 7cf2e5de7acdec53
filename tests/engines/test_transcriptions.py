"""`/audio/transcriptions` as servers differ in it: streamed or whole, sure or not, by voices."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import openai
import pytest

from vivavoce.audio import pcm as audio
from vivavoce.core.types import Segment, Transcript
from vivavoce.engines.openai_endpoint import Endpoint
from vivavoce.engines.scripted.parts import SURE
from vivavoce.engines.scripted.script import Script
from vivavoce.engines.stt.openai import OpenAIStt
from vivavoce.errors import EngineError
from vivavoce.net.http import HttpClient
from vivavoce.protocol.server import Logprob

from ..support.endpoints import KEY, Served, serving

SCRIPT = Script(heard=("when does it start",))


async def sound(ms: int = 900) -> AsyncIterator[bytes]:
    for _ in range(ms // 100):
        yield b"\x00\x10" * (audio.SAMPLE_RATE // 10)


class Told:
    def __init__(self) -> None:
        self.pieces: list[
            tuple[str, int]
        ] = []  # the words until now, and the number of their tokens

    async def __call__(
        self, text: str, guess: str = "", logprobs: tuple[Logprob, ...] = (), /
    ) -> None:
        self.pieces.append((text, len(logprobs)))


def run(story: Callable[[Served], Awaitable[None]]) -> None:
    async def open_and_run() -> None:
        async with serving(SCRIPT) as served:
            await story(served)

    asyncio.run(open_and_run())


def test_words_come_as_they_are_written_and_each_is_as_sure_as_it_is() -> None:
    async def story(served: Served) -> None:
        told = Told()
        heard = await OpenAIStt(served.endpoint(), "m").listen(sound(), told, logprobs=True)
        assert told.pieces == [
            ("when", 1), ("when does", 2), ("when does it", 3), ("when does it start", 4),
        ]  # fmt: skip
        assert heard.text == "when does it start"
        assert "".join(each.token for each in heard.logprobs) == heard.text
        assert {each.logprob for each in heard.logprobs} == {SURE}
        assert bytes(heard.logprobs[0].bytes or ()) == b"when"

    run(story)


def test_probabilities_are_requested_only_if_the_client_wants_them() -> None:
    async def story(served: Served) -> None:
        told = Told()
        whole = OpenAIStt(served.endpoint(), "m", stream=False)
        assert await whole.listen(sound(), told) == Transcript("when does it start")
        assert told.pieces == []

    run(story)


def test_a_model_that_tells_voices_apart_is_asked_who_spoke() -> None:
    async def story(served: Served) -> None:
        stt = OpenAIStt(served.endpoint(), "gpt-4o-transcribe-diarize")
        heard = await stt.listen(sound(), Told(), logprobs=True)
        who = Segment(text="when does it start", speaker="A", start_ms=0, end_ms=900)
        assert heard.segments == (who,)

    run(story)


def test_the_official_client_reads_what_the_scripted_server_streams() -> None:
    async def story(served: Served) -> None:
        async with openai.AsyncOpenAI(api_key=KEY, base_url=served.base_url) as client:
            stream = await client.audio.transcriptions.create(
                model="scripted", file=("a.wav", WAV), stream=True, include=["logprobs"]
            )
            events = [event async for event in stream]
        *deltas, done = events
        assert done.type == "transcript.text.done"
        assert done.logprobs is not None
        said = "".join(d.delta for d in deltas if d.type == "transcript.text.delta")
        assert said == done.text == "when does it start"

    run(story)


WAV = (
    b"RIFF" + (36 + 4800).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    + (1).to_bytes(2, "little") + (1).to_bytes(2, "little") + (24_000).to_bytes(4, "little")
    + (48_000).to_bytes(4, "little") + (2).to_bytes(2, "little") + (16).to_bytes(2, "little")
    + b"data" + (4800).to_bytes(4, "little") + b"\x00\x10" * 2400
)  # fmt: skip


# Servers that are otherwise

STREAM, JSON = "text/event-stream; charset=utf-8", "application/json"
Answer = tuple[int, str, bytes]


def hear_from(
    answers: Sequence[Answer], story: Callable[[OpenAIStt, list[str]], Awaitable[None]]
) -> None:
    """Serve these answers in turn. `asked`: the fields of each form."""
    asked: list[str] = []
    left = iter(answers)

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        assert length is not None
        form = await reader.readexactly(int(length[1]))
        asked.append(" ".join(re.findall(r' name="([^"]+)"', form.decode("latin-1"))))
        status, kind, body = next(left)
        writer.write(
            f"HTTP/1.1 {status} Whatever\r\nConnection: close\r\n"
            f"Content-Type: {kind}\r\n\r\n".encode()
            + body
        )
        await writer.drain()
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(meet, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            async with HttpClient(trusted=(url,)) as http:
                await story(OpenAIStt(Endpoint(http, url), "m"), asked)

    asyncio.run(main())


def test_a_server_that_does_not_stream_is_understood() -> None:
    async def story(stt: OpenAIStt, asked: list[str]) -> None:
        heard = await stt.listen(sound(), Told(), language="it-IT")
        assert heard == Transcript("ciao", languages=("it",))
        assert asked == ["model response_format language stream file"]

    body = b'{"text": " ciao\\n", "languages": [{"code": "it"}], "usage": {"type": "duration"}}'
    hear_from([(200, JSON, body)], story)


def test_a_server_that_cannot_tell_how_sure_it_is_is_asked_without() -> None:
    """And not again in this call."""
    refusal = (400, JSON, b'{"error": {"message": "no", "code": "unsupported_value"}}')
    whole = (200, JSON, b'{"text": "hello"}')

    async def story(stt: OpenAIStt, asked: list[str]) -> None:
        for _ in range(2):
            assert await stt.listen(sound(), Told(), logprobs=True) == Transcript("hello")
        assert ["include[]" in fields for fields in asked] == [True, False, False]

    hear_from([refusal, whole, whole], story)


@pytest.mark.parametrize(
    "body", [b"{}", b'{"error": "\xff"}', b"[" * 100_000], ids=["JSON", "no UTF-8", "too deep"]
)
def test_a_wrong_key_is_not_tried_twice_whatever_the_body_says(body: bytes) -> None:
    async def story(stt: OpenAIStt, asked: list[str]) -> None:
        with pytest.raises(EngineError) as caught:
            await stt.listen(sound(), Told(), logprobs=True)
        assert caught.value.code == "invalid_api_key"
        assert len(asked) == 1

    hear_from([(401, JSON, body)], story)


ONE = b'data: {"type":"transcript.text.delta","delta":"Hi"}\n\n'


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        (STREAM, b"", "engine_failed"),
        (STREAM, ONE, "engine_failed"),
        (STREAM, ONE + b"data: [DONE]\n\n", "engine_failed"),
        (STREAM, ONE + b"data: no json\n\n", "engine_failed"),
        (STREAM, ONE + b'data: {"type":"transcript.text.done"}\n\n', "engine_failed"),
        (STREAM, ONE + b'data: {"error":{"code":"rate_limit_exceeded"}}\n\n',
         "rate_limit_exceeded"),
        (STREAM, b'data: {"type":"\xff"}\n\n', "engine_failed"),
        (JSON, b"<html>", "engine_failed"),
        (JSON, b'{"text": "\xff"}', "engine_failed"),
        (JSON, b'{"text": 7}', "engine_failed"),
    ],
)  # fmt: skip
def test_garbage_is_a_failure_with_a_name(kind: str, body: bytes, code: str) -> None:
    async def story(stt: OpenAIStt, asked: list[str]) -> None:
        with pytest.raises(EngineError) as caught:
            await stt.listen(sound(), Told())
        assert caught.value.code == code

    hear_from([(200, kind, body)], story)
