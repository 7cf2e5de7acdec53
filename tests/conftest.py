from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from .support import coverage, models, notes, order, warm_processes
from .support.notes import name_of
from .support.order import Turns
from .support.served import TAKES_ALL, Served, serve

# How fast an example is found says something about the machine, and nothing about the code.
settings.register_profile("vivavoce", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vivavoce")

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

SHARED: pytest.StashKey[Path] = pytest.StashKey()
TURNS: pytest.StashKey[Turns] = pytest.StashKey()
LIES: pytest.StashKey[list[str]] = pytest.StashKey()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests that only talk with it."""
    with serve(tmp_path_factory.mktemp("data"), **TAKES_ALL) as server:
        yield server


@pytest.fixture(scope="session")
def key(served: Served) -> str:
    made = served.key("--name", "tests")
    served.await_charlotte(made)
    return made


@pytest.fixture(scope="session")
def document() -> str:
    """Return the protocol's document and examples, if they lie beside the repository."""
    path = Path(__file__).parents[2] / "shared/protocol.md"
    if not path.exists():
        pytest.skip("the protocol's document is not here")
    return path.read_text("utf-8")


# Which test runs when


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    node.workerinput["shared"] = str(node.config.stash[SHARED])


def pytest_configure(config: pytest.Config) -> None:
    """Share a folder with the other processes of this run, if there are some."""
    if (given := getattr(config, "workerinput", None)) is not None:
        shared = Path(given["shared"])
        config.stash[TURNS] = turns = Turns(shared)
        config.add_cleanup(turns.close)
    else:
        shared = Path(tempfile.mkdtemp(prefix="vivavoce-tests-"))
        config.add_cleanup(lambda: shutil.rmtree(shared, ignore_errors=True))
    config.stash[SHARED] = shared
    config.add_cleanup(warm_processes.close)
    models.folder = shared / "models"
    notes.watch()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    order.arrange(items)
    notes.notes.leave_out(config.args)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    turns = item.config.stash.get(TURNS, None)
    alone = item.get_closest_marker("alone") is not None
    with turns.turn(alone=alone) if turns is not None else nullcontext():
        notes.notes.begin(item)
        try:
            return (yield)
        finally:
            notes.notes.end()


# What tests touch of the protocol (docs/reference/coverage.md)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-coverage", action="store_true", help="write the page of coverage")
    parser.addoption("--coverage-page", type=Path, default=coverage.PAGE, help="another page")


def pytest_deselected(items: list[pytest.Item]) -> None:
    notes.notes.partly |= {name_of(item) for item in items}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    notes.notes.add_to(report)
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    notes.notes.report(report)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: WorkerController) -> None:
    notes.notes.partly |= set(getattr(node, "workeroutput", {}).get("partly", ()))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Judge the page by the tests of all processes, or write it."""
    config, page = session.config, session.config.getoption("--coverage-page")
    if (output := getattr(config, "workeroutput", None)) is not None:
        output["partly"] = sorted(notes.notes.partly)
        return
    if writes := config.getoption("--write-coverage"):
        coverage.write(page, notes.notes)
    if writes or exitstatus == pytest.ExitCode.OK:
        config.stash[LIES] = list(coverage.lies(coverage.load(page), notes.notes))
        if config.stash[LIES]:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for lie in terminalreporter.config.stash.get(LIES, ()):
        terminalreporter.write_line(f"docs/reference/coverage.md: {lie} (`make coverage` mends it)")
