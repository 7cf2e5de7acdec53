"""The gateway's machine: it stands between a client and an upstream that holds the session.

`session` is strict. The relay is tolerant, because the upstream validates what the client sends.

    glance ─► FORWARD   forward the bytes as they came, without decoding them
           └► TAKE      decode and fold them with `receive`, then forward the same bytes

    machine           what follows from each input
    call_state        the call's conversation, its heard part, and the last act of the user
    upstream_state    all state of one upstream connection; replaceable while the call goes on
      opening           the handshake with the upstream, and the frames that are held until it ends
      greeting          the assistant's greeting, which ends when the client asks for a response
      audio_accounting  how many milliseconds of audio were forwarded for an item
    frames            which frames the machine has to decode; the rewriting of single fields
    client_frames     what the upstream receives of a client's frame
    tools             the calls of the server's own tools: which it makes, and when to answer
    speech            the filler, and texts of tools, that the upstream's model says
    ending            what clients, the store and the log learn about the end of a call
    media             the audio for a client that does not play it by itself
      media_session     the formats and the rule for interruptions that the upstream confirmed
    effect_queue      effects in order

A call opens in two steps. The relay forwards nothing before the last one:

    relay: session.update ─► upstream: session.updated

The upstream may send `session.created` before it, or never. After the last step the client receives
`session.created` with the session that the upstream confirmed. It never receives the
`session.updated` of the relay's own update. The relay holds the client's frames meanwhile. The
assistant's session is part of the call's rules, so an upstream that refuses it ends the call.

After that, every frame of the upstream is forwarded, known or not. The relay decodes few of them:
those that change the conversation, which it folds like every other part of the server. Of an
item's audio it decodes the first delta only, and counts the others by their length.
"""

from .frames import Direction, Verdict
from .greeting import CANCEL_TIMEOUT_S
from .machine import Relay
from .opening import MAX_HELD_BYTES
from .upstream_state import OWN_EVENT

__all__ = ["CANCEL_TIMEOUT_S", "MAX_HELD_BYTES", "OWN_EVENT", "Direction", "Relay", "Verdict"]
