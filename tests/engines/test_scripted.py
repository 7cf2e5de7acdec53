"""The scripted engine, and its parts behind HTTP as the unmodified `openai` package sees them."""

from __future__ import annotations

import asyncio
import io
import os
import re
import subprocess
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import openai
import pytest

import vivavoce
from vivavoce.app.adapters import Adapters, known
from vivavoce.app.catalogue import check_assistant
from vivavoce.app.data_folder import DataFolder as DataFolder
from vivavoce.assistants import load as load_assistant
from vivavoce.config import Settings
from vivavoce.core.effects import Listen, Respond
from vivavoce.core.inputs import CutShort, OutputChunk, ToolRequested
from vivavoce.engines.scripted.engine import scripted
from vivavoce.engines.scripted.script import Rule, Script, ScriptedCall, load
from vivavoce.errors import ConfigError, EngineError
from vivavoce.protocol.config import FunctionTool, SessionConfig
from vivavoce.protocol.items import Message, Part

from ..support.endpoints import KEY, serving
from ..support.engines import engine_of
from ..support.folders import write
from ..support.virtual_time import live

TOOL = {
    "type": "function",
    "function": {"name": "book", "parameters": {"type": "object", "properties": {}}},
}


def test_without_a_script_it_echoes_and_beeps() -> None:
    emitted: list[OutputChunk | ToolRequested | CutShort] = []

    async def emit(event: OutputChunk | ToolRequested | CutShort) -> None:
        emitted.append(event)

    said = Message(role="user", content=(Part(type="input_text", text="good morning"),))
    usage = live(scripted().respond(Respond("resp_1", SessionConfig(), (said,)), emit))
    spoken = [event for event in emitted if isinstance(event, OutputChunk)]
    assert "".join(event.text for event in spoken) == "You said: good morning"
    assert any(any(event.pcm) for event in spoken)
    assert usage.output_tokens == 4


CALLS = Script(rules=(Rule(when="book", say="Yes.", calls=(ScriptedCall(name="book"),)),))
BOOK = FunctionTool(name="book")


def answered(
    *tools: FunctionTool, tool_choice: Literal["auto", "none"] = "auto"
) -> list[OutputChunk | ToolRequested | CutShort]:
    """Return what a script emits whose only rule calls the tool `book`."""
    emitted: list[OutputChunk | ToolRequested | CutShort] = []

    async def emit(event: OutputChunk | ToolRequested | CutShort) -> None:
        emitted.append(event)

    said = Message(role="user", content=(Part(type="input_text", text="book it"),))
    config = SessionConfig(output_modalities=("text",), tools=tools, tool_choice=tool_choice)
    live(scripted(CALLS).respond(Respond("resp_1", config, (said,)), emit))
    return emitted


