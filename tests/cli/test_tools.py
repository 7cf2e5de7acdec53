"""List and run an assistant's tools on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from vivavoce.cli.main import app

from ..support.shop import open_shop, orders


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return open_shop(tmp_path)


def tools(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["tools", *words, "--data-dir", str(folder)])


def test_the_tools_are_listed_with_their_rules(tmp_path: Path, book: Path) -> None:
    done = tools(tmp_path, "list", "shop")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["look", "book", "order", "refund"]
    assert "effects   approve: staff  Give money back." in lines[3]
    listed = json.loads(tools(tmp_path, "list", "shop", "--json").stdout)
    assert (listed[2]["name"], listed[2]["approve"], listed[2]["effects"]) == (
        "order", "user", True,
    )  # fmt: skip
    assert listed[1]["parameters"]["properties"]["seats"]["type"] == "integer"


def test_a_tool_is_run_and_recorded(tmp_path: Path, book: Path) -> None:
    done = tools(tmp_path, "run", "shop", "book", '{"seats": 3}')
    assert (done.exit_code, done.stdout.strip()) == (0, "booked 3"), done.output
    assert orders(book) == ["booked 3"]
    again = json.loads(tools(tmp_path, "run", "shop", "book", "--json").stdout)
    assert (again["state"], again["result"]) == ("done", "booked 1")
    assert again["run_id"].startswith("run_")


def test_a_run_that_needs_an_approval_is_not_done_without_one(tmp_path: Path, book: Path) -> None:
    done = tools(tmp_path, "run", "shop", "refund", '{"euros": 5}')
    assert done.exit_code == 1
    assert "not approved" in done.stdout
    assert done.stderr.strip().endswith("refund needs an approval: --yes approves it.")
    assert orders(book) == []
    done = tools(tmp_path, "run", "shop", "refund", '{"euros": 5}', "--yes")
    assert (done.exit_code, done.stdout.strip()) == (0, "refunded 5")


def test_a_tool_of_another_role_is_found_by_its_option(tmp_path: Path, book: Path) -> None:
    file = tmp_path / "assistants/shop/tools.py"
    file.write_text(file.read_text().replace('approve="staff")', 'roles=["staff"])'))
    done = tools(tmp_path, "run", "shop", "refund", '{"euros": 5}')
    assert done.exit_code == 5
    assert done.stderr.strip().endswith("for the role guest. It is for another role: --role staff")
    done = tools(tmp_path, "run", "shop", "refund", '{"euros": 5}', "--role", "staff")
    assert (done.exit_code, done.stdout.strip()) == (0, "refunded 5")


def test_mistakes_have_exit_codes(tmp_path: Path, book: Path) -> None:
    assert tools(tmp_path, "run", "shop", "dance").exit_code == 5
    unknown = tools(tmp_path, "list", "nobody")
    assert unknown.exit_code == 5
    assert "There is no assistant named nobody in" in unknown.stderr
    assert tools(tmp_path, "list", "shop", "--role", "king").exit_code == 2
    mistyped = tmp_path / "mistyped"
    assert tools(mistyped, "list", "charlotte").exit_code == 5
    assert not mistyped.exists()
    wrong = tools(tmp_path, "run", "shop", "book", '{"seats": "many"}')
    assert wrong.exit_code == 1
    assert "seats" in wrong.stdout
