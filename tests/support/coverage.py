"""`docs/reference/coverage.md`: which test touches which row. Written from notes, and held to them.

`make coverage` writes it. A true entry is kept, so the page changes only where a row or a test has
gone, or a row is new. A new row gets a test of the folder nearest to the rules. There it prefers a
test that is named for it, then one that touches most of the same event, and of those the one that
touches the fewest other rows.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import groupby
from pathlib import Path

from .catalogue import CODES, Row, reason, rows, told
from .notes import Notes

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs/reference/coverage.md"

ROOMS = ("core", "transports", "clients", "http", "runtime", "access", "hostile", "cli", "docs")
TYPES = "protocol"  # where types alone are tested

Table = Mapping[Row, str]

_HEAD = """\
# What is tested of the protocol

Every event, field and error code, and a test that exercises it. `make coverage` writes this page
from what tests touched while they ran; `make test` fails when a row has no test, or when a test no
longer touches what it stands for. A null does not count. What several events carry (a session, an
item, a tool, a response) has rows of its own, for the side that says it. Tests are under `tests/`.

A row with a reason is **known but not served**: only its type is tested. The names of the beta
protocol come with the gateway's dialect and are not here.
"""
_SIDES = {"client": "What clients say", "server": "What the server says"}
_LINE = re.compile(r"^\| (?P<fields>[^|]+) \| (?:`(?P<test>[^`|]+)`|—) \| (?P<remark>[^|]*)\|$")
_WHOLE = "the whole"


# The page


def render(table: Table) -> str:
    return "\n".join(_lines(table)) + "\n"


def _lines(table: Table) -> Iterator[str]:
    yield _HEAD.rstrip()
    for side, of_side in groupby(sorted(rows(), key=lambda row: row.side), lambda row: row.side):
        yield from ("", f"## {_SIDES[side]}")
        by_owner: dict[str, list[Row]] = defaultdict(list)
        for row in of_side:
            by_owner[row.owner].append(row)
        for owner, its in by_owner.items():
            yield from ("", f"### {owner}", "")
            yield from ((line, "") if (line := told(owner)) else ())
            yield from ("| what | test | remark |", "|---|---|---|")
            yield from _table(table, its)


def _table(table: Table, its: list[Row]) -> Iterator[str]:
    together: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in its:
        test = table.get(row, "")
        together[test, _remark(row, test)].append(row)
    for (test, remark), those in together.items():
        fields = ", ".join(f"`{row.field}`" if row.field else _WHOLE for row in those)
        yield f"| {fields} | {f'`{test}`' if test else '—'} | {remark}{' ' * bool(remark)}|"


def _remark(row: Row, test: str) -> str:
    section = CODES.get(row.owner, {}).get(row.field, "")
    why = reason(row) if _of_types(test) or not test else ""
    return "; ".join(filter(None, (section, why)))


def read(page: str) -> dict[Row, str]:
    found: dict[Row, str] = {}
    side, owner = "", ""
    for line in page.splitlines():
        if line.startswith("## "):
            side = next(side for side, title in _SIDES.items() if line == f"## {title}")
        elif line.startswith("### "):
            owner = line.removeprefix("### ")
        elif (match := _LINE.match(line)) and owner and match["test"]:
            for field in match["fields"].split(", "):
                name = "" if field == _WHOLE else field.strip("`")
                found[Row(side, owner, name)] = match["test"]  # type: ignore[arg-type]
    return found


def _of_types(test: str) -> bool:
    return test.startswith(f"{TYPES}/")


def load(page: Path) -> dict[Row, str]:
    return read(page.read_text("utf-8")) if page.exists() else {}


# From notes


def write(page: Path, notes: Notes) -> None:
    page.write_text(render(brought_up_to_date(load(page), notes)), "utf-8")


def brought_up_to_date(table: Table, notes: Notes) -> dict[Row, str]:
    """Keep entries that are still true, unless they prove types only. Choose the rest."""
    new = {row: test for row, test in table.items() if _stands(row, test, notes)}
    served = {row for test in notes.ran if not _of_types(test) for row in notes.by_test[test]}
    new = {row: test for row, test in new.items() if not (_of_types(test) and row in served)}
    by_owner: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows():
        if row not in new:
            by_owner[row.side, row.owner].append(row)
    for open_rows in by_owner.values():
        new |= _chosen(open_rows, notes)
    return {row: new[row] for row in rows() if row in new}


def _stands(row: Row, test: str, notes: Notes) -> bool:
    if row not in set(_all_rows()) or not exists(test) or fits(row, test) is not None:
        return False
    return test not in notes.ran or row in notes.by_test[test]


@cache
def _all_rows() -> tuple[Row, ...]:
    return tuple(rows())


def _chosen(open_rows: Iterable[Row], notes: Notes) -> Iterator[tuple[Row, str]]:
    left = list(open_rows)
    for room in (*ROOMS, TYPES):
        while left:
            best = min(
                (
                    (-_named_for(left[0].owner, test), -len(mine), len(touched), test)
                    for test, touched in notes.by_test.items()
                    if test in notes.ran
                    and test.startswith(f"{room}/")
                    and (mine := [r for r in left if r in touched and fits(r, test) is None])
                ),
                default=None,
            )
            if best is None:
                break
            test = best[-1]
            yield from ((row, test) for row in left if row in notes.by_test[test])
            left = [row for row in left if row not in notes.by_test[test]]


def _named_for(owner: str, test: str) -> int:
    """Return how many of the event's words are in the test's name, by stems: `truncat`, `clear`."""
    stems = {word[:7].rstrip("e") for word in re.findall(r"[a-z]{5,}", owner)}
    return sum(stem in test.partition("::")[2] for stem in stems - _EVERYWHERE)


_EVERYWHERE = {"convers", "respons", "session"}

# What can be wrong


def fits(row: Row, test: str) -> str | None:
    """Return why this test does not prove this row, or None."""
    if _of_types(test) and reason(row) is None:
        return "is served, but only its type is tested"
    return None


@cache
def _functions(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text())
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def exists(test: str) -> bool:
    file, _, name = test.partition("::")
    return (TESTS / file).is_file() and name in _functions(TESTS / file)


def flaws(table: Table) -> Iterator[str]:
    """Return the faults of the page, without running tests."""
    known = set(_all_rows())
    for row in _all_rows():
        unsaid = row.owner in CODES and reason(row) is not None
        if row not in table and not unsaid:
            yield f"{row}: has no test"
    for row, test in table.items():
        if row not in known:
            yield f"{row}: there is no such thing any more"
        elif not exists(test):
            yield f"{row}: there is no test {test}"
        elif (wrong := fits(row, test)) is not None:
            yield f"{row}: {wrong} ({test})"


def lies(table: Table, notes: Notes) -> Iterator[str]:
    """Return where the tests that ran differ from the page."""
    for row, test in table.items():
        if test in notes.ran and row not in notes.by_test[test]:
            yield f"{row}: {test} does not touch it"
    for row in notes.strange:
        yield f"{row}: a code that `support/catalogue.py` does not know"
