"""What takes too long at the door is told, and who is told so may come again."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

from vivavoce.net.websocket import Frame, Socket
from vivavoce.runtime.hub import Hub
from vivavoce.runtime.planning import Knock
from vivavoce.runtime.reception import Reception
from vivavoce.transports.websocket import ADMIT_WITHIN_S, Door

from ..support.virtual_time import live


class Slow:
    """A reception that prepares what an assistant needs, on a machine that is busy."""

    async def admit(self, knock: Knock, **ids: str | None) -> None:
        await asyncio.sleep(ADMIT_WITHIN_S * 10)


class Ear(Socket):
    """Who stands outside, and what they are told."""

    def __init__(self) -> None:
        super().__init__(largest=1024)
        self.told: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None

    def write(self, data: Frame) -> None:
        self.told.append(json.loads(bytes(data)))

    def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)


def test_a_call_that_cannot_be_set_up_in_time_may_be_tried_again() -> None:
    async def story() -> None:
        ear = Ear()
        async with Hub() as hub:
            door = Door(
                cast("Reception", Slow()),
                hub,
                largest=1024,
                secure=False,
                origins=(),
                strangers=1,
                make_id=lambda kind: f"{kind}_1",
            )
            hub.spawn(door._live(ear, Knock("key", "websocket", {}), "rtc_1", None), "call")
            await asyncio.sleep(ADMIT_WITHIN_S + 1)
        (error,) = ear.told
        assert (error["error"]["type"], error["error"]["code"]) == ("server_error", "server_busy")
        assert error["error"]["retry_after"] == 5
        assert ear.closed == (1013, "server_error.server_busy")

    live(story())
