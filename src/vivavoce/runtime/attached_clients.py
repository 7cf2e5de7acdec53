"""The clients of one call: its own client, and the sidebands that control it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from ..core.effects import ClientId
from .client_port import ClientPort

Port = TypeVar("Port", bound=ClientPort)


class AttachedClients:
    """Knows the clients of a call, and whether they keep up with it."""

    def __init__(self) -> None:
        # `remove` makes a new list, so a client may leave while another method iterates over it.
        self.all: list[ClientPort] = []
        self._last_id = 0  # ids are not reused: an answer to a late event goes to no other client

    def add(self, make: Callable[[ClientId], Port]) -> Port:
        """Attach a client. `make` returns its port, which keeps the id it gets."""
        self._last_id += 1
        client = make(self._last_id)
        self.all.append(client)
        return client

    def remove(self, client_id: ClientId) -> None:
        self.all = [client for client in self.all if client.id != client_id]

    def find(self, client_id: ClientId) -> ClientPort | None:
        return next((client for client in self.all if client.id == client_id), None)

    def open(self) -> list[ClientPort]:
        """Return the clients whose connection is not closing."""
        return [client for client in self.all if not client.closed]

    @property
    def sidebands(self) -> int:
        """The number of open sidebands."""
        return sum(client.sideband for client in self.open())

    @property
    def has_own(self) -> bool:
        """True while the call's own client is open. Without it the call ends."""
        return any(not client.sideband for client in self.open())

    def has_room(self) -> bool:
        """Return whether every client that the call waits for keeps up. Sidebands do not count."""
        for client in self.all:  # noqa: SIM110 - a generator costs more, and this runs for every input
            if client.full and not client.sideband:
                return False
        return True

    def over_high_water(self) -> bool:
        """Return whether a sideband's commands must wait, because the call's client is behind."""
        return any(client.over_high_water for client in self.all if not client.sideband)

    def next_deadline(self, due: float | None) -> float | None:
        """Return `due`, or the earlier time at which a client that is behind must be closed."""
        for client in self.all:
            if (at := client.deadline()) is not None and (due is None or at < due):
                due = at
        return due

    def overdue(self, now: float) -> Iterator[ClientPort]:
        """Yield the clients that are still behind at their deadline."""
        for client in self.open():
            if (at := client.deadline()) is not None and now >= at:
                yield client
