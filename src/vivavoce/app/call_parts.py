"""Make the small parts of a call that need no builder: listeners, observers and refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ..core import images
from ..core.ledger import Ledger
from ..core.relay import Relay
from ..core.session import Session
from ..engines.cascade import OnStage
from ..protocol.close_codes import CloseCode
from ..protocol.own_events import OwnEvent
from ..runtime.answer_sources import AnswerSources
from ..runtime.call_spec import CallSpec
from ..runtime.refusals import RATE, CallRefused
from ..store.base import ItemRow
from ..tools.base import ToolContext

Tell = Callable[[OwnEvent], None]


def in_turn(*closes: Callable[[], None]) -> Callable[[], None]:
    """Return a function that calls all of these."""

    def close() -> None:
        for each in closes:
            each()

    return close


def tool_context(spec: CallSpec, machine: Session | Relay, sources: AnswerSources) -> ToolContext:
    """Let tools find the images of the machine's conversation, and note the sources of answers."""
    return replace(
        spec.tool_context,
        find_image=partial(images.newest, machine.conversation),
        note_use=sources.searches.found,
    )


def to_both(one: Callable[[Tell], None], other: Callable[[Tell], None]) -> Callable[[Tell], None]:
    """Return a function that passes a client's listener to both."""

    def listen(tell: Tell) -> None:
        one(tell)
        other(tell)

    return listen


def no_room() -> CallRefused:
    """Refuse a call whose stored conversation does not fit beside the running calls."""
    return CallRefused(
        429,
        "rate_limit_exceeded",
        "The running calls have no room for this conversation. Please try again in a minute.",
        type=RATE,
        close=CloseCode.TRY_AGAIN_LATER,
        retry_s=60,
    )


def share_holder(spec: CallSpec) -> str:
    """Return whose share of the workers a call uses: its user's, its secret's or its own."""
    caller = spec.caller
    return f"user {caller.subject}" if caller.subject else caller.secret_id or spec.call_id


def restore_ledger(history: tuple[ItemRow, ...]) -> Ledger:
    """Return a ledger with what earlier calls stored about played audio."""
    ledger = Ledger()
    for row in history:
        if row.generated is not None and row.sent_ms:
            ledger.restore(row.item.id, row.generated, row.sent_ms, row.heard_ms)
    return ledger


def report_to_both(one: OnStage, other: OnStage) -> OnStage:
    def both(name: str, ms: float) -> None:
        one(name, ms)
        other(name, ms)

    return both
