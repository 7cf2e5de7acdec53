"""Charlotte's tools in calls of a real server: embedded, with a language model, and relayed.

`desk` thinks with the embedded brain, `clerk` with a language model, `proxy` is a hosted one.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook

from vivavoce.assistants import SHIPPED

from ..http.test_routes import bearer
from ..http.test_tool_runs import code, words
from ..support.calls import Caller, House
from ..support.model_server import model_server
from ..support.served import TAKES_ALL, Served, serve

PAGE = (Path(__file__).parents[2] / "docs/assistants/charlotte.md").read_text("utf-8")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CASCADE = '[cascade]\nstt = "openai"\nbrain = "{brain}"\ntts = "openai"\n'
RELAYED = """engine = "upstream"
upstream = {{ base_url = "{url}", model = "hosted", key = {{ env = "PROVIDER_KEY" }} }}
"""
HOSTED = 'name = "hosted"\nengine = "scripted"\nscripted.script = "script.toml"\n'
SCRIPT = """
[[rules]]
pattern = "^(Welcome|Announcement|Ada,|The )"
say = "It says: {text}"

[[rules]]
when = "check me in"
calls = [{ name = "check_in", arguments = { code = "730146" } }]

[[rules]]
when = "tell everybody"
calls = [{ name = "announce", arguments = { text = "the lift is closed" } }]

[[rules]]
when = "what is new"
calls = [{ name = "announcements" }]
"""


@dataclass
class Organiser(HTTPServer):
    """The organiser's webhook. It keeps what it was sent."""

    heard: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)


