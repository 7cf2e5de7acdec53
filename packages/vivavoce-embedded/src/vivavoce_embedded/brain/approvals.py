"""Take a yes or a no for a tool that waits for the user's approval.

The server's output for such a call holds the question, and the history holds the call. So the brain
needs no memory: a run waits if nothing after its question has settled it. A yes counts only for the
question that the user heard last, and only if it says nothing else. After any other answer the run
goes on waiting, and the brain asks again. The server takes the same call again for a yes. So the
brain asks, and does not call, if the user speaks of the same action again.

Of several runs that wait, the brain asks for the newest one first, and then for the others.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Sequence

import msgspec

from vivavoce.protocol.items import FunctionCall, FunctionOutput, Item, Message
from vivavoce.text.folding import fold
from vivavoce.text.yes_no import consent

from .dialogue import text_of
from .phrases import PHRASES
from .utterance import BrainReply

ITEMS = 200  # at the end of a history, in which a run may wait
OUTPUT_CHARACTERS = 4000  # of the server's output for a run that waits
QUESTION_CHARACTERS = 500
ASKED = 3  # times in a row, until only the user brings it up again
UNHEARD_WORDS = 1  # at the end of a question, if the user was quick to answer


class WaitingRun(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call that waits for the user. `arguments`: exactly as they were called."""

    call_id: str
    name: str
    arguments: str
    question: str


class _Request(msgspec.Struct):
    """The server's output for a call that waits."""

    state: str
    approve: str
    spoken: str
    expires_at: dt.datetime | None = None


def question_of(output: str, at: dt.datetime | None = None) -> str | None:
    """Return the question in an output that waits for the user. None: it is another output.

    `at`: the time now, with a time zone. A request that has expired waits no longer.
    """
    if not output.startswith('{"state"') or len(output) > OUTPUT_CHARACTERS:
        return None
    try:
        request = msgspec.json.decode(output, type=_Request)
    except (msgspec.MsgspecError, RecursionError):
        return None
    if (request.state, request.approve) != ("requested", "user"):
        return None
    until = request.expires_at
    if at is not None and until is not None and (until.tzinfo is None or until <= at):
        return None
    return request.spoken.strip()[:QUESTION_CHARACTERS] or None


def waiting(history: Sequence[Item], at: dt.datetime) -> tuple[WaitingRun, ...]:
    """Return the runs that wait for the user, the newest last."""
    calls: dict[str, FunctionCall] = {}
    runs: dict[str, WaitingRun] = {}  # by tool and arguments
    said, heard = "", list[str]()
    for item in history[-ITEMS:]:
        match item:
            case FunctionCall():
                calls[item.call_id] = item
            case FunctionOutput() if call := calls.get(item.call_id):
                runs.pop(_intent(call), None)
                if question := question_of(item.output, at):
                    runs[_intent(call)] = _run(call, question)
            case Message(role="assistant"):
                asked = asked_for(runs.values(), said) if heard else None
                if asked and consent(" ".join(heard)) is False:
                    runs = {key: run for key, run in runs.items() if run is not asked}
                text = text_of(item)
                said = text if heard else f"{said} {text}".strip()
                heard.clear()
            case Message(role="user") if runs:
                heard.append(text_of(item))
            case _:
                pass
    return tuple(runs.values())


def asked_for(runs: Iterable[WaitingRun], said: str) -> WaitingRun | None:
    """Return the run whose question ends the assistant's last words. The newest of several."""
    return next((run for run in reversed([*runs]) if ends_with(said, run.question)), None)


def ends_with(said: str, question: str) -> bool:
    """Return whether a text ends with a question, or with one whose last word was not heard."""
    heard, words = fold(said).rstrip(" -–—").split(), fold(question).split()
    if heard[-len(words) :] == words:
        return True
    cut = said.rstrip().endswith(("—", "–", "-")) and len(words) > UNHEARD_WORDS + 1
    begun = words[:-UNHEARD_WORDS]
    return cut and heard[-len(begun) :] == begun


def decided(
    runs: Sequence[WaitingRun], last_said: str, answer: str, language: str
) -> BrainReply | None:
    """Return what follows from a plain yes or no. None: the user said something else."""
    if not runs or (yes := consent(answer)) is None:
        return None
    run = asked_for(runs, last_said)
    if run is None:  # the answer is to something else, so that the question comes again
        return BrainReply(kind="ask", language=language, text=runs[-1].question, name=runs[-1].name)
    if yes:
        return BrainReply(kind="approve", language=language, name=run.name, call_id=run.call_id)
    others = [each.question for each in runs if each is not run][-1:]
    text = " ".join([PHRASES[language].not_done, *others])
    return BrainReply(
        kind="decline", language=language, text=text, name=run.name, call_id=run.call_id
    )


def reminded(
    reply: BrainReply, runs: Sequence[WaitingRun], said: Sequence[str], *, bye: bool
) -> BrainReply:
    """Ask again after an answer to something else. `said`: the assistant's words, newest first."""
    run = asked_for(runs, said[0]) if said else None
    if run is None or bye or reply.kind not in ("answer", "programme", "small", "unknown"):
        return reply
    if len(said) >= ASKED and all(ends_with(text, run.question) for text in said[:ASKED]):
        return reply
    return msgspec.structs.replace(reply, text=f"{reply.text} {run.question}")


def unrepeated(reply: BrainReply, runs: Iterable[WaitingRun]) -> BrainReply:
    """Return a reply, or the question of the run that waits for the very call of the reply."""
    if reply.kind != "call":
        return reply
    wanted = f"{reply.name} {json.dumps(reply.arguments, sort_keys=True)}"
    for run in runs:
        if _intent(run) == wanted:
            return BrainReply(kind="ask", language=reply.language, text=run.question, name=run.name)
    return reply


def _intent(call: FunctionCall | WaitingRun) -> str:
    """Return one text for all calls of a tool with equal arguments, as the server compares them."""
    try:
        arguments = json.dumps(json.loads(call.arguments or "{}"), sort_keys=True)
    except (ValueError, RecursionError):
        arguments = call.arguments
    return f"{call.name} {arguments}"


def _run(call: FunctionCall, question: str) -> WaitingRun:
    return WaitingRun(
        call_id=call.call_id, name=call.name, arguments=call.arguments, question=question
    )
