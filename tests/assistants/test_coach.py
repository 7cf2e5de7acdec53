"""The coach, as it ships, in calls of a real server, with its real database."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.sync.client import ClientConnection, connect

from vivavoce.assistants import SHIPPED
from vivavoce.engines.scripted.script import Rule, Script, ScriptedCall

from ..support.model_server import model_server
from ..support.served import TAKES_ALL, Served, serve

PAGE = (Path(__file__).parents[2] / "docs/assistants/coach.md").read_text("utf-8")
TALK, SEARCH, RESET = re.findall(r"<!-- run: .*? -->\n```text\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(tmp_path_factory.mktemp("coach"), **TAKES_ALL) as served:
        yield served


@pytest.fixture(scope="module")
def key(server: Served) -> str:
    made = server.key()
    assert json.loads(run(server, made, "search_player", query="Zz")["result"])["players"] == []
    return made


class Story:
    """One call in text. Each turn gives the last answer and the outputs of tools before it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.outputs: list[dict[str, Any]] = []

    def say(self, text: str, *, answers: int = 2) -> str:
        """Say a text. `answers`: responses until the turn is over, 2 where a tool runs."""
        part = {"type": "input_text", "text": text}
        item = {"type": "message", "role": "user", "content": [part]}
        for event in (
            {"type": "conversation.item.create", "item": item},
            {"type": "response.create"},
        ):
            self._socket.send(json.dumps(event))
        said = ""
        self.outputs = []
        while answers:
            event = json.loads(self._socket.recv(30))
            assert event["type"] != "error", event
            if event["type"] == "response.done":
                answers -= 1
            elif event["type"] == "response.output_text.done":
                said = event["text"]
            elif event["type"] == "conversation.item.done":
                self._keep(event["item"])
        return said

    def _keep(self, item: dict[str, Any]) -> None:
        if item["type"] == "function_call_output":
            self.outputs.append(json.loads(item["output"]))


@contextmanager
def call(server: Served, key: str, language: str, assistant: str = "coach") -> Iterator[Story]:
    url = f"{server.ws}?model={assistant}&language={language}"
    with connect(url, additional_headers={"api-key": key}) as socket:
        session = {"type": "realtime", "output_modalities": ["text"]}
        socket.send(json.dumps({"type": "session.update", "session": session}))
        yield Story(socket)


def rows(server: Served, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(server.data / "databases/coach.db")) as database:
        return database.execute(sql).fetchall()


def run(server: Served, key: str, tool: str, user: str = "", **arguments: object) -> dict[str, Any]:
    """Run one tool without a call, as the endpoint does for programs."""
    body = {"arguments": arguments, "user": user, "language": "en"}
    path = f"{server.url}/api/tools/coach/{tool}"
    answer = httpx2.post(path, json=body, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def test_a_player_is_saved_with_a_build_and_in_the_squad(server: Served, key: str) -> None:
    with call(server, key, "en") as coach:
        said = coach.say("Save Paolo Conti as striker with rating 91 in Sunday")
        assert said == "Paolo Conti is saved as striker, rating 91, and is in the squad Sunday."
        (saved,) = coach.outputs
    base, build = saved["player_id"], saved["build_id"]
    assert rows(server, f"SELECT name, rating, shipped FROM players WHERE id = {base}") == [
        ("Paolo Conti", 91, 0)
    ]
    assert rows(server, f"SELECT player_id, position, rating FROM builds WHERE id = {build}") == [
        (base, "striker", 91)
    ]
    assert rows(server, f"SELECT name FROM squad_builds JOIN squads ON squads.id = squad_id"
                        f" WHERE build_id = {build}") == [("Sunday",)]  # fmt: skip


def test_a_missing_position_is_asked_for(server: Served, key: str) -> None:
    with call(server, key, "it") as coach:
        assert coach.say("Salva il giocatore Pietro Galli", answers=1) == "In che ruolo?"
        said = coach.say("è un trequartista")
        assert said == "Pietro Galli è salvato come trequartista, valore 75."


def test_a_squad_is_changed_and_read(server: Served, key: str) -> None:
    with call(server, key, "it") as coach:
        said = coach.say("Aggiungi Luca Moretti, Leo Santini e Ivo Petrov alla rosa Azzurri")
        assert said.startswith("La rosa Azzurri ha 3: Luca Moretti (trequartista, 91)")
        coach.say("Togli Santini dalla rosa Azzurri")
        said = coach.say("Chi c'è nella rosa azzurri?")
        two = "Luca Moretti (trequartista, 91), Ivo Petrov (centrocampista, 83)"
        assert said == f"La rosa Azzurri ha 2: {two}."
        coach.say("La rosa Azzurri adesso è Niccolo Ardenti")  # as it is heard, without the accent
        assert [player["name"] for player in coach.outputs[0]["players"]] == ["Niccolò Ardenti"]


def test_an_unknown_player_changes_nothing_and_is_named(server: Served, key: str) -> None:
    with call(server, key, "en") as coach:
        coach.say("add Luca Moretti to Reserves")
        said = coach.say("add Leo Santini and Nobody Atall to Reserves")
        assert "I know no player called Nobody Atall." in said
        said = coach.say("add Leo Santinu to Reserves")
        assert "Do you mean Leo Santini?" in said
        coach.say("who is in Reserves")
        assert [player["name"] for player in coach.outputs[0]["players"]] == ["Luca Moretti"]


def test_players_are_found_by_name_and_position(server: Served, key: str) -> None:
    with call(server, key, "en") as coach:
        said = coach.say("search for ardenti")
        assert said == "I found Niccolò Ardenti (striker, 93)."
        coach.say("find me a goalkeeper")
        assert [each["name"] for each in coach.outputs[0]["players"]][:2] == [
            "Dario Ferrante", "Ottavio Brandi",
        ]  # fmt: skip
        assert coach.say("search for Zzyzx") == "I know no player called Zzyzx."


def test_a_user_neither_sees_nor_changes_the_squads_of_another(server: Served, key: str) -> None:
    run(server, key, "update_squad", "ada", squad="Mine", players=["Luca Moretti"])
    run(server, key, "update_squad", "bea", squad="Mine", players=["Leo Santini"])
    ada = json.loads(run(server, key, "load_squad", "ada")["result"])
    assert [player["name"] for player in ada["players"]] == ["Luca Moretti"]
    cara = run(server, key, "load_squad", "cara", squad="Mine")
    assert "There is no squad called Mine. You have no squad yet." in cara["result"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "X Y", "position": "king"},
        {"name": "X Y", "position": "striker", "rating": 900},
        {"name": "x" * 500, "position": "striker"},
        {"position": "striker"},
        {"name": "X Y", "position": "striker", "owner": "ada"},
    ],
)
def test_wrong_arguments_change_nothing(
    server: Served, key: str, arguments: dict[str, Any]
) -> None:
    before = rows(server, "SELECT count(*) FROM players")
    assert "These arguments are wrong." in run(server, key, "save_player", **arguments)["result"]
    assert rows(server, "SELECT count(*) FROM players") == before


