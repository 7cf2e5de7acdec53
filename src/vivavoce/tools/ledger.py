"""Record the runs of tools, so that nothing happens twice and nothing that happened is forgotten.

    requested ─► approved ─► started ─► done | failed | unknown

A tool with effects starts only when its row is on disk. The server never repeats such a run by
itself. A run that was interrupted is `unknown`: it may have happened, and the model reads that. A
tool without effects gets its row afterwards, and nothing waits for the disk.

A run with effects belongs to the ledger, not to its call. It goes on when the call ends, and the
conversation gets its result when it continues (`tools/unanswered.py`).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, Self

from ..errors import StoreError
from ..failures import log_failure
from ..protocol.items import FunctionCall
from ..store.base import Change
from ..store.tool_runs import UNFINISHED, ToolRunRow, ToolRuns, ToolRunState
from .base import DEFAULT_RULES, ToolContext, ToolRequest, ToolResult, ToolRules, arguments_sha256
from .results import failed
from .runners import ToolRunners

log = logging.getLogger("vivavoce.tools")

EXPIRES_AFTER = timedelta(minutes=5)  # a request for an approval
REQUESTS = 1000  # for approvals that wait at the same time
REQUESTS_OF_CALL = 16
STOP_WITHIN_S = 5.0  # for runs to end when the server stops

ASK_USER = (
    "This is not done yet, because the user must confirm it. Say what will be done and ask. When "
    "the user has said yes, call this tool again with the same arguments."
)
ASK_STAFF = (
    "This is not done yet, because a member of staff must approve it. Tell the user. The result "
    "comes by itself."
)
MAY_HAVE_HAPPENED = (
    "The tool was interrupted, and this may have happened. Tell the user so. Do not repeat it "
    "without asking."
)
NOT_RUN = "The tool was not run."
NOT_RECORDED = "The tool was not run, because the server could not record it."


class Submit(Protocol):
    """Commits a change. `GroupCommitter.submit` is one."""

    def __call__(self, change: Change, outcome: Callable[[StoreError | None], None]) -> None: ...


class ConversationPort(Protocol):
    """Takes the output of an approved run into a conversation that has a call now."""

    def __call__(self, row: ToolRunRow, output: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOrigin:
    """Says who asked for a run: the model's item, and when the user spoke or wrote last.

    `user_acted_at`: seconds of the event loop's clock. `idempotency_key`: of a program that runs a
    tool without a call.
    """

    item_id: str | None = None
    user_acted_at: float | None = None
    idempotency_key: str | None = None


NO_ORIGIN = ToolOrigin()


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """A run as it is recorded, and what the model reads."""

    row: ToolRunRow
    result: ToolResult


@dataclass(frozen=True, slots=True)
class _Job:
    """A run that may begin. `asked_at`: when its approval was requested, on the loop's clock."""

    row: ToolRunRow
    rules: ToolRules
    runners: ToolRunners
    request: ToolRequest
    context: ToolContext
    asked_at: float = 0.0
    expiry: asyncio.TimerHandle | None = None