class _Hook(BaseHTTPRequestHandler):
    server: Organiser

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append(({k.lower(): v for k, v in self.headers.items()}, body))
        answer = json.dumps({"message": "Thank you, somebody comes."}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Write no lines of its own among those of the tests."""


@pytest.fixture(scope="module")
def organiser() -> Iterator[Organiser]:
    server = Organiser()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def hire(data: Path, name: str, settings: str, more: str = "") -> None:
    """Copy Charlotte under another name, with another engine."""
    folder = data / "assistants" / name
    shutil.copytree(SHIPPED / "charlotte", folder)
    toml = (folder / "assistant.toml").read_text("utf-8")
    toml = toml.replace('name = "charlotte"', f'name = "{name}"')
    toml = re.sub(r"\[cascade\]\n(?:\w+ = .*\n)+", "", toml)
    if settings.startswith("engine"):
        toml = toml.replace('engine = "cascade"\n', settings)
        settings = ""
    (folder / "assistant.toml").write_text(f"{toml}\n{settings}\n{more}", "utf-8")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, organiser: Organiser) -> Iterator[Served]:
    """Serve all three, with the scripted model behind two of them."""
    script = tmp_path_factory.mktemp("script") / "script.toml"
    script.write_text(SCRIPT, "utf-8")
    provider = tmp_path_factory.mktemp("provider")
    (provider / "assistants/hosted").mkdir(parents=True)
    (provider / "assistants/hosted/assistant.toml").write_text(HOSTED)
    shutil.copy(script, provider / "assistants/hosted/script.toml")
    data = tmp_path_factory.mktemp("congress")
    (http,) = re.findall(r"<!-- run: .*? -->\n```toml\n(.*?)```", PAGE, re.DOTALL)
    http = http.replace(
        "https://organisers.example.com", f"http://127.0.0.1:{organiser.server_port}"
    )
    hire(data, "desk", CASCADE.format(brain="extractive"), http)
    hire(data, "clerk", CASCADE.format(brain="openai"))
    with model_server(script) as model, serve(provider, **TAKES_ALL) as hosted:
        hire(data, "proxy", RELAYED.format(url=f"{hosted.url}/v1"))
        environ = {
            "VIVAVOCE_OPENAI__BASE_URL": model.url,
            "VIVAVOCE_NET__ALLOW_PRIVATE": "true",
            "ORGANISERS_SECRET": SECRET,
            "PROVIDER_KEY": hosted.key(),
        }
        with serve(data, **TAKES_ALL, **environ) as server:
            yield server


@pytest.fixture(scope="module")
def key(served: Served) -> str:
    return served.key("--name", "tests")


def secret(served: Served, key: str, assistant: str, role: str | None = None) -> str:
    """Mint a client secret, as the back end of a page does."""
    body = {"vivavoce": {"assistant": assistant} | ({"role": role} if role else {})}
    answer = httpx2.post(f"{served.url}/v1/realtime/client_secrets", json=body, headers=bearer(key))
    value: str = answer.json()["value"]
    return value


def run(served: Served, key: str, assistant: str, name: str, **body: Any) -> httpx2.Response:  # noqa: ANN401
    url = f"{served.url}/api/tools/{assistant}/{name}"
    return httpx2.post(url, json=body, headers=bearer(key))


def news(served: Served, key: str, assistant: str) -> str:
    text: str = run(served, key, assistant, "announcements").json()["result"]
    return text


async def said(caller: Caller, text: str, mine: str = "") -> str:
    """Say something. Return the words that end the answer.

    `mine`: a tool of the client's own. A call of it ends the answer, too.
    """
    await caller.say("session.update", session={"type": "realtime", "output_modalities": ["text"]})
    await caller.add(text)
    await caller.say("response.create")
    while True:
        done = (await caller.hear("response.done"))["response"]
        if not done["output"]:
            return ""
        if done["output"][0]["type"] == "message":
            return words(done)
        if done["output"][0]["name"] == mine:
            return f"calls {mine}"


def conversation(
    served: Served, credential: str, assistant: str, *texts: str, query: str = "", mine: str = ""
) -> list[str]:
    async def story() -> list[str]:
        house = House(served, credential, assistant)
        async with house.welcome(f"&greeting=false{query}") as caller:
            return [await said(caller, text, mine) for text in texts]

    return asyncio.run(story())


def test_a_visitor_checks_in_by_voice_without_a_language_model(served: Served, key: str) -> None:
    asked, welcome, again = conversation(
        served, secret(served, key, "desk"), "desk",
        "I want to check in", "it is five one eight two zero four",
        "check me in my code is 518204",
    )  # fmt: skip
    assert asked == "What is your booking code? It has six digits."
    assert (
        welcome == "Welcome, Bruno! You are checked in. Your badge waits at the registration desk."
    )
    # The result of the same arguments is the same for 60 s: the tool runs once.
    assert again == welcome
    arrivals = run(served, key, "desk", "count_arrivals", role="staff").json()
    assert arrivals["result"] == "1 of 8 people are checked in."


@pytest.mark.parametrize("assistant", ["clerk", "proxy"])
def test_a_visitor_checks_in_with_a_language_model(
    served: Served, key: str, assistant: str
) -> None:
    answer = conversation(served, secret(served, key, assistant), assistant, "Check me in, please")
    assert answer == [
        "It says: Welcome, Ada! You are checked in. Your badge waits at the registration desk."
    ]
    arrivals = run(served, key, assistant, "count_arrivals", role="staff").json()
    assert arrivals["result"] == "1 of 8 people are checked in."


@pytest.mark.parametrize(
    ("assistant", "order", "asked", "answer"),
    [
        ("desk", "announce that the lift is closed", "are there any announcements", ""),
        ("clerk", "Tell everybody about the lift", "What is new?", "It says: "),
        ("proxy", "Tell everybody about the lift", "What is new?", "It says: "),
    ],
)
def test_staff_announce_and_visitors_hear_it(
    served: Served, key: str, assistant: str, order: str, asked: str, answer: str
) -> None:
    staff = secret(served, key, assistant, "staff")
    (done,) = conversation(served, staff, assistant, order)
    number = re.findall(r"Announcement (\d+) is out", done)
    assert number, done
    (heard,) = conversation(served, secret(served, key, assistant), assistant, asked)
    assert heard.startswith(answer)
    assert "ift is closed." in heard
    given = {"role": "staff", "arguments": {"number": int(number[0])}}
    withdrawn = run(served, key, assistant, "withdraw_announcement", **given).json()
    assert withdrawn["result"] == f"Announcement {number[0]} is withdrawn."
    assert "lift" not in news(served, key, assistant)


@pytest.mark.parametrize(
    ("assistant", "order"),
    [
        ("desk", "announce that the lift is closed"),
        ("clerk", "Tell everybody about the lift"),
        ("proxy", "Tell everybody about the lift"),
    ],
)
@pytest.mark.parametrize("query", ["", "&role=staff", "&var.role=staff"])
def test_a_guest_announces_nothing_by_a_phrase_a_model_or_the_query(
    served: Served, key: str, assistant: str, order: str, query: str
) -> None:
    """No model is offered the tool: the scripted one says nothing then."""
    guest = secret(served, key, assistant)
    (answer,) = conversation(served, guest, assistant, order, query=query, mine="announce")
    assert "is out" not in answer
    assert "lift" not in news(served, key, assistant)


def test_a_guest_runs_no_tool_over_http(served: Served, key: str) -> None:
    given = {"arguments": {"text": "free drinks"}}
    for role in (None, "staff"):
        mine = secret(served, key, "desk", role)
        assert code(run(served, mine, "desk", "announce", **given)) == (403, "forbidden")
        body = given | {"role": "staff"}
        assert code(run(served, mine, "desk", "announce", **body)) == (403, "forbidden")
    assert code(run(served, key, "desk", "announce", **given)) == (404, "tool_not_found")
    as_guest = given | {"role": "guest"}
    assert code(run(served, key, "desk", "announce", **as_guest)) == (404, "tool_not_found")
    assert "drinks" not in news(served, key, "desk")


@pytest.mark.parametrize("assistant", ["clerk", "proxy"])
def test_a_guest_gets_no_tool_of_staff_by_declaring_one(
    served: Served, key: str, assistant: str
) -> None:
    """An API key may declare tools. One with the name of a staff tool is the client's own."""
    tool = {"type": "function", "name": "announce", "parameters": {"type": "object"}}

    async def story() -> str:
        async with House(served, key, assistant).welcome("&greeting=false") as caller:
            await caller.say("session.update", session={"type": "realtime", "tools": [tool]})
            return await said(caller, "Tell everybody about the lift", "announce")

    assert asyncio.run(story()) == "calls announce"
    assert "lift" not in news(served, key, assistant)


def test_the_organisers_webhook_answers(served: Served, key: str, organiser: Organiser) -> None:
    (answer,) = conversation(
        served, secret(served, key, "desk"), "desk", "I want to report that the lift is broken"
    )
    assert answer == "Thank you, somebody comes."
    ((headers, body),) = organiser.heard
    assert Webhook(SECRET).verify(body, headers) == {"what": "the lift is broken"}
    assert headers["idempotency-key"]


def test_the_command_line_announces_for_staff(served: Served, key: str) -> None:
    (shown,) = re.findall(r"<!-- run: .*? -->\n    vivavoce (.*?)\n", PAGE)
    words_ = shlex.split(shown.replace(" charlotte ", " desk "))
    told = served.cli(*words_)
    assert re.fullmatch(r"Announcement \d+ is out\.", told)
    assert "Lunch is at one today." in news(served, key, "desk")
    assert "Unknown role" in _failure(served, *words_[:-1], "king")
    without = words_[: words_.index("--role")]
    assert served.cli(*without, check=False) == ""


def _failure(served: Served, *arguments: str) -> str:
    with pytest.raises(AssertionError) as caught:
        served.cli(*arguments)
    return str(caught.value)
