"""The architecture page agrees with the code: its numbers, its folders and its machines."""

from __future__ import annotations

import re

from vivavoce.audio.pcm import FRAME_MS, SAMPLE_RATE
from vivavoce.core import turns
from vivavoce.core.relay import Relay
from vivavoce.core.session import Session
from vivavoce.core.transcription import TranscriptionSession

from .language import ROOT

PAGE = " ".join((ROOT / "docs/architecture.md").read_text("utf-8").split())
WORDS = {1: "one", 2: "two", 3: "three", 4: "four"}
NOT_LISTED = {"examples"}  # the assistants that ship


def test_the_page_has_the_numbers_of_the_code() -> None:
    assert f"to {SAMPLE_RATE // 1000} kHz" in PAGE
    assert f"scores each {FRAME_MS} ms" in PAGE
    assert f"{WORDS[turns.ONSET_FRAMES]} frames of speech arrive in a row" in PAGE


def test_the_page_names_every_machine_and_its_number() -> None:
    machines = (Session, Relay, TranscriptionSession)
    assert f"There are {WORDS[len(machines)]} machines." in PAGE
    assert [each.__name__ for each in machines if f"`{each.__name__}`" not in PAGE] == []
    methods = ("receive", "effects", "next_deadline", "on_deadline")
    assert [m for each in machines for m in methods if not callable(getattr(each, m))] == []


def test_the_table_lists_every_package_of_the_server() -> None:
    table = PAGE.partition("## Folders")[2]
    rows = re.findall(r"\| ((?:`[\w.]+`(?:, )?)+) \|", table)
    listed = {name for row in rows for name in re.findall(r"`([\w.]+)`", row)}
    root = ROOT / "src/vivavoce"
    packages = {path.parent.name for path in root.glob("*/__init__.py")} - NOT_LISTED
    assert packages - listed == set()
    places = [[root / name, ROOT / name] for name in listed]
    assert [place for place in places if not any(path.exists() for path in place)] == []
