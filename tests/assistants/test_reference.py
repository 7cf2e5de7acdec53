"""The reference page says what the code does: every key, every default, every example."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic_core import PydanticUndefined

from vivavoce.assistants import load
from vivavoce.assistants.languages import EVERY
from vivavoce.assistants.load import SECTIONS
from vivavoce.assistants.sections import LOCKABLE, SecretSource
from vivavoce.engines.scripted.script import load as load_script

from ..support.folders import KNOWN, write

PAGE = (Path(__file__).parents[2] / "docs/reference/assistant.md").read_text("utf-8")
HEADINGS = {
    "": "## Top level",
    "variables.*": "## `[variables.NAME]`",
    "upstream.key": "### `key`",
    "tools.*": "## `[[tools]]`",
}
ROW = re.compile(r"^\| `(\w+)` \| .+? \| (.+?) \| .*\|$", re.MULTILINE)


def documented(section: str) -> dict[str, str]:
    """Key → default, as the page has them."""
    heading = HEADINGS.get(section, f"## `[{section}]`")
    _, found, after = PAGE.partition(f"\n{heading}\n")
    assert found, heading
    return dict(ROW.findall(re.split(r"^##", after, maxsplit=1, flags=re.MULTILINE)[0]))


def keys() -> Iterator[tuple[str, str, object]]:
    for section, models in SECTIONS.items():
        for model in models:
            for name, field in model.model_fields.items():
                yield section, field.alias or name, field.default


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_documented_and_no_other(section: str) -> None:
    assert documented(section).keys() == {key for table, key, _ in keys() if table == section}


@pytest.mark.parametrize(("section", "key", "default"), list(keys()))
def test_every_default_is_the_real_one(section: str, key: str, default: object) -> None:
    said = documented(section)[key]
    match default:
        case "semantic_vad":
            assert said == '`"server_vad"`', "the other table's default"
        case _ if default is PydanticUndefined:
            assert said == "required"
        case dict() if EVERY in default:
            assert said == f"`{json.dumps(default[EVERY])}`"
        case None | {} | ():
            assert not said.startswith("`") or said == "`[]`"
        case str() | int() | float() | tuple():
            assert said == f"`{json.dumps(default)}`"
        case SecretSource():
            assert said == f'`{{ env = "{default.env}" }}`'
        case _:
            assert not said.startswith("`"), "explained in words or in a table of its own"


def test_every_field_that_can_be_locked_is_named() -> None:
    assert all(f"`{field}`" in PAGE for field in LOCKABLE)


EXAMPLES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
SCRIPT = "# script.toml\n"


@pytest.mark.parametrize("example", [e for e in EXAMPLES if not e.startswith(SCRIPT)])
def test_the_examples_load(tmp_path: Path, example: str) -> None:
    name = re.findall(r'^name = "(\w+)"', example)[0]
    load(write(tmp_path, example, name, prompts__default_md="Hello"), KNOWN)


def test_the_script_is_followed(tmp_path: Path) -> None:
    (example,) = [e for e in EXAMPLES if e.startswith(SCRIPT)]
    (tmp_path / "script.toml").write_text(example)
    weather, degrees, overloaded = load_script(tmp_path / "script.toml").rules
    assert weather.fits("the weather?")
    assert degrees.fits("12 degrees") == {"text": "12 degrees", "degrees": "12"}
    assert overloaded.fail
