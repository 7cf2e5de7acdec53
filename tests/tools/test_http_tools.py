"""HTTP tools against real servers on this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from standardwebhooks import Webhook

from vivavoce.app.adapters import known
from vivavoce.assistants import load
from vivavoce.core.types import ToolRules
from vivavoce.errors import AssistantError
from vivavoce.net.http import HttpClient
from vivavoce.testing.contracts import tool
from vivavoce.tools.base import ToolContext, ToolRequest, ToolResult
from vivavoce.tools.http import HttpTool
from vivavoce.tools.http_table import HttpTable
from vivavoce.tools.runners import ToolRunners

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CONTEXT = ToolContext(call_id="rtc_1", assistant="ada")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PARAMETERS = """
[tools.parameters]
type = "object"
required = ["city"]
[tools.parameters.properties]
city = { type = "string" }
day = { type = "string" }
seats = { type = "integer" }
"""
OK = (200, "application/json", b'{"free": 2}')

Answer = tuple[int, str, bytes]


@dataclass
class Request:
    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Shop:
    """A server that answers each request with the next answer, and then with the last."""

    answers: list[Answer]
    asked: list[Request] = field(default_factory=list)
    url: str = ""

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.strip().split("\r\n")
        headers = {n.lower(): v for n, _, v in (each.partition(": ") for each in rest)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.asked.append(Request(line.rpartition(" ")[0], headers, body))
        status, kind, text = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        length = f"Content-Length: {len(text)}\r\n"
        more = f"Location: {kind[9:]}\r\n" if kind.startswith("location:") else ""
        told = f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\n{more}{length}Connection: close\r\n"
        writer.write(told.encode() + b"\r\n" + text)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def opened(
    folder: Path, toml: str, *answers: Answer, private: bool = True
) -> AsyncIterator[tuple[HttpTool, Shop]]:
    shop = Shop(list(answers) or [OK])
    listening = await asyncio.start_server(shop.meet, "127.0.0.1", 0)
    async with listening, HttpClient(allow_private=private, tries=1) as http:
        shop.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        table = read(folder, toml.replace("SHOP", shop.url))
        yield HttpTool(table, http, folder / "ada", backoff=lambda attempt: 0.0), shop


def read(folder: Path, toml: str) -> HttpTable:
    """Return the table, as an assistant's author writes it."""
    path = folder / "ada"
    path.mkdir(exist_ok=True)
    table = f'[[tools]]\nkind = "http"\nname = "free"\ndescription = "Free tables."\n{toml}'
    text = f'name = "ada"\nengine = "scripted"\n[instructions]\ndefault = "Help."\n{table}'
    (path / "assistant.toml").write_text(text + PARAMETERS)
    found = load(path, known()).server_tools()[0].table
    assert isinstance(found, HttpTable)
    return found


def run(
    folder: Path,
    toml: str,
    arguments: str = '{"city": "Turin"}',
    *answers: Answer,
    private: bool = True,
) -> tuple[ToolResult, list[Request]]:
    async def story() -> tuple[ToolResult, list[Request]]:
        async with opened(folder, toml, *answers, private=private) as (made, shop):
            request = ToolRequest("call_1", "free", arguments)
            result = await ToolRunners([made]).call(request, CONTEXT)
            return result, shop.asked

    return asyncio.run(story())


def error_of(result: ToolResult) -> str:
    assert result.failed
    text: str = json.loads(result.output)["error"]
    return text


GET = 'request = "GET SHOP/free/{city}?lang=en"\n'
POST = 'request = "POST SHOP/tables/{city}"\n'


def test_a_get_has_its_arguments_in_the_address(tmp_path: Path) -> None:
    result, (asked,) = run(tmp_path, GET, '{"city": "San Remo/å", "day": "1 May", "seats": 2}')
    assert result == ToolResult('{"free": 2}')
    assert asked.line == "GET /free/San%20Remo%2F%C3%A5?lang=en&day=1+May&seats=2"
    assert asked.body == b""


def test_a_post_has_the_other_arguments_in_its_body(tmp_path: Path) -> None:
    _, (asked,) = run(tmp_path, POST, '{"city": "Turin", "seats": 2}')
    assert asked.line == "POST /tables/Turin"
    assert json.loads(asked.body) == {"seats": 2}
    assert asked.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [("{}", "city: is missing"), ('{"city": ".."}', "city: cannot be used"),
     ('{"city": ""}', "city: cannot be used")],
)  # fmt: skip
def test_the_model_reads_which_argument_does_not_fit_the_address(
    tmp_path: Path, arguments: str, reason: str
) -> None:
    result, asked = run(tmp_path, POST, arguments)
    assert error_of(result) == f"These arguments are wrong. {reason}"
    assert asked == []


def test_headers_come_from_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADA_TOKEN", "Bearer s3cret")
    toml = POST + 'headers = { Authorization = { env = "ADA_TOKEN" }, X-Shop = "ada" }\n'
    _, (asked,) = run(tmp_path, toml)
    assert (asked.headers["authorization"], asked.headers["x-shop"]) == ("Bearer s3cret", "ada")
    monkeypatch.delenv("ADA_TOKEN")
    result, asked_without = run(tmp_path, toml)
    assert error_of(result) == "The tool is not configured."
    assert asked_without == []


def test_a_request_is_signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADA_SECRET", SECRET)
    toml = POST + 'sign = { env = "ADA_SECRET" }\n'
    _, (asked,) = run(tmp_path, toml, '{"city": "Turin", "day": "domani è festa"}')
    assert Webhook(SECRET).verify(asked.body, asked.headers) == {"day": "domani è festa"}
    assert asked.headers["webhook-id"] == "msg_rtc_1_call_1"
    monkeypatch.setenv("ADA_SECRET", "a")
    assert error_of(run(tmp_path, toml)[0]) == "The tool is not configured."