def test_a_tool_that_the_session_does_not_declare_fails_the_response(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(EngineError, match="'book', which the session does not") as failure:
        answered()
    assert failure.value.code == "tool_not_declared"
    (record,) = [each for each in caplog.records if each.message == "scripted_tool_not_declared"]
    assert vars(record)["tool"] == "book"
    with pytest.raises(EngineError):
        answered(tool_choice="none")
    assert any(isinstance(event, ToolRequested) for event in answered(BOOK))


def test_a_declared_tool_is_not_called_if_the_request_allows_no_call() -> None:
    (said,) = answered(BOOK, tool_choice="none")
    assert isinstance(said, OutputChunk)


def test_check_names_the_tools_of_a_script_that_are_not_declared(tmp_path: Path) -> None:
    toml = 'name = "ada"\nengine = "scripted"\nscripted.script = "answers.toml"\n'
    rules = "[[rules]]\ncalls = [{ name = 'book' }, { name = 'ring' }]\n" * 2
    folder = write(tmp_path, f'{toml}[[tools]]\nname = "ring"\n', answers_toml=rules)
    (warning,) = check_assistant(folder).warnings
    assert str(warning).startswith("ada/assistant.toml:4: tools: ")
    assert 'the tool "book", which is not declared' in warning.message


def test_it_hears_what_the_script_says_in_turn() -> None:
    engine = scripted(Script(heard=("what time is it", "thanks")))
    certain: list[str] = []

    async def sound() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"\x01\x10" * 2400

    async def stable(text: str, guess: str = "", logprobs: object = (), /) -> None:
        certain.append(text)

    async def story() -> list[str]:
        return [(await engine.listen(Listen("item", b""), sound(), stable)).text for _ in range(3)]

    assert live(story()) == ["what time is it", "thanks", "what time is it"]
    assert certain[:3] == ["what", "what time", "what time is"]


def test_a_script_is_a_file_and_its_mistakes_have_a_place(tmp_path: Path) -> None:
    path = tmp_path / "answers.toml"
    path.write_text('heard = ["hi"]\n[[rules]]\nwhen = "hi"\nsay = "Hello, {text}"\n')
    assert load(path).rules[0].say == "Hello, {text}"
    for broken in ("rules = 7", "[[rules]]\npattern = '('", "nonsense", "[[rules]]\nwhat = 1"):
        path.write_text(broken)
        with pytest.raises(ConfigError, match=r"answers\.toml"):
            load(path)
    with pytest.raises(ConfigError):
        load(tmp_path / "missing.toml")


def test_an_assistant_follows_the_script_in_its_folder(tmp_path: Path) -> None:
    """Read for each call. With mistakes there is no engine, and the client learns no path."""
    toml = 'name = "ada"\nengine = "scripted"\nscripted.script = "answers.toml"\n'
    folder = write(tmp_path, toml, answers_toml="[[rules]]\nsay = 'Nine.'\n")
    assistant = load_assistant(folder, known())

    async def story() -> list[OutputChunk | ToolRequested | CutShort]:
        emitted: list[OutputChunk | ToolRequested | CutShort] = []

        async def emit(event: OutputChunk | ToolRequested | CutShort) -> None:
            emitted.append(event)

        async with Adapters(Settings(), DataFolder(tmp_path)) as parts:
            engine = await engine_of(parts, assistant, "en")
            silent = SessionConfig(output_modalities=("text",))
            await engine.respond(Respond("resp_1", silent, ()), emit)
            (folder / "answers.toml").write_text("rules = 7")
            with pytest.raises(EngineError, match="has mistakes") as broken:
                await engine_of(parts, assistant, "en")
            assert str(tmp_path) not in str(broken.value)
        return emitted

    assert [said.text for said in asyncio.run(story()) if isinstance(said, OutputChunk)] == [
        "Nine."
    ]


def test_the_server_starts_from_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "answers.toml"
    path.write_text('[[rules]]\nsay = "From the file."\n')
    module = "vivavoce.testing.scripted_server"
    environ = {**os.environ, "PYTHONPATH": str(Path(vivavoce.__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, "-m", module, "--port", "0", "--script", str(path)],
        stderr=subprocess.PIPE,
        env=environ,
        text=True,
    ) as server:
        assert server.stderr is not None
        match = next(filter(None, (re.search(r"http://\S+", line) for line in server.stderr)))
        with openai.OpenAI(api_key="any", base_url=f"{match[0]}/v1") as client:
            answer = client.chat.completions.create(
                model="any", messages=[{"role": "user", "content": "hello"}]
            )
        assert answer.choices[0].message.content == "From the file."
        server.terminate()


def test_the_official_client_chats_calls_listens_and_speaks() -> None:
    script = Script(
        heard=("book a room",),
        rules=(
            Rule(when="book", calls=(ScriptedCall(name="book"),)),
            Rule(when="busy", fail="rate_limit_exceeded", times=1),
        ),
    )

    async def story() -> None:
        async with (
            serving(script) as served,
            openai.AsyncOpenAI(api_key=KEY, base_url=served.base_url, max_retries=0) as client,
        ):
            assert [model.id async for model in client.models.list()] == ["scripted"]

            async def chat(text: str) -> openai.types.chat.ChatCompletion:
                return await client.chat.completions.create(
                    model="scripted",
                    messages=[{"role": "user", "content": text}],
                    tools=[TOOL],  # type: ignore[list-item]
                )

            answer = await chat("hello")
            assert answer.choices[0].message.content == "You said: hello"
            assert answer.usage is not None
            assert answer.usage.total_tokens == 4
            called = (await chat("book")).choices[0]
            assert called.finish_reason == "tool_calls"
            assert called.message.tool_calls is not None
            with pytest.raises(openai.RateLimitError):
                await chat("busy")
            assert (await chat("busy")).choices[0].message.content == "You said: busy"

            chunks = [
                chunk
                async for chunk in await client.chat.completions.create(
                    model="scripted",
                    messages=[{"role": "user", "content": "stream"}],
                    stream=True,
                    stream_options={"include_usage": True},
                )
            ]
            words = [c.choices[0].delta.content or "" for c in chunks if c.choices]
            assert "".join(words) == "You said: stream"
            assert chunks[-1].usage is not None

            file = io.BytesIO()
            with wave.open(file, "wb") as writer:
                writer.setnchannels(1)
                writer.setsampwidth(2)
                writer.setframerate(16_000)
                writer.writeframes(b"\x01\x10" * 16_000)
            heard = await client.audio.transcriptions.create(
                model="scripted", file=("a.wav", file.getvalue())
            )
            assert heard.text == "book a room"
            with pytest.raises(openai.BadRequestError):
                await client.audio.transcriptions.create(model="scripted", file=("a.wav", b"RIFF"))

            said = await client.audio.speech.create(
                model="scripted", voice="marin", input="Hello.", response_format="pcm"
            )
            assert len(said.content) > 10_000
            with pytest.raises(openai.BadRequestError):
                await client.audio.speech.create(model="scripted", voice="marin", input="Hello.")

    asyncio.run(story())
