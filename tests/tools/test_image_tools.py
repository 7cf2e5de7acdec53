"""Tools that read images: what a function gets, and a whole call with tesseract."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from vivavoce import Call, tool
from vivavoce.errors import EngineError
from vivavoce.tools.base import ToolContext, ToolRequest, ToolResult
from vivavoce.tools.functions import DECLARATION, FunctionRunner
from vivavoce.tools.runners import ToolRunners

from ..support.pictures import png, url
from ..support.served import TAKES_ALL, serve
from ..transports.test_websocket import hear, say, with_key

SQUAD = Path(__file__).parents[1] / "support/squad.png"
COACH = """
name = "coach"
engine = "cascade"
cascade = { brain = "extractive" }
"""
TOOLS = '''
from vivavoce import Call, tool


@tool
async def analyze_screenshot(call: Call) -> str:
    """Read the text of the screenshot."""
    return "The screenshot says " + " and ".join((await call.read_image()).split("\\n"))
'''


@tool
async def read_newest(call: Call) -> str:
    """Read the newest image."""
    return await call.read_image()


@tool
async def read_item(call: Call, item: str) -> str:
    """Read the image of an item."""
    return await call.read_image(item)


@tool
async def read_bytes(call: Call) -> str:
    """Read an image of the tool's own."""
    return await call.read_image(png())


async def shown(image: bytes | str, language: str) -> str:
    return f"{language} {image[:15]!r}"


def run(name: str, arguments: str = "{}", **services: Any) -> ToolResult:  # noqa: ANN401
    images = {None: url(png()), "item_7": "data:,seven"}
    context = ToolContext(language="it", find_image=images.get)
    tools = [getattr(each, DECLARATION) for each in (read_newest, read_item, read_bytes)]
    runners = ToolRunners([FunctionRunner(tools, **services)])
    return asyncio.run(runners.call(ToolRequest("call_1", name, arguments), context))


@pytest.mark.parametrize(
    ("name", "arguments", "output"),
    [
        ("read_newest", "{}", "it 'data:image/png;'"),
        ("read_item", '{"item": "item_7"}', "it 'data:,seven'"),
        ("read_bytes", "{}", "it b'\\x89PNG\\r\\n\\x1a\\n\\x00\\x00\\x00\\rIHD'"),
    ],
)
def test_a_tool_reads_the_newest_image_an_items_or_its_own(
    name: str, arguments: str, output: str
) -> None:
    result = run(name, arguments, read_image=shown)
    assert (result.output, result.failed) == (output, False)


def test_an_item_without_an_image_is_an_error_that_the_model_reads() -> None:
    result = run("read_item", '{"item": "item_none"}', read_image=shown)
    assert (json.loads(result.output), result.failed) == (
        {"error": "The user has sent no image."},
        True,
    )


def test_what_the_reader_cannot_do_is_an_error_that_the_model_reads() -> None:
    async def broken(image: bytes | str, language: str) -> str:
        raise EngineError("The image is damaged.", "invalid_image")

    damaged, missing = run("read_newest", read_image=broken), run("read_newest")
    assert json.loads(damaged.output) == {"error": "The image is damaged."}
    assert json.loads(missing.output) == {"error": "This server cannot read images."}


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
def test_the_embedded_brain_has_a_tool_read_a_screenshot(tmp_path: Path) -> None:
    folder = tmp_path / "assistants/coach"
    folder.mkdir(parents=True)
    (folder / "assistant.toml").write_text(COACH)
    (folder / "tools.py").write_text(TOOLS)

    async def ask(socket: ClientConnection) -> str:
        content = [
            {"type": "input_text", "text": "Read the text of the screenshot"},
            {"type": "input_image", "image_url": url(SQUAD.read_bytes(), "image/jpeg")},
        ]
        item = {"type": "message", "role": "user", "content": content}
        session = {"type": "realtime", "output_modalities": ["text"]}
        await say(socket, type="session.update", session=session)
        await say(socket, type="conversation.item.create", item=item)
        await say(socket, type="response.create")
        await hear(socket, "response.done")
        done = await hear(socket, "response.done")
        text: str = done["response"]["output"][0]["content"][0]["text"]
        return text

    async def story(address: str, key: str) -> None:
        async with connect(f"{address}?assistant=coach", **with_key(key)) as socket:
            answer = await ask(socket)
            assert "ROSSI 87 and BIANCHI 82" in answer, json.dumps(answer)

    with serve(tmp_path, **TAKES_ALL) as served:
        key = served.key()
        served.await_charlotte(key)  # her call loads what this one needs
        asyncio.run(story(served.ws, key))
