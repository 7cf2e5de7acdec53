"""Find the files that an assistant answers from: by default, by patterns, and after changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vivavoce.app.adapters import Adapters
from vivavoce.app.data_folder import DataFolder
from vivavoce.assistants import Assistant, load
from vivavoce.assistants.knowledge_files import FILE_BYTES, FILES
from vivavoce.config import Settings
from vivavoce.engines.resources import AdapterResources
from vivavoce.errors import AssistantError, EngineError
from vivavoce.knowledge import ingest

from ..support.folders import KNOWN, write
from ..support.real_time import live

NAME = 'name = "ada"\n'
PATTERNS = 'name = "ada"\nknowledge.paths = ["knowledge/**/*.md"]\n'
SECRET = "# Secret\nThe operator's secret."

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links and pipes of POSIX")


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "settings.md"
    path.write_text(SECRET)
    return path


def wrong(folder: Path) -> list[str]:
    with pytest.raises(AssistantError) as caught:
        load(folder, KNOWN)
    return [str(each).removeprefix("ada/") for each in caught.value.mistakes]


def known(assistant: Assistant) -> str:
    chunks = ingest.read_files(assistant.knowledge_files(), assistant.languages).chunks
    return " ".join(chunk.text for chunk in chunks)


def broken(assistant: Assistant) -> list[str]:
    with pytest.raises(AssistantError) as caught:
        known(assistant)
    return [str(each).removeprefix("ada/") for each in caught.value.mistakes]


@pytest.mark.parametrize("toml", [NAME, PATTERNS], ids=["by default", "by patterns"])
def test_a_link_out_of_the_folder_is_a_mistake(tmp_path: Path, secret: Path, toml: str) -> None:
    folder = write(tmp_path, toml, knowledge__a_md="# A\nInside.")
    (folder / "knowledge/x.md").symlink_to(secret)
    (mistake,) = wrong(folder)
    assert mistake.endswith('"knowledge/x.md" leads out of the assistant\'s folder')


@pytest.mark.parametrize("toml", [NAME, PATTERNS], ids=["by default", "by patterns"])
def test_link_made_after_the_start_is_not_read(tmp_path: Path, secret: Path, toml: str) -> None:
    folder = write(tmp_path, toml, knowledge__a_md="# A\nInside.")
    assistant = load(folder, KNOWN)
    assert "Inside." in known(assistant)
    (folder / "knowledge/x.md").symlink_to(secret)
    assert broken(assistant) == ["knowledge/x.md: leads out of the assistant's folder"]


def test_file_that_becomes_a_link_before_the_read_is_refused(tmp_path: Path, secret: Path) -> None:
    folder = write(tmp_path, NAME, knowledge__a_md="# A\nInside.")
    assistant = load(folder, KNOWN)
    files = assistant.knowledge_files()
    (folder / "knowledge/a.md").unlink()
    (folder / "knowledge/a.md").symlink_to(secret)
    with pytest.raises(AssistantError, match=r"ada/knowledge/a.md: leads out"):
        ingest.read_files(files, assistant.languages)


@pytest.mark.parametrize("pattern", ["knowledge/**/*.md", "*/*.md", "knowledge/*.md", "**/*.md"])
def test_directory_link_out_of_the_folder_is_not_searched(
    tmp_path: Path, secret: Path, pattern: str
) -> None:
    folder = write(tmp_path, f'name = "ada"\nknowledge.paths = ["{pattern}"]\n')
    (folder / "knowledge").symlink_to(secret.parent, target_is_directory=True)
    if pattern == "**/*.md":  # it follows no link, so it finds nothing
        assert load(folder, KNOWN).knowledge_files() == ()
    else:
        assert wrong(folder) == [
            'assistant.toml:2: knowledge.paths.0: "knowledge" leads out of the assistant\'s folder'
        ]


def test_links_to_directories_inside_lead_nowhere_twice(tmp_path: Path) -> None:
    folder = write(tmp_path, NAME, knowledge__deep__a_md="# A\nInside.")
    (folder / "knowledge/deep/again").symlink_to("..", target_is_directory=True)
    (folder / "knowledge/around").symlink_to("around", target_is_directory=True)
    assert [each.name for each in load(folder, KNOWN).knowledge_files()] == ["knowledge/deep/a.md"]


def test_many_stars_look_at_each_directory_once(tmp_path: Path) -> None:
    deep = "/".join("abcdefghijklmnop")
    pattern = "**/" * 12 + "*.md"
    folder = write(tmp_path, f'name = "ada"\nknowledge.paths = ["{pattern}"]\n')
    (folder / deep).mkdir(parents=True)
    (folder / deep / "a.md").write_text("# A\nInside.")
    assert "Inside." in known(load(folder, KNOWN))


def test_a_tree_beyond_the_limits_of_depth_or_width_is_reported_and_not_walked(
    tmp_path: Path,
) -> None:
    """To open a directory costs a step for each one above it."""
    folder = write(tmp_path, PATTERNS, knowledge__a_md="# A\nInside.")
    (folder / "knowledge" / "/".join("d" * 41)).mkdir(parents=True)
    (mistake,) = wrong(folder)
    assert mistake.endswith("looks through directories that are more than 40 deep")

    other = write(tmp_path, 'name = "eve"\nknowledge.paths = ["**/*.md"]\n', "eve")
    for number in range(2_001):
        (other / f"d{number}").mkdir()
    (mistake,) = wrong(other)
    assert mistake.endswith("looks through more than 2000 directories")


def test_knowledge_file_that_is_not_regular_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path, NAME, knowledge__a_md="# A\nInside.", knowledge__big_md=b"x")
    (folder / "knowledge/big.md").write_bytes(b"x" * (FILE_BYTES + 1))
    (folder / "knowledge/dir.md").mkdir()
    os.mkfifo(folder / "knowledge/pipe.md")
    (folder / "knowledge/zero.md").symlink_to("/dev/zero")
    (folder / "knowledge/loop.md").symlink_to("loop.md")
    (folder / "knowledge/gone.md").symlink_to("nowhere.md")
    (folder / "knowledge/.#a.md").symlink_to("somebody@somewhere")  # an editor's
    told = [
        f"has {FILE_BYTES + 1} bytes; at most {FILE_BYTES} are read",
        "is a directory, not a regular file",
        "there is no such file",
        "is a link that leads back to itself",
        "is a pipe, not a regular file",
    ]
    named = ["big", "dir", "gone", "loop", "pipe"]
    assert wrong(folder) == [
        'assistant.toml: "knowledge/zero.md" leads out of the assistant\'s folder',
        *[f"knowledge/{name}.md: {why}" for name, why in zip(named, told, strict=True)],
    ]


def test_unprintable_name_is_escaped_in_the_message(tmp_path: Path) -> None:
    folder = write(tmp_path, NAME)
    (folder / "knowledge").mkdir()
    (folder / "knowledge/a\x1b[2J\n.md").write_text("# A")
    Path(os.fsdecode(os.fsencode(folder / "knowledge") + b"/\xff.md")).write_text("# B")
    assert wrong(folder) == [
        f'assistant.toml: "knowledge/{name}": a name must have no characters that cannot be shown'
        for name in ("a\\x1b[2J\\n.md", "\\udcff.md")
    ]


def test_more_files_than_are_read_are_counted_and_not_read(tmp_path: Path) -> None:
    folder = write(tmp_path, NAME)
    assistant = load(folder, KNOWN)
    (folder / "knowledge").mkdir()
    for number in range(FILES + 1):
        (folder / f"knowledge/{number}.md").touch()
    told = f"match {FILES + 1} files; at most {FILES} are read"
    assert wrong(folder) == [f"assistant.toml: {told}"]
    assert broken(assistant) == [f"assistant.toml: knowledge.paths: {told}"]


def test_a_file_that_became_unreadable_is_left_out_of_a_call_and_the_log_names_it(
    tmp_path: Path, secret: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write(tmp_path, NAME, knowledge__a_md="# A\nInside.")
    ada = load(folder, KNOWN)
    (folder / "knowledge/x.md").symlink_to(secret)

    async def story() -> list[str]:
        async with AdapterResources(Settings(), tmp_path / "cache") as resources:
            return [chunk.text for chunk in await resources.knowledge(ada)]

    assert live(story()) == ["Inside."]
    (record,) = [each for each in caplog.records if each.message == "knowledge_broken"]
    assert vars(record)["mistakes"] == "ada/knowledge/x.md: leads out of the assistant's folder"


def test_a_call_is_refused_when_the_folder_of_its_knowledge_cannot_be_listed(
    tmp_path: Path, secret: Path
) -> None:
    folder = write(tmp_path, NAME)
    ada = load(folder, KNOWN)
    (folder / "knowledge").mkdir()
    for number in range(FILES + 1):
        (folder / f"knowledge/{number}.md").touch()

    async def story() -> None:
        async with Adapters(Settings(), DataFolder(tmp_path / "data")) as parts:
            with pytest.raises(EngineError, match="the knowledge of this assistant has mistakes"):
                await parts.brain(ada, "en")

    live(story())


@pytest.mark.parametrize("name", ["assistant.toml", "prompt.md", "tool.json", "script.toml"])
@pytest.mark.parametrize("kind", ["link", "pipe", "directory"])
def test_every_file_of_the_folder_is_read_by_the_same_rules(
    tmp_path: Path, secret: Path, name: str, kind: str
) -> None:
    toml = """
        name = "ada"
        engine = "scripted"
        scripted.script = "script.toml"
        instructions.default.file = "prompt.md"
        [[tools]]
        name = "one"
        parameters = { file = "tool.json" }
        """
    files = {"prompt_md": "Hello.", "tool_json": '{"type": "object"}', "script_toml": ""}
    folder = write(tmp_path, toml, **files)
    assert load(folder, KNOWN).name == "ada"
    (folder / name).unlink()
    if kind == "link":
        (folder / name).symlink_to(secret)
    elif kind == "pipe":
        os.mkfifo(folder / name)
    else:
        (folder / name).mkdir()
    (mistake,) = wrong(folder)
    why = {"link": "leads out", "pipe": "is a pipe", "directory": "is a directory"}[kind]
    assert name in mistake
    assert why in mistake
