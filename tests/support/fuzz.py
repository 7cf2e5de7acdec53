"""Random frames, always the same for a seed, and the session that gets them.

A frame is a valid event of `tests/protocol/samples.py` with some of it replaced, dropped, doubled
or buried; half of them name real items and responses. The listener is a session with an engine that
does anything at any time. After each frame the rules hold: no exception but `InvalidRequest`, every
event grammatical, and a refused frame has changed nothing.
"""

from __future__ import annotations

import copy
import json
import random
from collections import Counter, deque
from typing import Any

import msgspec

from vivavoce.core.call_settings import CallSettings
from vivavoce.core.conversation import Conversation
from vivavoce.core.effects import Listen, Record, Respond, Send
from vivavoce.core.inputs import (
    AudioReceived,
    CutShort,
    Failed,
    Finished,
    HungUp,
    InvalidFrame,
    NotTranscribed,
    OutputChunk,
    PartialTranscript,
    SessionInput,
    ToolRequested,
    Transcribed,
)
from vivavoce.core.limits import Limits
from vivavoce.core.session import Session
from vivavoce.errors import InvalidRequest
from vivavoce.protocol import client, codec, server
from vivavoce.protocol.grammar import Grammar
from vivavoce.protocol.items import FunctionCall

from ..protocol.samples import CLIENT
from .scenario import config, numbered_ids

FRAMES_A_CALL = 120
SMALL = Limits(items=40, item_bytes=4000, conversation_bytes=20_000, session_bytes=8000)

EVENTS: list[dict[str, Any]] = [json.loads(codec.encode(event)) for event in CLIENT]
PLAIN: list[dict[str, Any]] = [
    {"type": "response.create"},
    {"type": "response.create", "response": {"conversation": "none"}},
    {"type": "response.cancel"},
    {"type": "input_audio_buffer.append", "audio": "AAAA" * 1600},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "conversation.item.create", "item": {"type": "message", "role": "user"}},
    {"type": "conversation.item.delete", "item_id": "?"},
    {"type": "conversation.item.retrieve", "item_id": "?"},
    {"type": "conversation.item.truncate", "item_id": "?", "content_index": 0, "audio_end_ms": 1},
]
PLAIN += [
    {"type": "session.update", "session": {"type": "realtime", "audio": {"input": wish}}}
    for wish in (
        {"turn_detection": None},
        {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 5000}},
        {"turn_detection": {"type": "semantic_vad"}},
        {"format": {"type": "audio/pcmu"}},
        {"transcription": {"model": "whisper-1"}},
    )
]
KEYS = sorted({key for event in EVENTS for key in event} | {"role", "content", "id", "a", ""})
JUNK: list[Any] = [
    None, True, 0, -1, 1.5, 2**53 + 1, 2**64, -(2**63), 10**400, 1e300, "", "root", "auto", "none",
    "x" * 600, "\0", "\u2028", "é" * 50, "🙂", "🙂" * 300, "AAA", "AAAA", "null", [], {}, [[]],
    [{}], {"type": "realtime"}, {"type": "message"}, {"id": "?"}, "message", "inf",
]  # fmt: skip
NESTED = (b'{"a":', b"[", b'{"a":[')


