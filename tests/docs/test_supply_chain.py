"""All installed packages are locked, and a copied library has its licence beside it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECTS = [ROOT / "pyproject.toml", *sorted(ROOT.glob("packages/*/pyproject.toml"))]
LINE = re.compile(r"[A-Za-z0-9_.-]+==\S+( ; .+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
OWN = {"vivavoce", "vivavoce-embedded", "vivavoce-espeak"}


def locked(name: str) -> dict[str, str]:
    """Return the entries of a lock file by package."""
    text = (ROOT / "locks" / name).read_text()
    entries = re.findall(r"^([A-Za-z0-9_.-]+)==(.*(?:\n    .*)*)", text, re.M)
    return {name.lower().replace("_", "-"): entry for name, entry in entries}


@pytest.mark.parametrize("project", PROJECTS, ids=lambda file: file.parent.name)
def test_X20_every_dependency_is_locked_with_hashes(project: Path) -> None:
    found = tomllib.loads(project.read_text())
    extras = found["project"].get("optional-dependencies", {})
    extra = [*extras.get("webrtc", []), *extras.get("onnx", [])]
    needed = [*found["project"]["dependencies"], *found["build-system"]["requires"], *extra, "pip"]
    names = {re.split(r"[\s\[<>=!~;]", each, maxsplit=1)[0].lower() for each in needed} - OWN
    for lock in ("run.txt", "dev.txt"):
        entries = locked(lock)
        assert names <= set(entries), lock
        assert all("--hash=sha256:" in entry for entry in entries.values())


@pytest.mark.parametrize("name", ["run.txt", "dev.txt"])
def test_X20_a_lock_names_nothing_but_packages_with_hashes(name: str) -> None:
    for line in (ROOT / "locks" / name).read_text().splitlines():
        assert LINE.fullmatch(line), line


def test_X20_the_install_without_make_is_locked_too() -> None:
    text = (ROOT / "README.md").read_text()
    _, _, section = text.partition("## Without make")
    section = section.partition("\n## ")[0]
    assert "pip install --no-deps --require-hashes -r locks/run.txt" in section
    assert "pip install --no-deps dist/*.whl" in section
    assert "--no-build-isolation" in section


def test_the_locks_leave_out_pyav_whose_wheels_contain_gpl_code() -> None:
    for name in ("run.txt", "dev.txt"):
        assert "aiortc" in locked(name)
        assert "av" not in locked(name)


def test_the_locks_leave_out_what_could_download_models() -> None:
    for name in ("run.txt", "dev.txt"):
        assert "tokenizers" in locked(name)
        assert "huggingface-hub" not in locked(name)


def test_X20_setuptools_of_a_new_environment_does_not_stay() -> None:
    recipe = (ROOT / "Makefile").read_text()
    assert "setuptools" not in locked("run.txt")
    assert "uninstall -y setuptools" in recipe


def test_X20_the_package_that_brings_espeak_says_what_it_brings() -> None:
    folder = ROOT / "packages/vivavoce-espeak"
    about = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    for name in about["license-files"]:
        assert (folder / name).is_file()
    notice = (folder / "NOTICE").read_text()
    assert "libespeak-ng" in notice
    assert "GPL-3.0-or-later" in notice
    assert "https://github.com/espeak-ng/espeak-ng" in notice
    assert "GNU GENERAL PUBLIC LICENSE" in (folder / "LICENSE").read_text()[:200]
