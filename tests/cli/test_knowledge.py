"""Add files of the knowledge by the command, and learn at once which of them are not used."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from vivavoce.cli.main import app

UNUSED = "is not used: no pattern of `paths` in [knowledge] matches it"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of an assistant that reads Markdown only."""
    folder = tmp_path / "data/assistants/ada"
    folder.mkdir(parents=True)
    (folder / "assistant.toml").write_text(
        'name = "ada"\nlanguages = ["en"]\n[knowledge]\npaths = ["knowledge/*.md"]\n'
    )
    (tmp_path / "lunch.md").write_text("# Lunch\nLunch is at one.")
    (tmp_path / "garden.txt").write_text("The garden has roses.")
    return folder


def run(folder: Path, *words: object) -> Result:
    arguments = [*map(str, words), "--data-dir", str(folder.parents[1])]
    return CliRunner().invoke(app, arguments)


def test_a_file_outside_of_paths_is_added_with_a_warning(folder: Path, tmp_path: Path) -> None:
    added = run(folder, "knowledge", "add", "ada", tmp_path / "lunch.md", tmp_path / "garden.txt")
    assert added.exit_code == 0
    assert added.stdout.splitlines() == ["lunch.md: 1 piece", "garden.txt: 1 piece"]
    warning = f"warning: ada/knowledge/garden.txt: {UNUSED}"
    assert added.stderr.splitlines() == [warning]
    again = run(folder, "knowledge", "add", "ada", tmp_path / "garden.txt")
    assert again.stdout.splitlines() == ["garden.txt: unchanged"]
    assert again.stderr.splitlines() == [warning]
    checked = CliRunner().invoke(app, ["assistants", "check", str(folder)])
    assert checked.exit_code == 0
    assert warning in checked.stderr.splitlines()


def test_facts_that_the_assistant_does_not_read_are_added_with_a_warning(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "facts.toml").write_text('[lift]\ntext = "The lift works."\n')
    read = run(folder, "knowledge", "add", "ada", tmp_path / "facts.toml")
    assert (read.exit_code, read.stderr) == (0, "")
    (folder / "news.toml").write_text("")
    toml = folder / "assistant.toml"
    toml.write_text(toml.read_text() + 'facts = "news.toml"\n')
    added = run(folder, "knowledge", "add", "ada", tmp_path / "facts.toml")
    assert "`facts` in [knowledge] names another file" in added.stderr


def test_what_cannot_be_added_is_named_and_the_others_are_added(
    folder: Path, tmp_path: Path
) -> None:
    missing = run(folder, "knowledge", "add", "ada", tmp_path / "no.md", tmp_path / "lunch.md")
    assert missing.exit_code == 5
    assert missing.stderr.splitlines() == ["error: no.md: there is no such file"]
    assert (folder / "knowledge/lunch.md").exists()
    (tmp_path / "song.mp3").write_bytes(b"la")
    both = run(folder, "knowledge", "add", "ada", tmp_path / "no.md", tmp_path / "song.mp3")
    assert both.exit_code == 1
    assert both.stderr.splitlines()[1].startswith("error: song.mp3: has a format that is not read")
    assert run(folder, "knowledge", "list", "nobody").exit_code == 5


def test_a_link_out_of_an_added_folder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "docs/inner").mkdir(parents=True)
    (tmp_path / "docs/inner/lift.md").write_text("# Lift\nThe lift closes at nine.")
    (tmp_path / "docs/again.md").symlink_to("inner/lift.md")
    (tmp_path / "docs/notes.md").symlink_to(tmp_path / "garden.txt")
    added = run(folder, "knowledge", "add", "ada", tmp_path / "docs")
    assert added.exit_code == 1
    assert "notes.md" in added.stderr
    kept = sorted(each.name for each in (folder / "knowledge").rglob("*") if each.is_file())
    assert kept == ["again.md", "lift.md"]
