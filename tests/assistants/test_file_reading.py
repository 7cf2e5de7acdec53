"""Only regular files inside an assistant's folder are read, at the time of reading."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vivavoce import file_reading
from vivavoce.file_reading import (
    FolderFile,
    MissingFileError,
    OutsideFolderError,
    UnreadableFileError,
    entries,
    read_bytes,
    read_text,
)

SECRET = "the operator's secret"
LIMIT = 1000

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links and pipes of POSIX")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.md").write_text(SECRET)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a.md").write_text(SECRET)
    inside = tmp_path / "ada"
    (inside / "knowledge/deep").mkdir(parents=True)
    (inside / "knowledge/a.md").write_text("inside")
    (inside / "knowledge/deep/b.md").write_text("deep inside")
    return inside


@pytest.fixture(params=["step by step", "by comparing"])
def folder_and_way(folder: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """Run a test for both ways to open a path: step by step, and by comparing afterwards."""
    able = file_reading._STEPWISE
    file_reading._STEPWISE = able and request.param == "step by step"
    yield folder
    file_reading._STEPWISE = able


def refused(folder: Path, name: str, limit: int = LIMIT) -> str:
    with pytest.raises(UnreadableFileError) as caught:
        read_bytes(FolderFile(folder, name), limit)
    return caught.value.reason


def test_a_link_is_followed_as_long_as_it_stays_inside(folder_and_way: Path) -> None:
    folder = folder_and_way
    (folder / "relative.md").symlink_to("knowledge/deep/../a.md")
    (folder / "absolute.md").symlink_to(folder / "knowledge/a.md")
    (folder / "around.md").symlink_to("../ada/knowledge/a.md")
    (folder / "shelf").symlink_to("knowledge", target_is_directory=True)
    (folder.parent / "lovelace").symlink_to(folder, target_is_directory=True)
    for name in ("relative.md", "absolute.md", "around.md", "shelf/a.md"):
        assert read_text(FolderFile(folder, name), LIMIT) == "inside"
        assert read_text(FolderFile(folder.parent / "lovelace", name), LIMIT) == "inside"


@pytest.mark.parametrize(
    ("link", "target", "name"),
    [
        ("out.md", "../secret.md", "out.md"),
        ("out.md", "/etc/passwd", "out.md"),
        ("out", "../elsewhere", "out/a.md"),
        ("out", "..", "out/elsewhere/a.md"),
        ("out", "/", "out/etc/passwd"),
        ("by.md", "knowledge/by.md", "by.md"),
    ],
)
def test_X3_link_out_of_the_folder_is_refused(
    folder_and_way: Path, link: str, target: str, name: str
) -> None:
    folder = folder_and_way
    (folder / "knowledge/by.md").symlink_to("../../secret.md")
    (folder / link).symlink_to(target)
    with pytest.raises(OutsideFolderError):
        read_bytes(FolderFile(folder, name), LIMIT)


def test_name_that_leads_out_of_the_folder_is_refused(folder_and_way: Path) -> None:
    for name in ("../secret.md", str(folder_and_way.parent / "secret.md"), "knowledge/../../x"):
        with pytest.raises((OutsideFolderError, MissingFileError)):
            read_bytes(FolderFile(folder_and_way, name), LIMIT)


@contextmanager
def exchanged(path: Path, *targets: str) -> Iterator[None]:
    """All the time, the path is a link to one of these, and then to another."""
    over = threading.Event()

    def exchange() -> None:
        spare = path.with_name("spare")
        while not over.is_set():
            for target in targets:
                spare.symlink_to(target)
                spare.replace(path)

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize(
    ("link", "targets", "name"),
    [
        ("a.md", ("knowledge/a.md", "../secret.md"), "a.md"),
        ("shelf", ("knowledge", "../elsewhere"), "shelf/a.md"),
    ],
)
def test_link_that_changes_during_the_read_never_leads_out(
    folder: Path, link: str, targets: tuple[str, ...], name: str
) -> None:
    (folder / link).symlink_to(targets[0])
    told = set()
    with exchanged(folder / link, *targets):
        for _ in range(2000):
            try:
                told.add(read_text(FolderFile(folder, name), LIMIT))
            except UnreadableFileError as error:
                told.add(error.reason)
    assert SECRET not in told
    assert "inside" in told


def test_resolved_path_that_became_a_link_is_refused(folder: Path) -> None:
    """Open the path as it was resolved, although a link has replaced the file in between."""
    home, *below = file_reading._resolve(FolderFile(folder, "knowledge/a.md"))
    for step, target in (("knowledge/a.md", "../../secret.md"), ("knowledge", "../elsewhere")):
        (folder / step).rename(folder / "away")
        (folder / step).symlink_to(target)
        for way in (file_reading._open_file, file_reading._open_and_compare):
            with pytest.raises((OSError, file_reading._MovedError)):
                way(home, tuple(below))
        (folder / step).unlink()
        (folder / "away").rename(folder / step)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(path.parent)  # such a path may have a hundred bytes
        one.bind(path.name)
        os.chdir(here)


KINDS: dict[str, Callable[[Path], None]] = {
    "is a pipe, not a regular file": fifo,
    "is a socket, not a regular file": listening,
    "is a directory, not a regular file": Path.mkdir,
}


@pytest.mark.parametrize("told", KINDS)
def test_file_that_is_not_regular_is_refused_without_blocking(
    folder_and_way: Path, told: str
) -> None:
    KINDS[told](folder_and_way / "a.md")
    assert refused(folder_and_way, "a.md") == told
    with pytest.raises(UnreadableFileError, match=told):
        read_bytes(folder_and_way / "a.md", LIMIT)


def test_device_is_refused_for_operators_too(folder: Path) -> None:
    (folder / "zero.md").symlink_to("/dev/zero")
    assert refused(folder, "zero.md") == "leads out of the assistant's folder"
    for path in (folder / "zero.md", Path("/dev/zero"), Path("/dev/tty")):
        with pytest.raises(UnreadableFileError, match="is a device"):
            read_bytes(path, LIMIT)


def test_a_file_is_read_up_to_its_limit_and_not_beyond(folder_and_way: Path) -> None:
    path = folder_and_way / "a.md"
    path.write_bytes(b"x" * LIMIT)
    assert read_bytes(FolderFile(folder_and_way, "a.md"), LIMIT) == b"x" * LIMIT
    path.write_bytes(b"x" * (LIMIT + 1))
    assert refused(folder_and_way, "a.md") == "has 1001 bytes; at most 1000 are read"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="files without a size")
def test_a_file_that_is_longer_than_it_says_is_read_up_to_its_limit() -> None:
    assert Path("/proc/self/status").stat().st_size == 0
    with pytest.raises(UnreadableFileError, match="has more than 100 bytes; at most 100 are read"):
        read_bytes(Path("/proc/self/status"), 100)


def test_unreadable_file_is_reported_in_a_sentence(folder_and_way: Path) -> None:
    folder = folder_and_way
    (folder / "loop.md").symlink_to("loop.md")
    (folder / "there").symlink_to("here")
    (folder / "here").symlink_to("there")
    (folder / "nowhere.md").symlink_to("gone.md")
    (folder / "odd.md").write_bytes(b"one\n\xff\n")
    assert refused(folder, "loop.md") == "is a link that leads back to itself"
    assert refused(folder, "there/a.md") == "is a link that leads back to itself"
    assert refused(folder, "nowhere.md") == "there is no such file"
    assert refused(folder, "knowledge/a.md/b.md") == "there is no such file"
    assert refused(folder, "a\0.md") == "is not the path of a file"
    assert refused(folder, "a\ud800.md") == "is not the path of a file"
    assert refused(folder, "x" * 5000) == "cannot be read: file name too long"
    with pytest.raises(UnreadableFileError) as caught:
        read_text(FolderFile(folder, "odd.md"), LIMIT)
    assert (caught.value.reason, caught.value.line) == ("is not UTF-8 (invalid start byte)", 2)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_file_without_permission_is_reported(folder: Path) -> None:
    (folder / "knowledge/a.md").chmod(0)
    assert refused(folder, "knowledge/a.md") == "cannot be read: permission denied"


def test_a_directory_is_listed_if_it_is_inside(folder: Path) -> None:
    (folder / "out").symlink_to("../elsewhere")
    (folder / "shelf").symlink_to("knowledge")
    assert [each.name for each in entries(folder, "")] == ["knowledge", "out", "shelf"]
    assert entries(folder, "knowledge") == entries(folder, "shelf")
    with pytest.raises(OutsideFolderError):
        entries(folder, "out")
    with pytest.raises(MissingFileError):
        entries(folder, "knowledge/a.md")


def test_nothing_stays_open(folder_and_way: Path) -> None:
    folder = folder_and_way
    os.mkfifo(folder / "pipe")
    (folder / "out.md").symlink_to("../secret.md")
    before = len(os.listdir("/dev/fd"))
    for name in ("knowledge/a.md", "knowledge", "pipe", "out.md", "gone.md", "gone/a.md"):
        for _ in range(5):
            try:
                read_bytes(FolderFile(folder, name), LIMIT)
            except UnreadableFileError:
                continue
    entries(folder, "knowledge")
    assert len(os.listdir("/dev/fd")) == before
