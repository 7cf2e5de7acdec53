"""Complete the history of a conversation with the outputs that its last call did not add.

The server may have stopped between a tool call and its output, or the call ended while the tool
ran. The next response must know what happened. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime

from ..core.tool_calls import calls_of_outputs
from ..protocol.items import FunctionCall, FunctionOutput, Item
from ..store.base import ItemRow
from ..store.positions import STEP
from ..store.tool_runs import ToolRunRow
from .base import arguments_sha256
from .results import failed
from .run_results import call_of, may_have_happened, result_of

NOT_TO_ITS_END = "The tool did not run to its end."


def completed(
    history: Sequence[ItemRow],
    runs: Sequence[ToolRunRow],
    server_tools: Collection[str],
    *,
    running: Collection[str] = (),
    make_id: Callable[[str], str],
    at: datetime,
) -> tuple[ItemRow, ...]:
    """Return the rows to add at the end of a history. `running`: ids of runs that still run.

    Each call of a server's tool without an output gets one: the result of its run, or the
    statement that it may have happened. An approved run whose call is missing gets both.
    """
    items = [row.item for row in history]
    added = list(_missing(items, runs, server_tools, running, make_id))
    last = history[-1].position if history else 0.0
    return tuple(ItemRow(item, last + STEP * (n + 1), at) for n, item in enumerate(added))


def _missing(
    items: Sequence[Item],
    runs: Sequence[ToolRunRow],
    server_tools: Collection[str],
    running: Collection[str],
    make_id: Callable[[str], str],
) -> Iterator[Item]:
    by_call = {run.tool_call_id: run for run in runs}
    answered = set(calls_of_outputs(items).values())
    called = set()
    for index, item in enumerate(items):
        if not isinstance(item, FunctionCall):
            continue
        called.add(item.call_id)
        run = by_call.get(item.call_id) or _same(item, runs)
        if index not in answered and (run is not None or item.name in server_tools):
            yield _output(item.call_id, run, running, make_id)
    for run in runs:
        if run.approved_by is not None and run.tool_call_id not in called:
            yield call_of(run)
            yield _output(call_of(run).call_id, run, running, make_id)


def _output(
    call_id: str, run: ToolRunRow | None, running: Collection[str], make_id: Callable[[str], str]
) -> FunctionOutput:
    result = failed(NOT_TO_ITS_END)
    if run is not None:
        result = may_have_happened() if run.id in running else result_of(run)
    return FunctionOutput(id=make_id("item"), call_id=call_id, output=result.output)


def _same(call: FunctionCall, runs: Sequence[ToolRunRow]) -> ToolRunRow | None:
    """Return the newest run with the name and the arguments of a call, which joined it."""
    try:
        digest = arguments_sha256(call.arguments.strip() or "{}")
    except (ValueError, RecursionError):
        return None
    same = [run for run in runs if (run.tool, run.arguments_sha256) == (call.name, digest)]
    return same[-1] if same else None
