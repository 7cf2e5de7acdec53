"""The output and the exit code of the commands."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from vivavoce import __version__
from vivavoce.access import client_secrets, keys, sign_in
from vivavoce.access.auth_failure import AuthFailure
from vivavoce.access.client_secrets import ClientSecret
from vivavoce.access.credential_policy import CredentialPolicy
from vivavoce.app import data_folder
from vivavoce.app.data_folder import DataFolder
from vivavoce.cli.common import command
from vivavoce.cli.main import app
from vivavoce.core.types import Caller
from vivavoce.protocol.items import Message, Part
from vivavoce.store.base import Change, ConversationRow, Grant, ItemRow
from vivavoce.store.sql.store import SqlStore

from ..support.onnx import mean_model

NOW = datetime.now(UTC)
FAILED, USAGE, MISSING = 1, 2, 5
CONVERSATION = ConversationRow("conv_1", "ada", None, "en", NOW, NOW)


@dataclass
class Terminal:
    data: Path
    status: int = 0
    told: str = ""
    complaint: str = ""

    def run(self, *arguments: str, answer: str = "") -> str:
        """Return what the command printed; `status` and `complaint` say how it ended."""
        done = CliRunner().invoke(app, [*arguments, "--data-dir", str(self.data)], input=answer)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        self.status, self.complaint = done.exit_code, done.stderr
        return done.stdout.strip()

    def json(self, *arguments: str) -> Any:  # noqa: ANN401
        return json.loads(self.run(*arguments, "--json"))


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path / "data")


def with_store(terminal: Terminal, *work: Callable[[SqlStore], Any]) -> list[Any]:
    async def main() -> list[Any]:
        terminal.data.mkdir(parents=True, exist_ok=True)
        store = await SqlStore.open(terminal.data / "vivavoce.db")
        try:
            return [await step(store) for step in work]
        finally:
            await store.close()

    return asyncio.run(main())


# Keys


def test_a_key_lives_from_its_making_to_its_revocation(terminal: Terminal) -> None:
    made = terminal.json("keys", "create", "--name", "phone", "--assistant", "charlotte")
    assert set(made) == {"id", "key", "name", "expires_at"}

    def checked() -> Any:  # noqa: ANN401
        return with_store(terminal, lambda store: keys.check(store, made["key"], NOW))[0]

    assert checked().assistant == "charlotte"
    (row,) = terminal.json("keys", "list")
    assert (row["id"], row["name"], row["revoked_at"]) == (made["id"], "phone", None)
    assert made["key"] not in json.dumps(row)
    assert terminal.json("keys", "revoke", made["id"]) == {"id": made["id"], "revoked": True}
    assert isinstance(checked(), AuthFailure)
    terminal.run("keys", "revoke", made["id"])
    assert terminal.status == FAILED
    assert "was revoked already" in terminal.complaint
    terminal.run("keys", "revoke", "key_nobody")
    assert "There is no key key_nobody." in terminal.complaint
    assert "revoked" in terminal.run("keys", "list")


# Client secrets


async def mint(store: SqlStore, caller: Caller) -> ClientSecret:
    grant = Grant(assistant="charlotte", subject="ann", session={"instructions": "Be kind."})
    minted = await client_secrets.mint(store, CredentialPolicy(), caller, grant, NOW)
    assert isinstance(minted, ClientSecret)
    return minted


def test_secrets_are_listed_and_revoked_by_their_ids(terminal: Terminal) -> None:
    key = terminal.json("keys", "create")
    assert "There are no client secrets." in terminal.run("secrets", "list")
    by_key = Caller(credential="key", key_id=key["id"])
    (secret, other) = with_store(
        terminal,
        lambda store: mint(store, by_key),
        lambda store: mint(store, Caller(credential="key")),
    )
    with_store(terminal, signed_in)  # no client secret, though it lies beside them
    listed = terminal.json("secrets", "list")
    assert [row["id"] for row in listed] == sorted([secret.id, other.id])
    (about,) = [row for row in listed if row["id"] == secret.id]
    assert datetime.fromisoformat(about.pop("expires_at")) == secret.expires_at
    assert about == {
        "id": secret.id, "minted_by": key["id"], "assistant": "charlotte", "user": "ann",
        "revoked_at": None, "state": "good",
    }  # fmt: skip
    assert terminal.json("secrets", "revoke", secret.id) == {"id": secret.id, "revoked": True}
    text = terminal.run("secrets", "list")
    assert "revoked" in text
    assert "this command line" in text
    for one in (secret, other):
        assert one.value not in text
    terminal.run("secrets", "revoke", secret.id)
    assert terminal.status == FAILED
    assert "was revoked already" in terminal.complaint


def test_the_secrets_of_a_revoked_key_are_listed_as_revoked(terminal: Terminal) -> None:
    key = terminal.json("keys", "create")
    with_store(terminal, lambda store: mint(store, Caller(credential="key", key_id=key["id"])))
    terminal.run("keys", "revoke", key["id"])
    (row,) = terminal.json("secrets", "list")
    assert (row["state"], row["revoked_at"]) == ("revoked", None)


def test_a_secret_that_was_found_is_revoked_by_itself(terminal: Terminal) -> None:
    terminal.run("keys", "create")
    (secret,) = with_store(terminal, lambda store: mint(store, Caller(credential="key")))
    terminal.run("secrets", "revoke", secret.value)  # the list of processes shows it
    assert terminal.status == USAGE
    assert "secrets revoke -" in terminal.complaint
    assert secret.value not in terminal.complaint
    assert secret.id in terminal.run("secrets", "revoke", "-", answer=f"{secret.value}\n")
    checked = with_store(terminal, lambda store: client_secrets.check(store, secret.value, NOW))
    assert isinstance(checked[0], AuthFailure)


@pytest.mark.parametrize(
    ("named", "answer"),
    [("cs_nobody", ""), ("key_1", ""), ("-", "ek_wrong\n"), ("-", ""), ("", "")],
)
def test_unknown_secret_is_not_revoked(terminal: Terminal, named: str, answer: str) -> None:
    terminal.run("keys", "create")
    terminal.run("secrets", "revoke", named, answer=answer)
    assert terminal.status == FAILED
    assert "There is no record of" in terminal.complaint
    assert "ek_wrong" not in terminal.complaint


def test_sign_in_is_not_listed_as_a_client_secret(terminal: Terminal) -> None:
    terminal.run("keys", "create")
    with_store(terminal, signed_in)
    ((row,),) = with_store(terminal, lambda store: store.secrets())
    terminal.run("secrets", "revoke", row.id)
    assert terminal.status == FAILED


async def signed_in(store: SqlStore) -> str:
    cookie = await sign_in.sign_in(store, await sign_in.new_code(store, NOW), NOW)
    assert isinstance(cookie, str)
    return cookie


# The audit log


def test_X16_acts_of_the_command_line_are_audited(terminal: Terminal) -> None:
    key = terminal.json("keys", "create")["id"]
    assert "There are no such acts." in terminal.run("audit", "--action", "key_revoked")
    terminal.run("keys", "revoke", key)
    terminal.run("keys", "revoke", key)  # a second time changes nothing
    terminal.run("link")
    (secret,) = with_store(terminal, lambda store: mint(store, Caller(credential="key")))
    terminal.run("secrets", "revoke", secret.id)
    with_store(terminal, lambda store: store.create_conversation(CONVERSATION))
    terminal.run("conversations", "delete", CONVERSATION.id, "--yes")
    rows = terminal.json("audit")
    me = f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    assert [(row["action"], row["target"], row["actor"]) for row in rows] == [
        ("conversation_deleted", CONVERSATION.id, me),
        ("secret_revoked", secret.id, me),
        ("sign_in_link_made", None, me),
        ("key_revoked", key, me),
        ("key_created", key, me),
        ("secret_minted", secret.id, "unknown"),  # by this test, at the time of `NOW`
    ]
    assert all(datetime.fromisoformat(row["at"]).tzinfo for row in rows)


def test_X16_acts_are_filtered_on_the_command_line(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER", "somebody")  # the environment does not decide who it was
    monkeypatch.setenv("LOGNAME", "somebody")
    keys_made = [terminal.json("keys", "create")["id"] for _ in range(3)]
    assert [row["target"] for row in terminal.json("audit", "--since", "1h")] == keys_made[::-1]
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    assert terminal.json("audit", "--since", later) == []
    assert terminal.json("audit", "--actor", "cli:somebody") == []
    text = terminal.run("audit", "--limit", "2", "--action", "key_created")
    assert keys_made[2] in text
    assert keys_made[0] not in text
    assert "There are more: --limit 4" in text
    terminal.run("audit", "--since", "yesterday")
    assert terminal.status == USAGE


@pytest.mark.parametrize("lasting", ["30", "d", "-1d", "0h", "²d", "1w", "99999999999999d"])
def test_invalid_expiry_is_a_usage_error(terminal: Terminal, lasting: str) -> None:
    terminal.run("keys", "create", "--expires", lasting)
    assert terminal.status == USAGE
    assert not terminal.data.exists()


def test_key_expires_after_the_given_time(terminal: Terminal) -> None:
    made = terminal.json("keys", "create", "--expires", "90m")
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert 85 < left.total_seconds() / 60 <= 90


def test_the_key_alone_is_printed_for_scripts(terminal: Terminal) -> None:
    assert terminal.run("keys", "create").startswith("vv_")
    assert "\n" not in terminal.run("keys", "create")


def test_names_of_users_are_printed_without_markup(terminal: Terminal) -> None:
    terminal.run("keys", "create", "--name", "[/b] [red]x")
    assert "[/b] [red]x" in terminal.run("keys", "list")
    terminal.run("conversations", "show", "[/b]")
    assert terminal.status == FAILED
    assert "[/b]" in terminal.complaint


def test_the_data_folder_is_its_owners_only(terminal: Terminal) -> None:
    terminal.run("keys", "create")
    assert stat.S_IMODE(terminal.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((terminal.data / "vivavoce.db").stat().st_mode) == 0o600


def test_unusable_data_folder_is_reported_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    terminal = Terminal(tmp_path / "file" / "data")
    terminal.run("keys", "create")
    assert terminal.status == FAILED
    assert "cannot be used" in terminal.complaint


@pytest.mark.parametrize(
    "command",
    [
        ["link"],
        ["keys", "list"],
        ["keys", "revoke", "key_1"],
        ["secrets", "list"],
        ["secrets", "revoke", "cs_1"],
        ["conversations", "list"],
        ["conversations", "show", "conv_1"],
        ["conversations", "delete", "conv_1", "--yes"],
        ["doctor"],
        ["assistants", "list"],
        ["talk", "--text", "hi"],
    ],
)
def test_mistyped_data_folder_is_not_created(terminal: Terminal, command: list[str]) -> None:
    terminal.run(*command)
    assert not terminal.data.exists()
    if command[0] in ("link", "keys", "secrets", "conversations"):
        assert terminal.status == MISSING
        assert f"There is no Vivavoce data in {terminal.data}." in terminal.complaint


def test_suggested_command_works_in_the_current_folder(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    data = DataFolder(Path("my data"))
    for started, shown in (
        (".venv/bin/vivavoce", ".venv/bin/vivavoce link --data-dir 'my data'"),
        (str(tmp_path / "bin/vivavoce"), "bin/vivavoce link --data-dir 'my data'"),
        ("/opt/v/bin/vivavoce", "/opt/v/bin/vivavoce link --data-dir 'my data'"),
    ):
        monkeypatch.setattr(sys, "argv", [started])
        assert command(data, "link") == shown
    assert command(data_folder.default(), "link") == "/opt/v/bin/vivavoce link"
    on_the_path = tmp_path / "vivavoce"
    on_the_path.write_text("#!/bin/sh\n")
    on_the_path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(on_the_path)])
    assert command(data_folder.default(), "link") == "vivavoce link"


def test_key_for_an_unknown_assistant_is_refused(terminal: Terminal) -> None:
    terminal.run("keys", "create", "--assistant", "nobody")
    assert terminal.status == USAGE
    assert "charlotte" in terminal.complaint
    assert not terminal.data.exists()


# The link


def test_a_link_signs_in_once(terminal: Terminal) -> None:
    terminal.run("keys", "create")
    made = terminal.json("link")["link"]
    url, code = made.split("#code=")
    assert url == "http://localhost:8080/"
    assert "No server runs on" in terminal.complaint
    once, twice = with_store(
        terminal,
        lambda store: sign_in.sign_in(store, code, datetime.now(UTC)),
        lambda store: sign_in.sign_in(store, code, datetime.now(UTC)),
    )
    assert isinstance(once, str)
    assert isinstance(twice, AuthFailure)


# Conversations


@pytest.fixture
def talked(terminal: Terminal) -> Terminal:
    """One conversation, of which the last answer was not heard to its end."""
    asked = Message(
        id="item_1", role="user", content=(Part(type="input_text", text="When is it?"),)
    )
    answered = Message(
        id="item_2",
        role="assistant",
        status="incomplete",
        content=(Part(type="output_audio", transcript="It is [soon]"),),
    )
    rows = (
        ItemRow(asked, 1024.0, NOW, input_method="text"),
        ItemRow(
            answered, 2048.0, NOW, generated="It is [soon]. Really.", sent_ms=2000, heard_ms=900
        ),
    )
    with_store(
        terminal,
        lambda store: store.create_conversation(
            ConversationRow("conv_1", "ada", "[bold]bob", "en", NOW, NOW)
        ),
        lambda store: store.commit([Change("conv_1", items=rows)]),
    )
    return terminal


def test_conversations_are_listed_with_assistant_and_user(talked: Terminal) -> None:
    header, line = talked.run("conversations", "list").splitlines()
    assert header.split() == ["id", "last", "assistant", "user"]
    assert "[bold]bob" in line
    (about,) = talked.json("conversations", "list", "--assistant", "ada")
    assert (about["id"], about["user"]) == ("conv_1", "[bold]bob")
    assert talked.json("conversations", "list", "--assistant", "eve") == []


def test_conversation_is_shown_with_the_heard_part(talked: Terminal) -> None:
    shown = talked.run("conversations", "show", "conv_1")
    assert "user: When is it?" in shown
    assert "assistant: It is [soon]. Really.  [heard 0.9 of 2.0 s]" in shown


def test_a_conversation_is_exported_with_all_that_is_known(
    talked: Terminal, tmp_path: Path
) -> None:
    printed = json.loads(talked.run("conversations", "export", "conv_1"))
    file = tmp_path / "out.json"
    talked.run("conversations", "export", "conv_1", "--out", str(file))
    assert json.loads(file.read_text()) == printed
    assert printed["items"][1]["generated"] == "It is [soon]. Really."
    assert printed["items"][1]["heard_ms"] == 900


def test_deleting_asks_and_a_no_leaves_everything(talked: Terminal) -> None:
    talked.run("conversations", "delete", "conv_1", answer="n\n")
    assert talked.status == FAILED
    assert talked.json("conversations", "list")


def test_deleted_conversation_is_gone(talked: Terminal) -> None:
    assert talked.json("conversations", "delete", "conv_1", "--yes")["deleted"]
    assert talked.json("conversations", "list") == []
    for verb in ("show", "export", "delete"):
        arguments = ["conversations", verb, "conv_1", *(["--yes"] if verb == "delete" else [])]
        talked.run(*arguments)
        assert talked.status == FAILED


def test_delete_prints_the_number_of_items(talked: Terminal) -> None:
    said = talked.run("conversations", "delete", "conv_1", "--yes")
    assert said == "conv_1 is deleted, with its 2 items."


# Assistants


def test_assistants_are_listed_and_the_shipped_ones_are_right(terminal: Terminal) -> None:
    listed = {one["name"]: one for one in terminal.json("assistants", "list")}
    assert listed["charlotte"]["languages"] == ["en", "it", "es"]
    for name in ("charlotte", "companion", "mentor"):
        assert terminal.json("assistants", "check", listed[name]["folder"]) == []
        assert terminal.status == 0


def test_check_reports_every_mistake_with_its_place(terminal: Terminal, tmp_path: Path) -> None:
    folder = tmp_path / "ada"
    folder.mkdir()
    (folder / "assistant.toml").write_text('name = "eve"\nengine = "steam"\n')
    mistakes = terminal.json("assistants", "check", str(folder))
    assert terminal.status == FAILED
    assert len(mistakes) >= 2
    assert {"file", "line", "key", "message"} == set(mistakes[0])


def test_a_folder_with_mistakes_is_an_error_with_their_number(
    terminal: Terminal, tmp_path: Path
) -> None:
    folder = tmp_path / "ada"
    folder.mkdir()
    (folder / "assistant.toml").write_text('name = "ada\n')
    told = terminal.run("assistants", "check", str(folder))
    assert terminal.status == FAILED
    assert told.startswith("ada/assistant.toml:1: ")
    assert terminal.complaint.strip() == f"error: {folder} has 1 mistake."


def test_a_broken_assistant_is_listed_with_the_command_that_tells_why(terminal: Terminal) -> None:
    folder = terminal.data / "assistants/eve"
    folder.mkdir(parents=True)
    (folder / "assistant.toml").write_text('name = "eve"\nlanguages = ["en"]\nengine = "steam"\n'
                                           '[instructions]\ndefault = "Be brief."\n')  # fmt: skip
    terminal.run("assistants", "list")
    assert "eve has 1 mistake: " in terminal.complaint
    assert f"vivavoce assistants check {folder}" in terminal.complaint


def test_values_of_variables_are_set_shown_and_restored(terminal: Terminal) -> None:
    folder = terminal.data / "assistants/ada"
    folder.mkdir(parents=True)
    (folder / "assistant.toml").write_text(
        'name = "ada"\n[variables.city]\ndefault = "Turin"\n[variables.seats]\ntype = "number"\n'
    )
    about = ("assistants", "variables", "ada")
    terminal.run("keys", "create")
    assert terminal.run(*about).split()[:3] == ["city", "text", "Turin"]
    assert "Rome" in terminal.run(*about, "city=Rome", "seats=2")
    values = {one["name"]: one["value"] for one in terminal.json(*about)}
    assert values == {"city": "Rome", "seats": 2}
    assert "Turin" in terminal.run(*about, "--default", "city")
    terminal.run(*about, "seats=many")
    assert terminal.status == USAGE
    assert "Variable 'seats' must be a number." in terminal.complaint
    terminal.run(*about, "seats")
    assert terminal.status == USAGE
    (act,) = terminal.json("audit", "--action", "variables_changed", "--limit", "1")
    assert (act["target"], act["detail"]["variables"]) == ("ada", "city")


def test_check_accepts_the_file_and_warns_of_patterns_without_matches(
    terminal: Terminal, tmp_path: Path
) -> None:
    folder = tmp_path / "ada"
    folder.mkdir()
    file = folder / "assistant.toml"
    file.write_text('name = "ada"\nlanguages = ["en"]\n[instructions]\ndefault = "Be brief."\n'
                    '[knowledge]\npaths = ["knowlege/*.md"]\n')  # fmt: skip
    assert "ada has no mistakes" in terminal.run("assistants", "check", str(file))
    assert "nothing matches 'knowlege/*.md'" in terminal.complaint


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "0 pieces of knowledge, 0 tools"),
        ({"knowledge/a.md": "# Bar\nThe bar opens at nine.\n"}, "1 piece of knowledge, 0 tools"),
    ],
)
def test_N14_check_warns_only_of_what_the_author_wrote(
    terminal: Terminal, tmp_path: Path, files: dict[str, str], told: str
) -> None:
    toml = 'name = "ada"\nlanguages = ["en"]\n[instructions]\ndefault = "Be brief."\n'
    for name, text in ({"assistant.toml": toml} | files).items():
        file = tmp_path / "ada" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    printed = terminal.run("assistants", "check", str(tmp_path / "ada"))
    assert printed == f"ada has no mistakes: en; {told}."
    assert terminal.complaint == ""


def test_check_names_a_link_that_leads_out_of_the_folder(
    terminal: Terminal, tmp_path: Path
) -> None:
    folder = tmp_path / "ada"
    (folder / "knowledge").mkdir(parents=True)
    (folder / "assistant.toml").write_text('name = "ada"\n')
    (folder / "knowledge/x.md").symlink_to(tmp_path / "vivavoce.toml")
    (tmp_path / "vivavoce.toml").write_text("# the operator's\n")
    (mistake,) = terminal.json("assistants", "check", str(folder))
    assert mistake["message"] == '"knowledge/x.md" leads out of the assistant\'s folder'
    assert terminal.status == 1


def test_check_reports_the_mistakes_of_a_script(terminal: Terminal, tmp_path: Path) -> None:
    folder = tmp_path / "ada"
    folder.mkdir()
    (folder / "assistant.toml").write_text(
        'name = "ada"\nengine = "scripted"\nscripted.script = "script.toml"\n'
    )
    (folder / "script.toml").write_text("[[rules]]\nsays = 1\n")
    (mistake,) = terminal.json("assistants", "check", str(folder))
    assert mistake["file"].endswith("script.toml")
    assert "says" in mistake["message"]


# Everything else


def test_the_version_is_asked_for_as_everywhere() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.strip() == __version__


def test_usage_mistakes_end_with_2(terminal: Terminal) -> None:
    for arguments in (
        ["talk"],
        ["talk", "x.wav", "--text", "hi"],
        ["nonsense"],
        ["keys", "nonsense"],
    ):
        terminal.run(*arguments)
        assert terminal.status == USAGE, arguments


def test_mistakes_in_the_settings_are_reported_with_their_keys(terminal: Terminal) -> None:
    terminal.data.mkdir()
    (terminal.data / "vivavoce.toml").write_text("[server]\nport = 99999\ncolour = 1\n")
    terminal.run("doctor")
    assert terminal.status == USAGE
    port, colour = terminal.complaint.splitlines()
    file = terminal.data / "vivavoce.toml"
    assert port.startswith(f"error: {file}:2: server.port: ")
    assert colour.startswith(f"error: {file}:3: server.colour: ")


def test_doctor_checks_every_part(terminal: Terminal) -> None:
    terminal.data.mkdir()
    (terminal.data / "server.url").write_text("http://localhost:1")  # of one that was killed
    findings = {one["check"]: one for one in terminal.json("doctor")}
    for part in (
        "Python",
        "database",
        "voice detection",
        "brain extractive",
        "assistants",
        "adapters",
    ):
        assert findings[part]["ok"], findings[part]
    assert "not running" in findings["server"]["message"]
    assert (terminal.status == 0) == all(one["ok"] for one in findings.values())
    assert terminal.status in (0, MISSING)
    assert all(one["fix"] for one in findings.values() if not one["ok"])


def test_doctor_checks_the_end_of_turn_model(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = tmp_path / "smart-turn.onnx"
    monkeypatch.setenv("VIVAVOCE_SPEECH__SMART_TURN_MODEL", str(model))
    findings = {one["check"]: one for one in terminal.json("doctor")}
    assert terminal.status == MISSING
    assert str(model) in findings["pauses"]["message"]
    assert "speech.smart_turn_model" in findings["pauses"]["fix"]
    model.write_bytes(mean_model(80, 800))
    findings = {one["check"]: one for one in terminal.json("doctor")}
    assert findings["pauses"]["ok"], findings["pauses"]


def test_doctor_names_the_source_of_each_missing_key(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVES_KEY", raising=False)
    folder = terminal.data / "assistants/eve"
    folder.mkdir(parents=True)
    (folder / "assistant.toml").write_text(
        'name = "eve"\nlanguages = ["en"]\nengine = "upstream"\n'
        '[instructions]\ndefault = "Be brief."\n[upstream]\nkey = { env = "EVES_KEY" }\n'
    )
    assert "EVES_KEY is not set" in terminal.run("doctor")
    assert terminal.status == MISSING
    assert "[upstream] key in assistant.toml says where the key is." in terminal.complaint


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_X16_a_data_folder_that_others_may_read_is_closed_or_named(terminal: Terminal) -> None:
    terminal.run("keys", "create")
    for path in (terminal.data, terminal.data / "vivavoce.db"):
        path.chmod(0o755)
    found = {each["check"]: each for each in terminal.json("doctor")}["data folder"]
    assert not found["ok"]
    assert found["fix"] == f"chmod 700 {terminal.data}"
    terminal.run("keys", "create")
    assert stat.S_IMODE(terminal.data.stat().st_mode) == 0o700
    assert stat.S_IMODE((terminal.data / "vivavoce.db").stat().st_mode) == 0o600
    assert {each["check"]: each for each in terminal.json("doctor")}["data folder"]["ok"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_X16_a_folder_with_other_files_is_not_closed(terminal: Terminal) -> None:
    terminal.data.mkdir(mode=0o755)
    terminal.data.chmod(0o755)
    (terminal.data / "thesis.txt").write_text("mine")
    terminal.run("keys", "create")
    assert stat.S_IMODE(terminal.data.stat().st_mode) == 0o755
