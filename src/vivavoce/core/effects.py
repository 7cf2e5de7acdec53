"""Everything a machine can ask of the outside world. Asking never waits."""

from __future__ import annotations

from dataclasses import dataclass

from ..audio import g711
from ..protocol.config import SessionConfig
from ..protocol.items import FunctionCall, Item
from ..protocol.server import ServerEvent

ClientId = int  # one of the clients attached to a call


@dataclass(frozen=True, slots=True)
class Send:
    """Tell one client, or all of them."""

    event: ServerEvent
    to: ClientId | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """True, folded and stored like anything sent, but nobody asked to be told."""

    event: ServerEvent


@dataclass(frozen=True, slots=True)
class Listen:
    """The user may be speaking: hear this, and what `ListenTo` brings."""

    item_id: str
    pre_roll: bytes
    language: str | None = None  # what the session says is spoken
    logprobs: bool = False  # does the client want to know how sure each word is?
    law: g711.Law | None = None  # `pre_roll` is a whole sound in G.711, at 8 kHz


@dataclass(frozen=True, slots=True)
class ListenTo:
    item_id: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class ListenEnd:
    """That was all of it: what were the words?"""

    item_id: str


@dataclass(frozen=True, slots=True)
class ListenDrop:
    """Nobody wants the words any more."""

    item_id: str


@dataclass(frozen=True, slots=True)
class ScoreEndOfTurn:
    """The user falls silent: are they done, by the sound of it? `PauseJudged` answers.

    `sound`: the last seconds, PCM16 at 24 kHz, with the pause so far. Asked anew at each pause:
    who is still busy with an older one may stop.
    """

    item_id: str
    pause: int
    sound: bytes


@dataclass(frozen=True, slots=True)
class Respond:
    """Make this response. Its sound is PCM16 at 24 kHz; whoever writes the `AudioDelta`s encodes
    it to `config.audio.output.format`, which stays this response's even if the session moves on.
    """

    response_id: str
    config: SessionConfig  # the session's, with what this response does otherwise
    history: tuple[Item, ...]
    paced: bool = True  # somebody listens while it is made: do not run far ahead
    verbatim: str | None = None  # say just this: nobody has to think


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop work on this response. Whatever it still produces will be ignored."""

    response_id: str


@dataclass(frozen=True, slots=True)
class Hush:
    """Throw away what of this item waits to be played."""

    item_id: str


@dataclass(frozen=True, slots=True)
class CallTool:
    call: FunctionCall


@dataclass(frozen=True, slots=True)
class ForwardToClients:
    """Tell the clients what an upstream said, in its own bytes. `event`: what it means, if known.

    `sidebands`: the control connections too.
    """

    data: bytes
    event: ServerEvent | None
    sidebands: bool = True


@dataclass(frozen=True, slots=True)
class SendUpstream:
    """Tell the upstream."""

    data: bytes


@dataclass(frozen=True, slots=True)
class CloseUpstream:
    """Close the connection to the upstream."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class CloseCall:
    code: int
    reason: str


EventEffect = Send | Record
"""Effects of every machine: an event that is true."""

ListeningEffect = Listen | ListenTo | ListenEnd | ListenDrop | ScoreEndOfTurn
"""Work for a recogniser."""

EngineEffect = ListeningEffect | Respond | CallTool
"""Work for an engine and its tools."""

UpstreamEffect = SendUpstream | CloseUpstream
"""Work for the connection to an upstream."""

DriverEffect = EventEffect | ForwardToClients | Cancel | Hush | CloseCall
"""Effects that a driver performs itself, whichever machine it drives."""

SessionEffect = EventEffect | EngineEffect | Cancel | Hush | CloseCall
TranscriptionEffect = EventEffect | ListeningEffect | CloseCall
RelayEffect = EventEffect | UpstreamEffect | ForwardToClients | CloseCall
Effect = SessionEffect | TranscriptionEffect | RelayEffect
