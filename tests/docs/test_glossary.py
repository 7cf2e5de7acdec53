"""Each term of the glossary has one meaning, one sentence, and a place in the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple, get_args

import pytest

from vivavoce.assistants.load import SECTIONS, written_keys
from vivavoce.config import Settings
from vivavoce.protocol import client, server
from vivavoce.runtime.load import LoadMonitor
from vivavoce.runtime.metrics import Metrics
from vivavoce.store.sql.schema import metadata

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src/vivavoce"
PAGE = (ROOT / "docs/glossary.md").read_text("utf-8")


class Term(NamedTuple):
    name: str
    meaning: str
    places: tuple[str, ...]


def sections(page: str) -> Iterator[list[Term]]:
    """Yield the terms of each section, in the order of the page."""
    for section in page.split("\n## ")[1:]:
        rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| (.+) \|$", section, re.MULTILINE)
        terms = [Term(name, meaning, tuple(places.split(", "))) for name, meaning, places in rows]
        yield [term for term in terms if term.name != "term"]


TERMS = [term for section in sections(PAGE) for term in section]


@cache
def symbols(path: str) -> frozenset[str]:
    """Return the names that a module defines at its top level."""
    found = set[str]()
    for node in ast.parse(module(path).read_text("utf-8")).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                found.add(name)
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
            case ast.Assign(targets=targets):
                found.update(target.id for target in targets if isinstance(target, ast.Name))
    return frozenset(found)


def in_source(path: str, name: str | None) -> bool:
    return module(path).is_file() and (name is None or name in symbols(path))


def module(path: str) -> Path:
    """Return the file of a module: of the server, or of the package that its path begins with."""
    package = ROOT / "packages" / path.partition("/")[0].replace("_", "-")
    return package / "src" / path if package.is_dir() else SOURCE / path


def is_setting(section: str, key: str) -> bool:
    field = Settings.model_fields.get(section)
    return field is not None and key in field.annotation.model_fields  # type: ignore[union-attr]


def is_assistant_key(path: str) -> bool:
    section, _, key = path.rpartition(".")
    return any(key in written_keys(model) for model in SECTIONS.get(section, ()))


@cache
def metrics() -> frozenset[str]:
    made = Metrics(LoadMonitor())
    made.watch(lambda: 0.0, calls=lambda: 0, recognisers_busy=lambda: 0)
    return frozenset(family.name for family in made.registry.collect())


EVENTS = frozenset(
    str(event.__struct_config__.tag)
    for event in (*get_args(client.ClientEvent), *get_args(server.ServerEvent))
)
COLUMNS = frozenset(f"{t.name}.{c.name}" for t in metadata.tables.values() for c in t.columns)


def exists(place: str) -> bool:
    """Return whether the code has the module, symbol, setting, key, metric, event or column."""
    if not (quoted := re.fullmatch(r"`([^`]+)`", place)):
        return False
    text = quoted[1]
    if source := re.fullmatch(r"([\w/]+\.py)(?:::(\w+))?", text):
        return in_source(source[1], source[2])
    if setting := re.fullmatch(r"\[(\w+)\] (\w+)", text):
        return is_setting(setting[1], setting[2])
    if key := re.fullmatch(r"assistant\.toml: ([\w.]+)", text):
        return is_assistant_key(key[1])
    return text in metrics() | EVENTS | COLUMNS


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.name)
def test_each_term_names_a_place_in_the_code_that_exists(term: Term) -> None:
    assert [place for place in term.places if not exists(place)] == []


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.name)
def test_each_meaning_is_one_short_sentence(term: Term) -> None:
    assert re.fullmatch(r"[A-Z](?:[^.;]|\.(?=\w))+\.", term.meaning)
    assert len(term.meaning.split()) <= 20


def test_each_term_has_one_meaning_and_sections_are_sorted() -> None:
    names = [term.name.lower() for term in TERMS]
    assert len(names) == len(set(names))
    assert len(names) >= 40
    for section in sections(PAGE):
        terms = [term.name.lower() for term in section]
        assert terms == sorted(terms)


@pytest.mark.parametrize(
    "place",
    [
        "`core/session.py::Dictation`",
        "`core/hearing.py`",
        "`[calls] strangers`",
        "`[lines] max_calls`",
        "`assistant.toml: limits.loked`",
        "`assistant.toml: limit.locked`",
        "`vivavoce_strained`",
        "`response.telepathy.delta`",
        "`items.said_ms`",
        "core/session.py",
    ],
)
def test_a_place_that_does_not_exist_is_found(place: str) -> None:
    assert not exists(place)
