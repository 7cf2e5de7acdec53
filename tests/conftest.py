from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from .support import coverage, notes
from .support.notes import name_of
from .support.served import TAKES_ALL, Served, serve

# How fast an example is found says something about the machine, and nothing about the code.
settings.register_profile("vivavoce", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("vivavoce")


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


# What tests touch of the protocol (docs/reference/coverage.md)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-coverage", action="store_true", help="write the page of coverage")


def pytest_configure(config: pytest.Config) -> None:
    notes.watch()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the test of the coverage page last, and not while the page is written."""
    items.sort(key=_judges)
    if config.getoption("--write-coverage"):
        items[:] = [item for item in items if not _judges(item)]


def _judges(item: pytest.Item) -> bool:
    return name_of(item).startswith("docs/test_coverage.py")


def pytest_deselected(items: list[pytest.Item]) -> None:
    notes.notes.partly |= {name_of(item) for item in items}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    notes.notes.begin(item)
    try:
        return (yield)
    finally:
        notes.notes.end()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    notes.notes.report(report)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for row in sorted(notes.notes.strange):
        terminalreporter.write_line(f"not in tests/support/catalogue.py: {row.owner}: {row.field}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--write-coverage"):
        page = coverage.PAGE.read_text("utf-8") if coverage.PAGE.exists() else ""
        table = coverage.brought_up_to_date(coverage.read(page), notes.notes)
        coverage.PAGE.write_text(coverage.render(table), "utf-8")
