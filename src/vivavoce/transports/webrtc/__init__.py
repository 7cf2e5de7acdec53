"""Calls over WebRTC: sound in RTP packets, events on the data channel `oai-events`.

Importing this package imports aiortc, without PyAV; `ImportError` if the extra `webrtc` is missing.

    endpoint        answers an SDP offer, and attaches the client to a call
    offers          reads an offer, and completes the answer
    peer            one peer connection, with the two connections of its client
    ice             the addresses and ports on which it listens
    event_channel   the data channel `oai-events`
    sctp_bounds     what aiortc may keep of messages that are not complete
    peer_audio      connects the sound of one call to aiortc's private parts
    incoming_audio  from RTP packets to PCM
    outgoing_audio  from PCM to RTP packets, without a gap
    packet_window   puts packets in order, and says what to do about each missing one
    rtp             reads and writes the header of an RTP packet
    opus            one encoder or decoder of one call
    libopus         finds the codec's library, and declares its functions
    without_pyav    lets aiortc be imported without PyAV
"""

from . import without_pyav as without_pyav