class Fuzzer:
    """Frames, one after the other."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self.known: deque[str] = deque(["root", "nothing"], maxlen=12)  # ids that may exist

    def frame(self) -> bytes:
        dice = self._dice
        event = json.loads(json.dumps(dice.choice(PLAIN if dice.random() < 0.5 else EVENTS)))
        self._name(event)
        for _ in range(dice.choice((0, 0, 0, 1, 1, 2, 4))):
            event = self._changed(event)
        data = json.dumps(event, ensure_ascii=dice.random() < 0.5).encode("utf-8", "replace")
        return self._damaged(data) if dice.random() < 0.15 else data

    def _name(self, event: dict[str, Any]) -> None:
        """Ids that are real, mostly."""
        for key in ("item_id", "previous_item_id", "response_id"):
            if key in event and self._dice.random() < 0.8:
                event[key] = self._dice.choice(self.known)
        if self._dice.random() < 0.3:
            event["event_id"] = f"mine_{self._dice.randrange(9)}"
        item = event.get("item")
        if isinstance(item, dict) and self._dice.random() < 0.7:
            item.pop("id", None)

    def _changed(self, event: Any) -> Any:  # noqa: ANN401
        """Go somewhere inside, and do something wrong there."""
        dice, inside = self._dice, event
        while True:
            inner = [v for v in _values(inside) if isinstance(v, dict | list) and v]
            if not inner or dice.random() < 0.4:
                break
            inside = dice.choice(inner)
        if not isinstance(inside, dict | list):
            return self._junk()
        keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
        key: Any = dice.choice(keys) if keys else None
        match dice.randrange(6):
            case 0 | 1 if keys:
                inside[key] = self._junk([*JUNK, *self.known])
            case 2 if keys:
                del inside[key]
            case 3 if isinstance(inside, dict):
                inside[dice.choice(KEYS)] = self._junk()
            case 4 if keys:
                inside[key] = [inside[key]] if dice.random() < 0.5 else {"type": inside[key]}
            case 5 if isinstance(inside, list):
                inside *= dice.choice((0, 2, 20))
            case _ if dice.random() < 0.1:
                return self._junk()
        return event

    def _junk(self, junk: list[Any] = JUNK) -> Any:  # noqa: ANN401
        return copy.deepcopy(self._dice.choice(junk))

    def _damaged(self, data: bytes) -> bytes:
        dice = self._dice
        at = dice.randrange(len(data) + 1)
        match dice.randrange(7):
            case 0:
                return data[:at]
            case 1:
                return data[:at] + dice.randbytes(dice.randrange(1, 4)) + data[at:]
            case 2:
                return data[:at] + data[at + 1 :]
            case 3:
                return dice.choice(NESTED) * dice.choice((10, 70, 3000)) + data
            case 4:  # a key twice
                return data[:1] + b'"type":"response.cancel",' + data[1:]
            case 5:
                return data.replace(b":", dice.choice((b":NaN,", b":-", b":1e999", b"::")), 1)
            case _:
                return data.replace(b'"', dice.choice((b'"\\ud800', b'"\\u0000', b"'")), 3)


def _values(inside: Any) -> list[Any]:  # noqa: ANN401
    if isinstance(inside, dict):
        return list(inside.values())
    return list(inside) if isinstance(inside, list) else []


class Call:
    """A session among people and an engine who all do as they please."""

    def __init__(self, fuzzer: Fuzzer, dice: random.Random) -> None:
        self._fuzzer = fuzzer
        self._dice = dice
        self._now = 0.0
        self._grammar = Grammar()
        self._told = Conversation()
        self._heard: deque[str] = deque(maxlen=4)
        self._asked: deque[str] = deque(maxlen=4)
        self.seen: Counter[str] = Counter()  # error codes, and what was taken
        ids = numbered_ids()
        self.session = Session(
            config(),
            CallSettings(
                limits=SMALL,
                thinks_in_text=True,
                plays_out=dice.random() < 0.3,
                greeting="Hello!" if dice.random() < 0.2 else None,
                server_tools=frozenset({"lookup"}),
            ),
            now=0.0,
            new_id=lambda kind: (
                f"{ids(kind)}_{dice.randrange(2**32)}"
            ),  # the next cannot be guessed
        )
        self._collect()

    def take(self, frame: bytes) -> None:
        """Decode a frame as a reader does, pass it to the session, and check the session."""
        self._let_time_pass()
        if self.session.closed:
            return
        try:
            event = codec.decode(frame)
        except InvalidRequest as error:
            self._tell(InvalidFrame(error), refused=True)
            return
        assert codec.decode(codec.encode(event)) == event
        if isinstance(event, client.AudioAppend):
            self._hear(event.audio)
        else:
            self._tell(event)
        if self._dice.random() < 0.4 and not self.session.closed:
            self._tell(self._work())

    def hang_up(self) -> None:
        if not self.session.closed:
            self._tell(HungUp())
        self._grammar.end()
        assert list(self._told) == list(self.session.conversation)

    def _hear(self, pcm: bytes) -> None:
        pcm = pcm[: len(pcm) & ~1]
        frames = len(pcm) // 1536
        loud = self._dice.random() < 0.6
        self._tell(AudioReceived(pcm, (float(loud),) * frames))

    def _work(self) -> SessionInput:
        dice = self._dice
        response = dice.choice([*self._asked, "resp_nothing"])
        item = dice.choice([*self._heard, "item_nothing"])
        call = FunctionCall(call_id=f"c{dice.random()}", name="lookup", arguments="{}")
        happenings: list[SessionInput] = [
            OutputChunk(response, "word "), OutputChunk(response, "", bytes(4800)),
            OutputChunk(response, "w", bytes(9)),
            ToolRequested(response, call), Finished(response), Finished(response),
            CutShort(response, "content_filter"), Failed(response, "oops"),
            PartialTranscript(item, "a b"),
            Transcribed(item, "a b c"), Transcribed(item, ""), NotTranscribed(item, "noise"),
        ]  # fmt: skip
        return dice.choice(happenings)

    def _let_time_pass(self) -> None:
        self._now += self._dice.choice((0.0, 0.01, 0.1, 7.0))
        due = self.session.next_deadline()
        if due is not None and due <= self._now:
            self.session.on_deadline(self._now)
            self._collect()

    def _tell(self, event: SessionInput, *, refused: bool = False) -> None:
        before = self._state()
        self.session.receive(event, self._now, 1)
        sent = self._collect()
        errors = [e for e in sent if isinstance(e, server.Error)]
        if isinstance(event, client.Command | InvalidFrame) and errors:
            assert len(sent) == 1
            assert self._state() == before
        assert bool(errors) or not refused

    def _state(self) -> tuple[object, ...]:
        session = self.session
        return session.config, tuple(session.conversation), session.reply and session.reply.id

    def _collect(self) -> list[server.ServerEvent]:
        sent: list[server.ServerEvent] = []
        for effect in self.session.effects():
            if isinstance(effect, Send | Record):
                codec.encode(effect.event)
                self._grammar.take(effect.event)
                self._told.apply(effect.event)
                sent.append(effect.event)
                self._learn(effect.event)
            elif isinstance(effect, Listen):
                self._heard.append(effect.item_id)
            elif isinstance(effect, Respond):
                self._asked.append(effect.response_id)
        return sent

    def _learn(self, event: server.ServerEvent) -> None:
        self.seen[str(event.__struct_config__.tag)] += 1
        match event:
            case server.Error(error=error):
                assert len(msgspec.json.encode(error)) < 4000, "it is not said back whole"
                self.seen[error.code or ""] += 1
            case server.ItemAdded(item=item):
                self._fuzzer.known.append(item.id)
            case server.ResponseCreated(response=response):
                self._fuzzer.known.append(response.id)


def fuzz(seed: int, frames: int) -> Counter[str]:
    """So many frames, in as many calls as that takes. What came of them, by name."""
    fuzzer, dice = Fuzzer(seed), random.Random(seed + 1)
    seen: Counter[str] = Counter()
    call = Call(fuzzer, dice)
    for number in range(1, frames + 1):
        frame = fuzzer.frame()
        try:
            call.take(frame)
        except Exception as error:
            error.add_note(f"seed {seed}, frame {number}: {frame[:2000]!r}")
            raise
        if number % FRAMES_A_CALL == 0 or call.session.closed:
            call.hang_up()
            seen += call.seen
            call = Call(fuzzer, dice)
    return seen + call.seen
