"""The private parts of aiortc and aioice that we use. A new version that changes one fails here.

Each of them fails in silence otherwise: a method with another name is never called, and the call
has no sound.
"""

from __future__ import annotations

import inspect
from importlib.metadata import version
from pathlib import Path

import pytest
from aioice import ice as aioice
from aiortc import RTCIceGatherer, RTCRtpReceiver, RTCRtpSender, RTCSctpTransport
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcrtpreceiver import StreamStatistics
from aiortc.rtcsctptransport import LOCAL_MAX_MESSAGE_SIZE, InboundStream

from vivavoce.transports.webrtc import without_pyav
from vivavoce.transports.webrtc.event_channel import LARGEST_MESSAGE
from vivavoce.transports.webrtc.rtp import RtpPacket

ROOT = Path(__file__).parents[3]


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("aiortc") == "1.16.0"
    assert '"aiortc==1.16.0"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        (RTCRtpSender._run_rtp, ["self", "codec"]),
        (RTCRtpSender._handle_rtcp_packet, ["self", "packet"]),
        (RTCRtpReceiver.receive, ["self", "parameters"]),
        (RTCRtpReceiver._run_rtcp, ["self"]),
        (RTCDtlsTransport._handle_rtp_data, ["self", "data", "arrival_time_ms"]),
        (RTCDtlsTransport._register_rtp_receiver, ["self", "receiver", "parameters"]),
        (RTCDtlsTransport._send_rtp, ["self", "data"]),
        (RTCSctpTransport._receive_data_chunk, ["self", "chunk"]),
        (aioice.Connection.get_component_candidates, ["self", "component", "addresses", "timeout"]),
        (aioice.server_reflexive_candidate, ["protocol", "stun_server"]),
    ],
)
def test_the_methods_have_these_parameters(method: object, parameters: list[str]) -> None:
    assert list(inspect.signature(method).parameters) == parameters  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("owner", "method", "text"),
    [
        (RTCRtpSender, "send", "self._run_rtp(parameters.codecs[0])"),
        (RTCRtpSender, "stop", "self.__rtp_started.wait()"),
        (RTCRtpSender, "stop", "self.__rtp_exited.wait()"),
        (RTCRtpSender, "_run_rtcp", "self.__octet_count"),
        (RTCRtpSender, "_run_rtcp", "self.__packet_count"),
        (RTCRtpSender, "_run_rtcp", "ntp_timestamp=self.__ntp_timestamp"),
        (RTCRtpSender, "_run_rtcp", "rtp_timestamp=self.__rtp_timestamp"),
        (RTCRtpReceiver, "stop", "self.__rtcp_task.cancel()"),
        (RTCRtpReceiver, "stop", "if self.__started:"),
        (RTCRtpReceiver, "_run_rtcp", "self.__remote_streams.items()"),
        (RTCIceGatherer, "__init__", "self._connection = Connection("),
        (RTCIceGatherer, "gather", "self._connection.gather_candidates()"),
        (RTCSctpTransport, "__init__", "self._advertised_rwnd = 1024 * 1024"),
        (RTCSctpTransport, "__init__", "self._inbound_streams"),
        (RTCSctpTransport, "__init__", "self._data_channel_queue"),
        (RTCSctpTransport, "__init__", "self._outbound_queue"),
        (RTCSctpTransport, "__init__", "self._sent_queue"),
        (RTCSctpTransport, "_receive_chunk", "self._receive_data_chunk(chunk)"),
        (RTCSctpTransport, "start", "self._remote_max_message_size = remoteCaps.maxMessageSize"),
        (InboundStream, "__init__", "self.reassembly"),
        (aioice.Connection, "gather_candidates", "self.get_component_candidates("),
        (aioice.Connection, "close", "self._protocols"),
        (aioice.Connection, "query_consent", "CONSENT_FAILURES"),
        (RTCDtlsTransport, "_recv_next", "self._handle_rtp_data(data, arrival_time_ms="),
    ],
)
def test_the_parts_are_used_as_they_were(owner: type, method: str, text: str) -> None:
    assert text in inspect.getsource(getattr(owner, method))


def test_the_version_of_aioice_is_the_one_that_was_read() -> None:
    assert version("aioice") == "0.13.0"


def test_a_vanished_client_is_noticed_within_half_a_minute() -> None:
    """Aioice asks every 5 s, and gives up after 6 answers that did not come (RFC 7675)."""
    assert aioice.CONSENT_INTERVAL * aioice.CONSENT_FAILURES <= 30


def test_the_largest_message_is_what_aiortc_announces() -> None:
    assert LOCAL_MAX_MESSAGE_SIZE == LARGEST_MESSAGE


def test_statistics_read_no_more_of_a_packet_than_ours_has() -> None:
    statistics = StreamStatistics(48_000)
    for number in range(3):
        statistics.add(RtpPacket(2 * number, 960 * number, 1, 111, b"\xd8"))  # type: ignore[arg-type]
    assert statistics.packets_lost == 2


def test_the_names_of_pyav_can_be_imported_and_not_used() -> None:
    from aiortc.codecs.opus import OpusEncoder

    assert without_pyav.aiortc.__version__ == "1.16.0"
    with pytest.raises(RuntimeError, match="PyAV's CodecContext is not there"):
        OpusEncoder()
