"""The reference is complete: it names every setting, command, path and metric of the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import httpx2
from typer.main import get_command

from vivavoce.cli.main import app
from vivavoce.config import Settings, load
from vivavoce.runtime.load import LoadMonitor
from vivavoce.runtime.metrics import Metrics

from ..support.served import Served

REFERENCE = Path(__file__).parents[2] / "docs/reference"


def test_every_setting_has_a_row_with_its_default() -> None:
    text = (REFERENCE / "settings.md").read_text()
    for section, field in Settings.model_fields.items():
        several = get_args(field.annotation)  # tables of an array
        model = several[0] if several else field.annotation
        _, _, documented = text.partition(f"## `[{f'[{section}]' if several else section}]`")
        documented = documented.partition("\n## ")[0]
        assert documented, section
        assert model is not None
        for key, setting in model.model_fields.items():
            (row,) = [
                r for r in documented.splitlines() if f"`{key}`" in r.split("|")[1:2].__str__()
            ]
            default = setting.default
            if isinstance(default, bool):
                assert f"`{str(default).lower()}`" in row, key
            elif isinstance(default, int | float):
                assert f"`{default}`" in row, key
            elif isinstance(default, str):
                assert f'`"{default}"`' in row, key


def test_the_example_settings_can_be_loaded(tmp_path: Path) -> None:
    text = (REFERENCE / "settings.md").read_text()
    (shown,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    file = tmp_path / "vivavoce.toml"
    file.write_text(shown)
    variables = dict(re.findall(r"`(VIVAVOCE_[A-Z]+__[A-Z_]+)=([^`]+)`", text))
    secret = tmp_path / "key"
    secret.write_text("sk-secret\n")
    given = {n: str(secret) if n.endswith("_FILE") else v for n, v in variables.items()}
    settings = load(file, given)
    assert str(settings.server.port) == variables["VIVAVOCE_SERVER__PORT"]
    assert settings.openai.base_url in shown
    assert settings.openai.api_key
    assert settings.openai.api_key.get_secret_value() == "sk-secret"


def test_every_command_is_documented() -> None:
    text = (REFERENCE / "commands.md").read_text()
    root = get_command(app)
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        assert f"vivavoce {name}" in text, name
        for inner in getattr(command, "commands", {}):
            assert re.search(rf"{name} {inner}|`{inner} ", text), (name, inner)


def test_every_path_is_documented(served: Served) -> None:
    text = (REFERENCE / "http.md").read_text()
    for path in httpx2.get(f"{served.url}/openapi.json").json()["paths"]:
        assert path in text, path


def test_every_metric_has_a_row_and_no_other_has() -> None:
    metrics = Metrics(LoadMonitor())
    metrics.watch(lambda: 0.0, calls=lambda: 0, recognisers_busy=lambda: 0)
    text = (REFERENCE / "metrics.md").read_text()
    documented = set(re.findall(r"^\| `vivavoce_(\w+)", text, re.MULTILINE))
    families = [family.name for family in metrics.registry.collect()]
    there = {n.removeprefix("vivavoce_") for n in families if n.startswith("vivavoce_")}
    assert {name.removesuffix("_total") for name in documented} == there