def test_a_request_without_effects_is_repeated(tmp_path: Path) -> None:
    result, asked = run(
        tmp_path, GET + "retries = 2\n", '{"city": "a"}', (503, "text/plain", b""), OK
    )
    assert (result.output, len(asked)) == ('{"free": 2}', 2)
    result, asked = run(tmp_path, GET + "retries = 2\n", '{"city": "a"}', (503, "text/plain", b""))
    assert (error_of(result), len(asked)) == ("The server answered with status 503.", 3)
    result, asked = run(tmp_path, GET + "retries = 2\n", '{"city": "a"}', (404, "text/plain", b"?"))
    assert (error_of(result), len(asked)) == ("The server answered with status 404: ?", 1)


def test_a_request_with_effects_is_repeated_with_the_same_key(tmp_path: Path) -> None:
    toml = POST + "retries = 1\nidempotency_key = true\n"
    _, asked = run(tmp_path, toml, '{"city": "a"}', (502, "text/plain", b""), OK)
    assert [each.headers["idempotency-key"] for each in asked] == ["rtc_1/call_1"] * 2
    _, asked = run(tmp_path, POST, '{"city": "a"}', (502, "text/plain", b""), OK)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((401, "text/plain", b"Bearer s3cret is wrong"), "The server answered with status 401."),
        ((200, "image/png", b"\x89PNG"), "The server answered with image/png, which is no text."),
        ((200, "text/plain", b"x" * 70_000), "The server answered with more than 65536 bytes."),
        ((302, "location:http://localhost:9/", b""), "The address of this tool is not allowed."),
    ],
)
def test_the_model_reads_why_an_answer_cannot_be_used(
    tmp_path: Path, answer: Answer, words: str
) -> None:
    assert error_of(run(tmp_path, GET, '{"city": "a"}', answer)[0]) == words


def test_an_empty_answer_is_a_success(tmp_path: Path) -> None:
    assert (
        run(tmp_path, POST, '{"city": "a"}', (204, "text/plain", b""))[0].output == '{"ok": true}'
    )


def test_a_private_address_is_refused(tmp_path: Path) -> None:
    result, asked = run(tmp_path, GET, private=False)
    assert error_of(result) == "The address of this tool is not allowed."
    assert asked == []


def test_a_server_that_hangs_is_given_up(tmp_path: Path) -> None:
    async def story() -> ToolResult:
        async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        listening = await asyncio.start_server(hang, "127.0.0.1", 0)
        async with listening, HttpClient(allow_private=True, tries=1) as http:
            url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
            table = read(tmp_path, GET.replace("SHOP", url) + "timeout = 0.2\n")
            request = ToolRequest("call_1", "free", '{"city": "a"}')
            return await ToolRunners([HttpTool(table, http, tmp_path)]).call(request, CONTEXT)

    assert error_of(asyncio.run(story())) == "The tool did not answer within 0.2 s."


def test_a_table_gives_the_rules(tmp_path: Path) -> None:
    post = read(tmp_path, POST.replace("SHOP", "https://example.com") + 'say = { en = "I ask." }\n')
    assert post.rules == ToolRules(
        say={"en": "I ask."}, timeout_s=20.0, repeat="join", effects=True
    )
    get = read(tmp_path, GET.replace("SHOP", "https://example.com"))
    assert (get.rules.effects, get.rules.repeat) == (False, "allow")
    assert get.rules.say["it"] == "Un momento, per favore."


@pytest.mark.parametrize(
    ("toml", "mistake"),
    [
        ('request = "https://example.com"', "request: must be a method and an address"),
        ('request = "FETCH https://example.com"', "request: must begin with one of GET"),
        ('request = "GET https://{city}.example.com/"', "request: cannot have a placeholder"),
        ('request = "GET ftp://example.com/"', "request: "),
        ('request = "GET https://example.com/{town}"', "request: names {town}, which is not"),
        ('request = "GET https://example.com/{city"', "request: has a # or a brace"),
        ('request = "POST https://example.com"\nretries = 2', "retries: need idempotency_key"),
        ('request = "GET https://example.com"\nheaders = { Host = "x" }', "headers.Host: is not"),
        ('request = "GET https://example.com"\nheaders = { X = { envi = "A" } }', "headers.X"),
        ('request = "GET https://example.com"\nretrys = 1', "retrys: is not a key here (did you"),
    ],
)
def test_a_mistake_in_a_table_has_its_line(tmp_path: Path, toml: str, mistake: str) -> None:
    with pytest.raises(AssistantError) as raised:
        read(tmp_path, toml + "\n")
    told = [str(each) for each in raised.value.mistakes]
    assert any(f"tools.0.{mistake}" in each for each in told), told
    assert all(each.startswith("ada/assistant.toml:") for each in told), told


def case(folder: Path) -> tool.Case:
    @asynccontextmanager
    async def made() -> AsyncIterator[HttpTool]:
        async with opened(folder, GET) as (found, _):
            yield found

    make: Callable[[], AbstractAsyncContextManager[HttpTool]] = made
    return tool.Case(make, name="free", arguments='{"city": "Turin"}', output='{"free": 2}')


@pytest.mark.parametrize("check", tool.CHECKS)
def test_http_tools_keep_the_contract(check: tool.Check, tmp_path: Path) -> None:
    check(case(tmp_path))
