"""Calls over WebRTC: sound in RTP packets, events on the data channel `oai-events`.

Importing this package imports aiortc, without PyAV; `ImportError` if the extra `webrtc` is missing.

libopus         finds the codec's library, and declares its functions
opus            one encoder or decoder of one call
rtp             reads and writes the header of an RTP packet
packet_window   puts packets in order, and says what to do about each missing one
incoming_audio  from RTP packets to PCM
outgoing_audio  from PCM to RTP packets, without a gap
without_pyav    lets aiortc be imported without PyAV
peer_audio      connects the sound of one call to aiortc's private parts
"""

from . import without_pyav as without_pyav
