"""Make what calls over WebRTC need, from the settings."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Mapping
from datetime import timedelta

from .. import web_address
from ..config import Settings
from ..errors import VivavoceError
from ..runtime.call_registry import InProcessCallRegistry
from ..runtime.call_setup import CallSetup
from ..runtime.ice_servers import IceServers
from ..runtime.signalling import NoSignalling, Signalling

log = logging.getLogger(__name__)

DISABLED = "Its operator has switched them off (webrtc.enabled)."
NO_CODEC = "The audio codec libopus is missing. Its operator finds the reason in the log."
NOT_INSTALLED = "Its operator installs them with: pip install 'vivavoce[webrtc]'"


def ice_servers(settings: Settings) -> IceServers:
    """Return the servers that pages use."""
    section = settings.webrtc
    secret = section.turn_secret.get_secret_value() if section.turn_secret else ""
    longest = timedelta(minutes=settings.calls.max_minutes)
    return IceServers(section.stun, section.turn, secret, longest)


def signalling(
    settings: Settings,
    call_setup: CallSetup,
    registry: InProcessCallRegistry,
    make_id: Callable[[str], str],
    count_packets: Callable[[Mapping[str, int]], None],
) -> Signalling:
    """Return what answers offers. Without its packages it refuses them, and says how to repair.

    `count_packets` gets the packets of each call's user, by their fate.
    """
    section = settings.webrtc
    if not section.enabled:
        return NoSignalling(DISABLED)
    try:
        from ..transports.webrtc import libopus
        from ..transports.webrtc.endpoint import WebRtcEndpoint
        from ..transports.webrtc.ice import IceSettings
    except ImportError as error:
        log.warning("webrtc_not_installed", extra={"package": error.name})
        return NoSignalling(NOT_INSTALLED)
    try:
        libopus.load()
    except VivavoceError as error:
        log.warning("webrtc_without_libopus", extra={"reason": str(error)})
        return NoSignalling(NO_CODEC)
    loopback = section.loopback
    return WebRtcEndpoint(
        call_setup,
        registry,
        settings=IceSettings(
            bind=section.bind,
            loopback=_is_loopback(settings.server.host) if loopback is None else loopback,
            ports=section.port_range,
            public_address=section.public_address,
            stun=web_address.ice_host_port(section.stun[0]) if section.stun else None,
        ),
        connect_within_s=section.connect_timeout_s,
        max_pending=settings.calls.max_pending_connections,
        make_id=make_id,
        count_packets=count_packets,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
