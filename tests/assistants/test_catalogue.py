from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest  # noqa: TC002

from vivavoce.app.adapters import known
from vivavoce.assistants import SHIPPED, Assistant, Catalogue
from vivavoce.tools.function_table import functions_of

from ..support.folders import KNOWN, write


def test_the_users_own_wins_over_a_shipped_one_of_the_same_name(tmp_path: Path) -> None:
    write(tmp_path / "shipped", 'name = "ada"\ntitle = "Shipped"')
    write(tmp_path / "shipped", 'name = "bob"', "bob")
    write(tmp_path / "own", 'name = "ada"\ntitle = "Own"')
    catalogue = Catalogue([tmp_path / "shipped", tmp_path / "own", tmp_path / "nowhere"], KNOWN)
    assert [assistant.title() for assistant in catalogue] == ["Own", "Bob"]
    assert catalogue.get("eve") is None


def test_a_broken_one_stops_no_other(tmp_path: Path) -> None:
    write(tmp_path, 'name = "ada"')
    write(tmp_path, 'name = "eve"', "bob")
    catalogue = Catalogue([tmp_path], KNOWN)
    assert [assistant.name for assistant in catalogue] == ["ada"]
    assert [m.key for m in catalogue.broken["bob"].mistakes] == ["name"]


def test_X10_a_template_that_never_ends_stops_no_other_assistant(tmp_path: Path) -> None:
    endless = {
        "again": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "loops": "{% for a in range(9000) %}{% for b in range(9000) %}{% endfor %}{% endfor %}",
        "large": "{{ 'a' * 10**10 }}",
    }
    for name, prompt in endless.items():
        write(tmp_path, f'name = "{name}"\ninstructions.default = {{ file = "p.md" }}', name,
              p_md=prompt)  # fmt: skip
    write(tmp_path, 'name = "ada"')
    catalogue = Catalogue([tmp_path], KNOWN)
    assert [assistant.name for assistant in catalogue] == ["ada"]
    assert sorted(catalogue.broken) == sorted(endless)
    (mistake,) = catalogue.broken["loops"].mistakes
    assert str(mistake) == (
        "loops/p.md:1: instructions.default: cannot be rendered: its steps exceed the budget"
    )


def test_X10_an_unexpected_exception_stops_no_other_assistant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(cls: object, data: Any, **more: Any) -> Assistant:  # noqa: ANN401
        if data["name"] == "bob":
            raise KeyError("a user's words")
        return validate(data, **more)

    validate = Assistant.model_validate
    monkeypatch.setattr(Assistant, "model_validate", failing.__get__(Assistant))
    write(tmp_path, 'name = "ada"')
    write(tmp_path, 'name = "bob"', "bob")
    catalogue = Catalogue([tmp_path], KNOWN)
    assert [assistant.name for assistant in catalogue] == ["ada"]
    assert "cannot be loaded (KeyError)" in str(catalogue.broken["bob"])
    assert "assistant_not_loaded" in caplog.text
    assert "words" not in caplog.text


def test_a_broken_own_one_does_not_become_the_shipped_one(tmp_path: Path) -> None:
    write(tmp_path / "shipped", 'name = "ada"')
    write(tmp_path / "own", 'name = "ada"\ntitel = "x"')
    catalogue = Catalogue([tmp_path / "shipped", tmp_path / "own"], KNOWN)
    assert catalogue.get("ada") is None
    assert list(catalogue.broken) == ["ada"]


def test_a_change_of_a_folder_takes_effect_in_the_next_catalogue(tmp_path: Path) -> None:
    folder = write(tmp_path, 'name = "ada"\ntitle = "One"')
    catalogue = Catalogue([tmp_path], KNOWN)
    (folder / "assistant.toml").write_text('name = "ada"\ntitle = "Tw')
    assert [assistant.title() for assistant in catalogue] == ["One"]
    after = Catalogue([tmp_path], KNOWN)
    assert (len(after), list(after.broken)) == (0, ["ada"])


def test_all_that_ship_are_good() -> None:
    catalogue = Catalogue([SHIPPED], known(), functions_of)
    assert not catalogue.broken
    assert [assistant.name for assistant in catalogue] == [
        "charlotte",
        "coach",
        "companion",
        "mentor",
    ]
