"""Describe a transport: a way in for clients beside HTTP and WebSockets.

The entry point has the name transport-NAME:

    [project.entry-points."vivavoce.adapters"]
    transport-audiosocket = "vivavoce_audiosocket:audiosocket"
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from ..config import Settings

S = TypeVar("S")


class Endpoint(Protocol):
    """Listens for clients of one transport, and gives each of them a call.

    An `Endpoint` may also dial out, to a broker or a gateway.
    """

    async def start(self) -> None:
        """Begin to listen. Return when clients can connect, or raise."""

    async def stop(self) -> None:
        """Listen no more, and close every connection. The server has ended the calls before."""


class _NoOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportSpec(Generic[S]):
    """Describe one transport and make its endpoint.

    `make` receives a `vivavoce.api.TransportServices`. The server calls it once, when its store
    and its registry are ready, and only if `vivavoce.toml` has the table `[transports.NAME]`.
    """

    kind: ClassVar[Literal["transport"]] = "transport"

    name: str
    make: Callable[[S], Awaitable[Endpoint]]
    settings_model: type[BaseModel] = _NoOptions
    """The type of the table `[transports.NAME]` in vivavoce.toml, without `required`."""

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("a transport has a name")

    def options(self, settings: Settings) -> BaseModel:
        """Return its settings. Raises pydantic's `ValidationError`."""
        return self.settings_model.model_validate(settings.transports.table(self.name))
