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
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol, Self
from weakref import WeakValueDictionary

from ..errors import StoreError
from ..failures import log_failure
from ..store.tool_runs import UNFINISHED, ToolRunRow, ToolRuns
from .approval_requests import EXPIRES_AFTER, ApprovalRequests, ToolJob
from .base import DEFAULT_RULES, ToolContext, ToolRequest, ToolResult, ToolRules, arguments_sha256
from .results import failed
from .run_records import RunRecords, Submit, ToolOutcome
from .run_results import (
    EXPIRED,
    NOT_RECORDED,
    NOT_RUN,
    may_have_happened,
    not_approved,
    requested,
    result_of,
)
from .runners import ToolRunners

log = logging.getLogger("vivavoce.tools")

STOP_WITHIN_S = 5.0  # for runs to end when the server stops


class ConversationPort(Protocol):
    """Takes the output of an approved run into a conversation that has a call now."""

    def __call__(self, row: ToolRunRow, output: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOrigin:
    """Says who asked for a run: the model's item, and what the user's last words are a reply to.

    `replied_to_at`: when the assistant spoke or wrote last before the user did, in seconds of the
    event loop's clock. `idempotency_key`: of a program that runs a tool without a call.
    `has_data`: whether arguments come from data and not from the user. It gets them as the tool
    does.
    """

    item_id: str | None = None
    replied_to_at: float | None = None
    idempotency_key: str | None = None
    has_data: Callable[[ToolRequest], bool] = lambda request: False


NO_ORIGIN = ToolOrigin()


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
        self.make_id = make_id
        self.records = RunRecords(runs, submit, now, on_change)
        self._loop = asyncio.get_running_loop()
        self._requests = ApprovalRequests(self._expired)
        self._running: dict[str, asyncio.Task[ToolOutcome]] = {}
        self._by_key: dict[str, asyncio.Task[ToolOutcome]] = {}  # the running ones
        self._intents = WeakValueDictionary[str, asyncio.Lock]()  # that are decided now
        self._background: set[asyncio.Task[None]] = set()
        self._conversations: dict[str, ConversationPort] = {}
        self._late: dict[str, str] = {}  # conversations that read of a run before it ended

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._requests.close()
        tasks: set[asyncio.Task[Any]] = {*self._running.values(), *self._background}
        if tasks:
            _done, late = await asyncio.wait(tasks, timeout=STOP_WITHIN_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=STOP_WITHIN_S)

    async def recover(self) -> None:
        """Settle the runs that an earlier process left. Only one server may use the store.

        Raises `StoreError`.
        """
        await self.records.recover()

    # Calls

    def attach(self, conversation_id: str, port: ConversationPort) -> None:
        """Pass outputs of approved runs of this conversation to its call."""
        self._conversations[conversation_id] = port

    def detach(self, conversation_id: str, port: ConversationPort) -> None:
        """Pass no more outputs to a call that is over."""
        if self._conversations.get(conversation_id) == port:
            del self._conversations[conversation_id]

    async def of_conversation(self, conversation_id: str, wait_s: float) -> list[ToolRunRow]:
        """Return the runs of a conversation, the oldest first.

        Wait at most `wait_s` for running ones, so that their results are among them.
        """
        rows = await self.records.of_conversation(conversation_id)
        if running := [self._running[row.id] for row in rows if row.id in self._running]:
            await asyncio.wait(running, timeout=wait_s)
        if any(row.state in UNFINISHED for row in rows):
            rows = await self.records.of_conversation(conversation_id)
        return rows

    def tell_later(self, rows: Sequence[ToolRunRow], conversation_id: str) -> frozenset[str]:
        """Return the ids of the runs that still run. Tell the conversation when they end."""
        late = frozenset(row.id for row in rows if row.id in self._running)
        self._late |= dict.fromkeys(late, conversation_id)
        return late

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
        if _asks_about_data(rules) and origin.has_data(request):
            rules = replace(rules, approve="user")
        job = ToolJob(self._row(rules, request, context, origin), rules, runners, request, context)
        if wrong is not None:
            return self.records.finish(job.row, wrong)
        if rules.effects or rules.approve != "never":
            return await self._run_guarded(job, origin)
        started = replace(job.row, state="started", started_at=self.records.now())
        self.records.note(started)
        result = await runners.call(_keyed(request, started), context)
        return self.records.finish(started, replace(result, unknown=False))

    # Approvals

    @property
    def requests(self) -> list[ToolRunRow]:
        """The runs that wait for an approval, the oldest first."""
        return self._requests.rows

    async def drop_deleted(
        self, missing: Callable[[Collection[str]], Awaitable[Collection[str]]]
    ) -> None:
        """Drop the requests of conversations that were deleted, by whichever process.

        `missing` returns which of the ids are not in the store. Raises `StoreError`.
        """
        if asked := self._requests.conversation_ids:
            self._requests.drop(await missing(asked))

    async def ended(self, run_id: str) -> ToolRunRow | None:
        """Wait for an approved run to end, and return it."""
        while run_id in self._running or self._background:
            await asyncio.wait([*self._background] or [self._running[run_id]])
        return await self.records.find(run_id)

    async def decide(self, run_id: str, *, approve: bool, by: str) -> ToolRunRow | None:
        """Approve or reject a run that waits. Return None if it does not wait (any more).

        An approved run starts at once. Its output goes to the conversation as a tool call of its
        own, because the call that asked has an answer already. Raises `StoreError`.
        """
        if (job := self._requests.take(run_id)) is None:
            return None
        row = replace(self._as_new_call(job.row), approved_by=by)
        if not approve:
            row = replace(row, approved_by=None)
            rejected = self.records.finish(row, not_approved(job.context.language))
            self._tell(job, rejected)
            return rejected.row
        row = replace(row, state="approved")
        try:
            await self.records.keep(row)
        except StoreError:
            self._requests.put(job)
            raise
        self._spawn(self._run_approved(replace(job, row=row)))
        return row

    def decline(self, conversation_id: str, tool_call_id: str) -> ToolRunRow | None:
        """Reject a run, because the user said no in its conversation. Return None if none waits.

        `tool_call_id`: of the call that asked. The conversation has the user's words, so that it is
        told nothing more.
        """
        for row in self._requests.of_conversation(conversation_id):
            if row.tool_call_id == tool_call_id and row.approve == "user":
                job = self._requests.take(row.id)
                assert job is not None
                return self.records.finish(row, not_approved(job.context.language)).row
        return None

    async def _run_approved(self, job: ToolJob) -> None:
        self._tell(job, await self._execute(job))

    def _tell(self, job: ToolJob, outcome: ToolOutcome) -> None:
        """Pass an output to the call that the conversation has now. Without one, it waits."""
        if port := self._conversations.get(job.context.conversation_id):
            port(outcome.row, outcome.result.output)

    async def _ask(self, job: ToolJob) -> ToolOutcome:
        """Request an approval, and tell the model what to do meanwhile."""
        if not self._requests.has_room(job.row):
            return self.records.finish(job.row, failed("Too many actions wait for an approval."))
        row = replace(job.row, expires_at=self.records.now() + EXPIRES_AFTER)
        try:
            await self.records.keep(row)
        except StoreError:
            return self.records.finish(row, failed(NOT_RECORDED))
        self._requests.put(replace(job, row=row))
        return ToolOutcome(row, requested(row, job.rules, job.context.language))

    def _expired(self, job: ToolJob) -> None:
        self.records.finish(job.row, failed(EXPIRED))

    # Runs with effects

    async def _run_guarded(self, job: ToolJob, origin: ToolOrigin) -> ToolOutcome:
        """Decide about one intent at a time: a second call sees what the first one began."""
        async with self._intents.setdefault(_intent(job, origin), asyncio.Lock()):
            try:
                begun = await self._join_or_begin(job, origin)
            except StoreError:
                return self.records.finish(job.row, failed(NOT_RECORDED))
        return begun if isinstance(begun, ToolOutcome) else await begun

    async def _join_or_begin(
        self, job: ToolJob, origin: ToolOrigin
    ) -> ToolOutcome | Awaitable[ToolOutcome]:
        """Return the outcome, or what waits for it. Raises `StoreError` if nothing has begun."""
        if (running := self._by_key.get(job.row.idempotency_key)) is not None:
            return asyncio.shield(running)  # its row may not be on disk yet
        earlier = await self._earlier(job, origin)
        if earlier is not None:
            if (running := self._running.get(earlier.id)) is not None:
                return asyncio.shield(running)
            if (waiting := self._requests.get(earlier.id)) is not None:
                return self._ask_again(job, waiting, origin)
            if origin.idempotency_key is not None:  # the program asks for the same run again
                return ToolOutcome(earlier, result_of(earlier))
            if earlier.state == "unknown":
                job = replace(job, row=_repeated(job.row, earlier))
        return await self._ask(job) if job.row.approve != "never" else self._execute(job)

    async def _earlier(self, job: ToolJob, origin: ToolOrigin) -> ToolRunRow | None:
        """Return the newest run with the same intent: of this key, or in this conversation."""
        row = job.row
        if origin.idempotency_key is not None:
            return await self.records.with_key(row.idempotency_key)
        if row.call_id is None:
            return None
        rows = await self.records.of_conversation(job.context.conversation_id)
        same = [r for r in rows if (r.tool, r.arguments_sha256) == (row.tool, row.arguments_sha256)]
        return same[-1] if same else None

    def _ask_again(
        self, job: ToolJob, waiting: ToolJob, origin: ToolOrigin
    ) -> ToolOutcome | Awaitable[ToolOutcome]:
        """Take a second call with the same arguments as the user's spoken yes.

        It counts only if the assistant said something after the request, which can be the
        question, and the user spoke or wrote after that.
        """
        replied = (origin.replied_to_at or 0.0) > waiting.asked_at
        item_id, call_id = job.row.item_id, job.row.tool_call_id
        row = replace(waiting.row, item_id=item_id, tool_call_id=call_id)
        if row.approve != "user" or not replied:
            self._requests.asked_again(row.id, row)
            return ToolOutcome(row, requested(row, waiting.rules, job.context.language))
        self._requests.take(row.id)
        row = replace(row, state="approved", approved_by="user, spoken")
        return self._execute(replace(job, row=row))

    def _execute(self, job: ToolJob) -> Awaitable[ToolOutcome]:
        """Start a run with effects as the ledger's own task. Return what waits for it."""
        task = self._loop.create_task(self._start(job), name="tool_run")
        self._running[job.row.id] = self._by_key[job.row.idempotency_key] = task
        task.add_done_callback(lambda done: self._forget(job.row, done))
        return self._outcome(job, task)

    async def _outcome(self, job: ToolJob, task: asyncio.Task[ToolOutcome]) -> ToolOutcome:
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if job.rules.interrupt != "cancel" or task.cancelled():
                raise
            task.cancel()
            await asyncio.wait([task])
            row = self.records.newest(job.row)
            return ToolOutcome(row, result_of(row))

    async def _start(self, job: ToolJob) -> ToolOutcome:
        row = replace(job.row, state="started", started_at=self.records.now())
        begun = False
        try:
            await self.records.keep(row)
            begun = True
            result = await job.runners.call(_keyed(job.request, row), job.context)
        except StoreError:
            return self.records.finish(job.row, failed(NOT_RECORDED))
        except asyncio.CancelledError:
            self.records.finish(row, may_have_happened() if begun else failed(NOT_RUN))
            raise
        return self.records.finish(row, may_have_happened() if result.unknown else result)

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
            user = context.subject or ""
            given = (context.assistant, user, request.name, digest, origin.idempotency_key)
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
            requested_at=self.records.now(),
            call_id=context.call_id or None,
            item_id=origin.item_id,
            tool_call_id=request.tool_call_id or None,
            subject=context.subject,
            approve=rules.approve,
        )

    # Tasks

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work, name="approved_tool_run")
        self._background.add(task)
        task.add_done_callback(self._log_bug)

    def _log_bug(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (bug := task.exception()) is not None:
            log_failure(log, "tool_run_failed", bug)

    def _forget(self, row: ToolRunRow, task: asyncio.Task[ToolOutcome]) -> None:
        self._running.pop(row.id, None)
        if self._by_key.get(row.idempotency_key) is task:
            del self._by_key[row.idempotency_key]
        conversation_id = self._late.pop(row.id, None)
        if task.cancelled() or task.exception() is not None:  # a waiting call raises it too
            return
        if conversation_id and (port := self._conversations.get(conversation_id)):
            outcome = task.result()
            port(self._as_new_call(outcome.row), outcome.result.output)


def _intent(job: ToolJob, origin: ToolOrigin) -> str:
    """Return a name for what a call wants: the same for every call that means the same run."""
    if origin.idempotency_key is not None or job.row.call_id is None:
        return job.row.idempotency_key
    return "\n".join((job.context.conversation_id, job.row.tool, job.row.arguments_sha256))


def _asks_about_data(rules: ToolRules) -> bool:
    """Return whether the user must agree to arguments of this tool that come from data."""
    return rules.effects and rules.approve == "never" and rules.data_arguments == "ask"


def _repeated(row: ToolRunRow, earlier: ToolRunRow) -> ToolRunRow:
    """Return a run that repeats one which may have happened.

    A person must approve it. The key is the same, so that a service that knows keys does it once.
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
