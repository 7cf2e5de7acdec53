"""The time where an assistant is, and its way to a person."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from vivavoce.assistants import load
from vivavoce.errors import AssistantError

from ..support.folders import KNOWN, write

PROMPT = "\n[instructions]\ndefault = \"{{ now.strftime('%z') }}\"\n"


@pytest.mark.parametrize(("zone", "hours"), [("Pacific/Kiritimati", 14), ("Etc/GMT+12", -12)])
def test_K10_an_assistant_has_the_time_of_its_place(tmp_path: Path, zone: str, hours: int) -> None:
    ada = load(write(tmp_path, f'name = "ada"\ntime_zone = "{zone}"\n'), KNOWN)
    now = ada.now()
    assert now.utcoffset() == dt.timedelta(hours=hours)
    assert abs(now - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)


def test_K10_a_prompt_knows_the_time_of_the_place(tmp_path: Path) -> None:
    toml = f'name = "ada"\ntime_zone = "Pacific/Kiritimati"\n{PROMPT}'
    assert load(write(tmp_path, toml), KNOWN).instructions() == "+1400"


def test_K10_without_a_zone_the_server_gives_it(tmp_path: Path) -> None:
    ada = load(write(tmp_path, 'name = "ada"\n'), KNOWN)
    assert ada.now().utcoffset() == dt.datetime.now().astimezone().utcoffset()


@pytest.mark.parametrize(
    "zone",
    ["Rome", "Europe", "CEST+2", "../etc/passwd", "/etc/localtime", "", "A" * 5000, "\\u0000"],
)
def test_K10_what_is_no_time_zone_is_a_mistake_of_the_author(tmp_path: Path, zone: str) -> None:
    with pytest.raises(AssistantError) as caught:
        load(write(tmp_path, f'name = "ada"\ntime_zone = "{zone}"\n'), KNOWN)
    (mistake,) = caught.value.mistakes
    assert mistake.key == "time_zone"
    assert 'is not a time zone such as "Europe/Rome"' in mistake.message


def test_N3_the_way_to_a_person_goes_by_language(tmp_path: Path) -> None:
    toml = """\
        name = "ada"
        languages = ["en", "it", "es"]

        [fallback]
        en = "Ask at the desk."
        it = "Chieda al banco."
        """
    ada = load(write(tmp_path, toml), KNOWN)
    assert [ada.fallback(each) for each in ("en", "it", "es", None)] == [
        "Ask at the desk.", "Chieda al banco.", "Ask at the desk.", "Ask at the desk."
    ]  # fmt: skip
    assert load(write(tmp_path, 'name = "ada"\n'), KNOWN).fallback() is None