def test_text_of_a_screenshot_becomes_players(server: Served, key: str) -> None:
    text = "ROSA\nMario Bassi  Attaccante  93\nKlaus Holm - centre back - 88\nlevel 30\n2 : 1"
    made = json.loads(run(server, key, "analyze_screenshot", text=text)["result"])
    assert made["players"] == [
        {"name": "Mario Bassi", "position": "striker", "rating": 93},
        {"name": "Klaus Holm", "position": "centre_back", "rating": 88},
    ]
    assert rows(server, "SELECT name FROM players WHERE key = 'mario bassi'") == []


def test_the_coach_says_that_it_cannot_read_pictures(server: Served, key: str) -> None:
    with call(server, key, "it") as coach:
        said = coach.say("Analizza questo screenshot")
        assert said == "Qui non posso leggere immagini. Dimmi nome, ruolo e valore del giocatore."


def test_tactics_are_answered_from_the_knowledge(server: Served, key: str) -> None:
    with call(server, key, "it") as coach:
        said = coach.say("come battiamo i calci d'angolo?", answers=1)
        assert said.startswith("Sul calcio d'angolo metti il miglior colpitore")


def test_a_language_model_uses_the_same_tools(tmp_path: Path) -> None:
    save = ScriptedCall(name="save_player", arguments={
        "name": "Rino Sala", "position": "midfielder", "rating": 84, "squad": "Elite"})  # fmt: skip
    rules = (
        Rule(when="elite team", calls=(save,)),
        Rule(pattern='"squad":"(?P<squad>[^"]+)"', say="He is in {squad} now."),
    )
    folder = tmp_path / "assistants/coach"
    shutil.copytree(SHIPPED / "coach", folder)
    toml = (folder / "assistant.toml").read_text().replace('"extractive"', '"openai"')
    (folder / "assistant.toml").write_text(toml)
    with model_server(Script(rules=rules)) as model:
        (tmp_path / "vivavoce.toml").write_text(f'[openai]\nbase_url = "{model.url}"\n')
        with serve(tmp_path, **TAKES_ALL) as server:
            with call(server, server.key(), "en") as coach:
                assert coach.say("Put Rino in my elite team") == "He is in Elite now."
            tools = json.dumps(model.asked("/chat/completions")[0]["tools"])
            assert "save_player" in tools
            assert '"x-' not in tools  # phrases are for a brain without a model
            assert rows(server, "SELECT name FROM squads") == [("Elite",)]


def shown(server: Served, block: str) -> None:
    """Run the command of a block of the page, and compare its output."""
    command, output = block.split("\n", 1)
    assert server.cli(*shlex.split(command)[2:]) == output.strip()


def test_the_page_shows_what_happens(tmp_path: Path) -> None:
    lines = [line.partition(":")[::2] for line in TALK.splitlines()]
    with serve(tmp_path, **TAKES_ALL) as server, call(server, server.key(), "en") as coach:
        for (_, said), (_, answer) in zip(lines[::2], lines[1::2], strict=True):
            assert coach.say(said.strip()) == answer.strip()
        shown(server, SEARCH)


def test_a_reset_needs_a_yes_and_touches_nothing_else(server: Served, key: str) -> None:
    run(server, key, "save_player", "ada", name="To Forget", position="striker", squad="Old")
    with call(server, key, "en") as coach:
        coach.say("how do I press", answers=1)
    conversations = server.cli("conversations", "list", "--json")
    refused = server.cli("tools", "run", "coach", "reset_squads", check=False)
    assert "not approved" in refused
    assert rows(server, "SELECT count(*) FROM squads") != [(0,)]
    shown(server, RESET)  # while the server runs
    for table in ("squads", "builds", "squad_builds"):
        assert rows(server, f"SELECT count(*) FROM {table}") == [(0,)]
    assert rows(server, "SELECT count(*), min(shipped) FROM players") == [(22, 1)]
    assert server.cli("conversations", "list", "--json") == conversations
    with call(server, key, "en") as coach:
        assert coach.say("search for To Forget") == "I know no player called To Forget."
