"""What a driver needs of the machine that it owns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from ..core.effects import ClientId, DriverEffect
from ..core.inputs import DriverInput

In = TypeVar("In")
In_contra = TypeVar("In_contra", contravariant=True)
Eff = TypeVar("Eff")
Eff_co = TypeVar("Eff_co", covariant=True)


class Machine(Protocol[In_contra, Eff_co]):
    """The rules of a call, such as `core.session.Session` or `core.relay.Relay`.

    `In_contra`: the inputs that it takes. `Eff_co`: the work that it requests.
    """

    closed: bool

    def receive(
        self, event: In_contra | DriverInput, now: float, client_id: ClientId | None = None
    ) -> None:
        """Take one input of the kind that this machine understands."""

    def effects(self) -> Sequence[DriverEffect | Eff_co]: ...

    def next_deadline(self) -> float | None: ...

    def on_deadline(self, now: float) -> None: ...