class ToolLedger:
    """The runs of all tools of this server. Use it by `async with`."""

    def __init__(
        self,
        runs: ToolRuns,
        submit: Submit,
        *,
        make_id: Callable[[str], str],
        now: Callable[[], datetime],
        on_change: Callable[[ToolRunRow], None] = lambda row: None,
    ) -> None:
        """`on_change` sees each new state of a run. It must not wait."""
        self.runs = runs
        self._submit = submit
        self.make_id = make_id
        self._now = now
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._unsaved: dict[str, ToolRunRow] = {}  # submitted, and not on disk yet
        self._requests: dict[str, _Job] = {}  # for approvals
        self._running: dict[str, asyncio.Task[ToolOutcome]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._conversations: dict[str, ConversationPort] = {}
        self._late: dict[str, str] = {}  # conversations that read of a run before it ended

    async def __aenter__(self) -> Self:
        return self

    async def recover(self) -> None:
        """Settle the runs that an earlier process left. Only one server may use the store.

        Raises `StoreError`.
        """
        for row in await self.runs.in_states(UNFINISHED, limit=100_000):
            state: ToolRunState = "failed"
            output = failed(NOT_RUN).output
            if row.state == "started":
                state, output = "unknown", may_have_happened().output
                log.warning("tool_run_unknown", extra={"run": row.id, "call": row.call_id})
            await self._keep(_ended(row, state, output, self._now()))

    async def __aexit__(self, *_: object) -> None:
        for job in self._requests.values():
            if job.expiry is not None:
                job.expiry.cancel()
        self._requests.clear()
        tasks: set[asyncio.Task[Any]] = {*self._running.values(), *self._background}
        if tasks:
            _done, late = await asyncio.wait(tasks, timeout=STOP_WITHIN_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=STOP_WITHIN_S)

    # Calls

    def attach(self, conversation_id: str, port: ConversationPort) -> None:
        """Pass outputs of approved runs of this conversation to its call."""
        self._conversations[conversation_id] = port

    def detach(self, conversation_id: str, port: ConversationPort) -> None:
        """Pass no more outputs to a call that is over."""
        if self._conversations.get(conversation_id) == port:
            del self._conversations[conversation_id]

    async def of_conversation(self, conversation_id: str, wait_s: float = 0.0) -> list[ToolRunRow]:
        """Return the runs of a conversation, the oldest first.

        Wait at most `wait_s` for running ones, so that their results are among them.
        """
        rows = await self.runs.of_conversation(conversation_id)
        if wait_s and (tasks := [t for row in rows if (t := self._running.get(row.id))]):
            await asyncio.wait(tasks, timeout=wait_s)
        return [self._unsaved.get(r.id, r) for r in await self._again(rows, conversation_id)]

    def tell_later(self, rows: Sequence[ToolRunRow], conversation_id: str) -> frozenset[str]:
        """Return the ids of the runs that still run. Tell the conversation when they end."""
        late = frozenset(row.id for row in rows if row.id in self._running)
        self._late |= dict.fromkeys(late, conversation_id)
        return late

    async def _again(self, rows: list[ToolRunRow], conversation_id: str) -> list[ToolRunRow]:
        """Read the rows again if one of them was unfinished."""
        if any(row.state in UNFINISHED for row in rows):
            return await self.runs.of_conversation(conversation_id)
        return rows

    async def run(
        self,
        runners: ToolRunners,
        request: ToolRequest,
        context: ToolContext,
        origin: ToolOrigin = NO_ORIGIN,
    ) -> ToolOutcome:
        """Run a tool under its rules, or request the approval that it needs.

        Every failure is an outcome. A cancellation stops a tool without effects. One with effects
        goes on, unless its rules say that an interruption cancels it.
        """
        prepared = runners.prepare(request, context)
        wrong = prepared if isinstance(prepared, ToolResult) else None
        request = prepared if isinstance(prepared, ToolRequest) else request
        rules = DEFAULT_RULES if wrong else runners.rules(context)[request.name]
        job = _Job(self._row(rules, request, context, origin), rules, runners, request, context)
        if wrong is not None:
            return self._finish(job.row, wrong)
        if rules.effects or rules.approve != "never":
            return await self._run_guarded(job, origin)
        started = replace(job.row, state="started", started_at=self._now())
        self._on_change(started)
        result = await runners.call(_keyed(request, started), context)
        return self._finish(started, replace(result, unknown=False))

    # Approvals

    @property
    def requests(self) -> list[ToolRunRow]:
        """The runs that wait for an approval, the oldest first."""
        return [job.row for job in self._requests.values()]

    async def find(self, run_id: str) -> ToolRunRow | None:
        """Return a run in its newest state."""
        return self._unsaved.get(run_id) or await self.runs.get(run_id)

    async def ended(self, run_id: str) -> ToolRunRow | None:
        """Wait for an approved run to end, and return it."""
        while run_id in self._running or self._background:
            await asyncio.wait([*self._background] or [self._running[run_id]])
        return await self.find(run_id)

    async def of_call(self, call_id: str) -> list[ToolRunRow]:
        """List the runs of a call in their newest states, the oldest first."""
        return [self._unsaved.get(row.id, row) for row in await self.runs.of_call(call_id)]

    async def decide(self, run_id: str, *, approve: bool, by: str) -> ToolRunRow | None:
        """Approve or reject a run that waits. Return None if it does not wait (any more).

        An approved run starts at once. Its output goes to the conversation as a tool call of its
        own, because the call that asked has an answer already. Raises `StoreError`.
        """
        if (job := self._take_request(run_id)) is None:
            return None
        row = replace(self._as_new_call(job.row), approved_by=by)
        if not approve:
            row = replace(row, approved_by=None)
            rejected = self._finish(row, failed("This was not approved. It is not done."))
            self._tell(job, rejected)
            return rejected.row
        row = replace(row, state="approved")
        try:
            await self._keep(row)
        except StoreError:
            self._requests[run_id] = job
            raise
        self._spawn(self._run_approved(replace(job, row=row)))
        return row

    async def _run_approved(self, job: _Job) -> None:
        self._tell(job, await self._execute(job))

    def _tell(self, job: _Job, outcome: ToolOutcome) -> None:
        """Pass an output to the call that the conversation has now. Without one, it waits."""
        if port := self._conversations.get(job.context.conversation_id):
            port(outcome.row, outcome.result.output)

    async def _ask(self, job: _Job) -> ToolOutcome:
        """Request an approval, and tell the model what to do meanwhile."""
        of_call = sum(j.row.call_id == job.row.call_id for j in self._requests.values())
        if len(self._requests) >= REQUESTS or (job.row.call_id and of_call >= REQUESTS_OF_CALL):
            return self._finish(job.row, failed("Too many actions wait for an approval."))
        row = replace(job.row, expires_at=self._now() + EXPIRES_AFTER)
        try:
            await self._keep(row)
        except StoreError:
            return self._finish(row, failed(NOT_RECORDED))
        expiry = self._loop.call_later(EXPIRES_AFTER.total_seconds(), self._expire, row.id)
        self._requests[row.id] = replace(job, row=row, asked_at=self._loop.time(), expiry=expiry)
        return ToolOutcome(row, requested(row))

    def _expire(self, run_id: str) -> None:
        if job := self._take_request(run_id):
            self._finish(job.row, failed("The request for an approval has expired."))

    def _take_request(self, run_id: str) -> _Job | None:
        job = self._requests.pop(run_id, None)
        if job is not None and job.expiry is not None:
            job.expiry.cancel()
        return job

    # Runs with effects

    async def _run_guarded(self, job: _Job, origin: ToolOrigin) -> ToolOutcome:
        try:
            earlier = await self._earlier(job, origin)
        except StoreError:
            return self._finish(job.row, failed(NOT_RECORDED))
        if earlier is not None:
            if (running := self._running.get(earlier.id)) is not None:
                return await asyncio.shield(running)
            if earlier.id in self._requests:
                return await self._ask_again(job, earlier.id, origin)
            if origin.idempotency_key is not None:  # the program asks for the same run again
                return ToolOutcome(earlier, result_of(earlier))
            if earlier.state == "unknown":
                job = replace(job, row=_repeated(job.row, earlier))
        if job.row.approve != "never":
            return await self._ask(job)
        return await self._execute(job)

    async def _earlier(self, job: _Job, origin: ToolOrigin) -> ToolRunRow | None:
        """Return the newest run with the same intent: of this key, or in this conversation."""
        row = job.row
        if origin.idempotency_key is not None:
            found = await self.runs.with_key(row.idempotency_key)
            return found and self._unsaved.get(found.id, found)
        if row.call_id is None:
            return None
        rows = await self.of_conversation(job.context.conversation_id)
        same = [r for r in rows if (r.tool, r.arguments_sha256) == (row.tool, row.arguments_sha256)]
        return same[-1] if same else None

    async def _ask_again(self, job: _Job, run_id: str, origin: ToolOrigin) -> ToolOutcome:
        """Take a second call with the same arguments as the user's spoken yes.

        It counts only if the user spoke or wrote after the request.
        """
        waiting = self._requests[run_id]
        spoke = (origin.user_acted_at or 0.0) > waiting.asked_at
        if waiting.row.approve != "user" or not spoke:
            return ToolOutcome(waiting.row, requested(waiting.row))
        self._take_request(run_id)
        row = replace(
            waiting.row,
            state="approved",
            approved_by="user, spoken",
            item_id=job.row.item_id,
            tool_call_id=job.row.tool_call_id,
        )
        return await self._execute(replace(job, row=row))

    async def _execute(self, job: _Job) -> ToolOutcome:
        """Start a run with effects as the ledger's own task, and wait for it."""
        task = self._loop.create_task(self._start(job), name="tool_run")
        self._running[job.row.id] = task
        task.add_done_callback(lambda done: self._forget(job.row.id, done))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if job.rules.interrupt != "cancel" or task.cancelled():
                raise
            task.cancel()
            await asyncio.wait([task])
            row = self._unsaved.get(job.row.id, job.row)
            return ToolOutcome(row, result_of(row))

    async def _start(self, job: _Job) -> ToolOutcome:
        row = replace(job.row, state="started", started_at=self._now())
        begun = False
        try:
            await self._keep(row)
            begun = True
            result = await job.runners.call(_keyed(job.request, row), job.context)
        except StoreError:
            return self._finish(job.row, failed(NOT_RECORDED))
        except asyncio.CancelledError:
            self._finish(row, may_have_happened() if begun else failed(NOT_RUN))
            raise
        return self._finish(row, may_have_happened() if result.unknown else result)

    # Rows

    def _as_new_call(self, row: ToolRunRow) -> ToolRunRow:
        """Return the run with a tool call of its own: the one that asked has an output already."""
        late = f"call_{row.id.partition('_')[2]}"
        return replace(row, tool_call_id=late, item_id=self.make_id("item"))

    def _row(
        self, rules: ToolRules, request: ToolRequest, context: ToolContext, origin: ToolOrigin
    ) -> ToolRunRow:
        digest = _digest(request.arguments)
        intent = (context.call_id, origin.item_id or "", request.tool_call_id, request.name, digest)
        key = hashlib.sha256("\n".join(intent).encode()).hexdigest()
        if origin.idempotency_key is not None:
            given = (context.assistant, request.name, digest, origin.idempotency_key)
            key = hashlib.sha256("\n".join(given).encode()).hexdigest()
        elif not context.call_id:
            key = self.make_id("key")
        return ToolRunRow(
            id=self.make_id("run"),
            assistant=context.assistant,
            tool=request.name,
            arguments=request.arguments,
            arguments_sha256=digest,
            idempotency_key=key,
            state="requested",
            requested_at=self._now(),
            call_id=context.call_id or None,
            item_id=origin.item_id,
            tool_call_id=request.tool_call_id or None,
            subject=context.subject,
            approve=rules.approve,
        )

    def _finish(self, row: ToolRunRow, result: ToolResult) -> ToolOutcome:
        """Record how a run ended. Nothing waits for the disk."""
        state: ToolRunState = "failed" if result.failed else "done"
        if result.unknown:
            state = "unknown"
        row = _ended(row, state, result.output, self._now())
        self._submit_row(row, lambda failure: self._settle(row, failure))
        return ToolOutcome(row, result)

    async def _keep(self, row: ToolRunRow) -> None:
        """Return when the row is on disk. Raises `StoreError`."""
        kept: asyncio.Future[None] = self._loop.create_future()

        def settle(failure: StoreError | None) -> None:
            self._settle(row, failure)
            if kept.done():
                return
            if failure is None:
                kept.set_result(None)
            else:
                kept.set_exception(failure)

        self._submit_row(row, settle)
        await kept

    def _submit_row(self, row: ToolRunRow, outcome: Callable[[StoreError | None], None]) -> None:
        self._unsaved[row.id] = row
        self._on_change(row)
        self._submit(Change("", tool_runs=(row,)), outcome)

    def _settle(self, row: ToolRunRow, failure: StoreError | None) -> None:
        if self._unsaved.get(row.id) is row:
            del self._unsaved[row.id]
        if failure is not None:
            log.error("tool_run_not_recorded", extra={"run": row.id, "state": row.state})

    # Tasks

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work, name="approved_tool_run")
        self._background.add(task)
        task.add_done_callback(self._log_bug)

    def _log_bug(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (bug := task.exception()) is not None:
            log_failure(log, "tool_run_failed", bug)

    def _forget(self, run_id: str, task: asyncio.Task[ToolOutcome]) -> None:
        self._running.pop(run_id, None)
        conversation_id = self._late.pop(run_id, None)
        if task.cancelled() or task.exception() is not None:  # a waiting call raises it too
            return
        if conversation_id and (port := self._conversations.get(conversation_id)):
            outcome = task.result()
            port(self._as_new_call(outcome.row), outcome.result.output)


def _ended(row: ToolRunRow, state: ToolRunState, output: str, at: datetime) -> ToolRunRow:
    return replace(row, state=state, result=output, ended_at=at)


def _repeated(row: ToolRunRow, earlier: ToolRunRow) -> ToolRunRow:
    """Return a run that repeats one which may have happened.

    Somebody must approve it. The key is the same, so that a service that knows keys does it once.
    """
    approve = "user" if row.approve == "never" else row.approve
    return replace(row, idempotency_key=earlier.idempotency_key, approve=approve)


def _keyed(request: ToolRequest, row: ToolRunRow) -> ToolRequest:
    return replace(request, idempotency_key=row.idempotency_key)


def _digest(arguments: str) -> str:
    """Return the hash of the arguments, also of a text that is not JSON."""
    try:
        return arguments_sha256(arguments)
    except (ValueError, RecursionError):
        return hashlib.sha256(arguments.encode("utf-8", "replace")).hexdigest()


def requested(row: ToolRunRow) -> ToolResult:
    """Return what the model reads while a run waits for its approval."""
    message = ASK_STAFF if row.approve == "staff" else ASK_USER
    return ToolResult(_json({"state": "requested", "run_id": row.id, "message": message}))


def may_have_happened() -> ToolResult:
    """Return what the model reads of a run that was interrupted."""
    output = _json({"state": "unknown", "message": MAY_HAVE_HAPPENED})
    return ToolResult(output, failed=True, unknown=True)


def result_of(row: ToolRunRow) -> ToolResult:
    """Return the result of a recorded run."""
    if row.result is not None:
        return ToolResult(row.result, row.state != "done", row.state == "unknown")
    return requested(row) if row.state == "requested" else may_have_happened()


def call_of(row: ToolRunRow) -> FunctionCall:
    """Return the tool call of a run, as an item."""
    return FunctionCall(
        id=row.item_id or "",
        call_id=row.tool_call_id or row.id,
        name=row.tool,
        arguments=row.arguments,
        status="completed",
    )


def _json(value: dict[str, str]) -> str:
    return json.dumps(value, ensure_ascii=False)
