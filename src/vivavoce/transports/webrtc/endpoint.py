"""Answers the offers of `POST /v1/realtime/calls`, and attaches each client to a call.

    offer ─► validate ─► admit ─► listen ─► attach ─► answer
                                                └─► connected? ─► live ─► close

A peer that does not connect in time ends its call, so nothing stays behind.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from ...protocol import codec
from ...protocol.close_codes import CloseCode
from ...protocol.own_events import Closing
from ...runtime.call_registry import InProcessCallRegistry
from ...runtime.call_setup import AGAIN_S, AdmittedCall, CallSetup
from ...runtime.call_spec import CallRequest
from ...runtime.media_client import MediaClient
from ...runtime.refusals import CallRefused, busy
from ...runtime.signalling import Answer
from . import offers
from .ice import IceSettings, NoPortError
from .peer import Peer

log = logging.getLogger(__name__)


class WebRtcEndpoint:
    """The `Signalling` of this server."""

    def __init__(
        self,
        call_setup: CallSetup,
        registry: InProcessCallRegistry,
        *,
        settings: IceSettings,
        connect_within_s: float,
        max_pending: int,
        make_id: Callable[[str], str],
        count_packets: Callable[[Mapping[str, int]], None],
    ) -> None:
        """`max_pending`: calls that are set up, or whose peer is not connected yet.

        `count_packets` gets the packets of a call's user, by their fate, when it has ended.
        """
        self._call_setup = call_setup
        self._registry = registry
        self._settings = settings
        self._connect_within_s = connect_within_s
        self._room = max_pending
        self._make_id = make_id
        self._count_packets = count_packets

    async def answer(self, offer: str, request: CallRequest) -> Answer:
        """Set up a call for an offer. Raises `CallRefused` and `InvalidRequest`."""
        read = offers.read(offer)
        if self._room <= 0:
            message = f"Too many calls are being set up. Please try again in {AGAIN_S} seconds."
            raise busy(message, AGAIN_S)
        self._room -= 1
        try:
            call_id = self._make_id("rtc")
            call = await self._call_setup.admit_in_time(request, call_id=call_id)
            peer = Peer(self._settings)
            try:
                sdp = await _answered(peer, read)
                client = call.driver.attach_media(peer.audio, call.reader, events=peer.events)
                if call.spec.own_events:
                    call.tell_own_events(client.events)
                peer.join(client, self._goodbye if call.spec.own_events else None)
            except BaseException:
                call.driver.hang_up(CloseCode.ABNORMAL, "no answer")
                self._registry.spawn(_end(call, peer), call_id)
                raise
        except BaseException:
            self._room += 1
            raise
        self._registry.spawn(self._run(call, peer, client), call_id)
        return Answer(call_id, sdp)

    def _goodbye(self, code: int, reason: str) -> bytes:
        return codec.encode(Closing(event_id=self._make_id("event"), code=code, reason=reason))

    async def _run(self, call: AdmittedCall, peer: Peer, client: MediaClient) -> None:
        try:
            if not await peer.ready(self._connect_within_s):
                log.info("not_connected", extra={"call": call.spec.call_id})
                peer.end(CloseCode.ABNORMAL, "not connected")
        finally:
            self._room += 1
            await _end(call, peer)
            if packets := peer.packets():
                self._count_packets(packets)
                log.info("call_sound", extra={"call": call.spec.call_id, **packets})


async def _answered(peer: Peer, offer: offers.Offer) -> str:
    try:
        return await peer.answer(offer)
    except NoPortError:
        log.warning("no_port", extra={"setting": "webrtc.port_range"})
        raise _no_port() from None


async def _end(call: AdmittedCall, peer: Peer) -> None:
    """Run the call to its end, and close its peer."""
    try:
        await call.live()
    finally:
        await peer.close()


def _no_port() -> CallRefused:
    message = (
        "This server has no free UDP port for another call. Please try again in "
        f"{AGAIN_S} seconds, or connect by WebSocket."
    )
    return busy(message, AGAIN_S)
