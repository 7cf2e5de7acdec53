"""The assistant's prompt in a relayed call, which the server may change while the call runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from ...protocol import client
from ..inputs import PromptRendered
from ..types import JsonObject

if TYPE_CHECKING:
    from msgspec import Raw

INSTRUCTIONS = "instructions"  # the field of the session


class RelayPrompt:
    """Knows whether the upstream uses the server's prompt, or instructions of a client."""

    def __init__(self) -> None:
        self._sent: object = None  # the prompt that the upstream was asked for last
        self._ours: set[object] = set()  # the same, as it was sent and as the upstream wrote it

    def asked(self, session: JsonObject) -> None:
        """Note the session that a new upstream was asked for."""
        self._sent = session.get(INSTRUCTIONS)
        self._ours = {self._sent}

    def opened(
        self, confirmed: Raw, session: JsonObject, event_id: str
    ) -> client.SessionUpdate | None:
        """Note the session that the upstream confirmed.

        Return the event that asks for a prompt of meanwhile, if there is one.
        """
        self._ours.add(_instructions(confirmed))
        if session.get(INSTRUCTIONS) == self._sent:
            return None
        return self._update(session.get(INSTRUCTIONS), event_id)

    def change(
        self, event: PromptRendered, latest: Raw | None, event_id: str
    ) -> client.SessionUpdate | None:
        """Return the event that asks for another prompt. None: a client's instructions stay.

        `latest`: the session that the upstream confirmed last, after its opening.
        """
        used = None if latest is None else _instructions(latest)
        if used is not None and used not in self._ours:
            return None
        return self._update(event.instructions, event_id)

    def _update(self, instructions: object, event_id: str) -> client.SessionUpdate:
        self._sent = instructions
        self._ours.add(instructions)
        session: JsonObject = {"type": "realtime", INSTRUCTIONS: instructions}
        return client.SessionUpdate(event_id=f"{event_id}prompt", session=session)


class _Session(msgspec.Struct):
    instructions: str | None = None


def _instructions(session: Raw) -> object:
    """Return the instructions of an upstream's session. None: it names none."""
    try:
        return msgspec.json.decode(session, type=_Session).instructions
    except (ValueError, RecursionError):
        return None
