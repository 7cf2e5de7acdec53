"""A recorded session told again: its client's frames to a server of ours, and the answers compared.

The recording allows these differences (protocol §4.4):

- Events belong to *strands*. A strand is the session, a response with the items it makes, an item
  of the user from its first sound to `conversation.item.done`, or the words of one item. Within a
  strand ours come in the recorded order. Between strands there is one order only: a response begins
  after the items that were there before it. (`grammar` holds our stream to the rest.)
- Pieces are a matter of taste: how many deltas there are, how long, and how those of sound, words
  and transcripts interleave. That there are some is not.
- Ids are ours, but the same where the recording's are the same, and different where different.
- Each recorded field is there with the recorded value, or, where a value is a matter of the
  moment, with a value of its JSON type.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from .official import accept
from .sounds import spoken

REAL = Path(__file__).parents[1] / "recordings/real"
ANSWER_TIMEOUT_S = 30.0
SILENCE_MS = 1_000

Event = dict[str, Any]

_IDS = {"id", "item_id", "previous_item_id", "call_id", "response_id", "conversation_id"}
_OF_THE_MOMENT = {
    *("event_id", "expires_at", "audio_start_ms", "audio_end_ms", "delta", "obfuscation"),
    *("total_tokens", "input_tokens", "output_tokens", "text_tokens", "audio_tokens"),
    *("cached_tokens", "image_tokens", "seconds", "limit", "remaining", "reset_seconds"),
}
UNSAID = {
    "output_audio_buffer.started": "only where the server feeds the loudspeaker",
    "output_audio_buffer.stopped": "only where the server feeds the loudspeaker",
}
"""What a recording has and a WebSocket of ours does not."""

UNASKED = {"rate_limits.updated": "Azure sends none, and some recordings end before it"}
"""What ours may have though the recording has it not."""

EXCUSED = {
    ("response.content_part.added", "content"): "Azure says `part` twice (protocol §1.12)",
    ("response.content_part.done", "content"): "Azure says `part` twice (protocol §1.12)",
    ("conversation.item.done", "previous_item_id"): "upstream forgets it (protocol §4.3)",
    ("conversation.item.input_audio_transcription.completed", "usage.seconds"): "whole seconds, "
    "or exact ones (protocol §6.2)",
}
"""Fields that may differ in more than their value, each with the reason."""


@dataclass(frozen=True)
class Recording:
    name: str
    frames: tuple[tuple[str, Event], ...]

    @classmethod
    def load(cls, name: str) -> Recording:
        lines = map(json.loads, (REAL / f"{name}.jsonl").read_text().splitlines())
        said = [(line["direction"], line["data"]) for line in lines if line["kind"] == "message"]
        return cls(name, tuple(said))

    @property
    def received(self) -> list[Event]:
        return [event for direction, event in self.frames if direction == "received"]

    @property
    def is_sideband(self) -> bool:
        return bool(self.received[0]["type"] != "session.created")

    @property
    def model(self) -> str:
        return str(self._session["model"])

    @property
    def _session(self) -> Event:
        """The first that is shown: of a sideband, the first echo."""
        return next(e["session"] for e in self.received if e["type"].startswith("session."))

    def write(self, assistants: Path) -> None:
        """Return an assistant that stands in for the recorded one."""
        folder = assistants / self.name
        folder.mkdir(parents=True)
        audio = self._session["audio"]
        turns = audio["input"]["turn_detection"]
        said = {
            "name": self.name,
            "engine": "scripted",
            "instructions.default": self._session["instructions"],
            "scripted.script": "script.json",
            "voice.name": audio["output"]["voice"],
            "turns.silence_duration_ms": turns["silence_duration_ms"],
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in said.items()]
        (folder / "assistant.toml").write_text("\n".join(lines))
        (folder / "script.json").write_text(json.dumps(self._script()))

    def _script(self) -> Event:
        heard = [e["transcript"] for e in self.received if e["type"].endswith(".completed")]
        asked, rules = "", []
        for event in self.received:
            item = event.get("item", {})
            if event["type"] == "conversation.item.done" and item.get("role") == "user":
                asked = item["content"][0].get("text") or heard[0]
            elif event["type"] == "conversation.item.done" and "output" in item:
                asked = item["output"]
            elif event["type"] == "response.done":
                rules.append({"when": asked, **_answer(event["response"]["output"])})
        return {"heard": heard or ["hello"], "rules": rules}


def _answer(output: list[Event]) -> Event:
    said = [part for item in output for part in item.get("content", ())]
    calls = [item for item in output if item["type"] == "function_call"]
    return {
        "say": " ".join(part.get("text") or part["transcript"] for part in said),
        "calls": [{"name": c["name"], "arguments": json.loads(c["arguments"])} for c in calls],
    }


# Telling it again


async def replay(recording: Recording, url: str, key: str) -> list[Event]:
    """Return what this server answers to the recorded client, up to the end of the recording.

    Each frame is sent once we have heard what the recorded client had heard by then.
    """
    told = _Told()
    async with _connection(recording, url, key) as socket:

        async def listen() -> None:
            try:
                while True:
                    told.hear(await socket.recv(decode=False))
            except ConnectionClosed:
                told.hear(None)

        listening = asyncio.create_task(listen())
        heard: list[Event] = []
        audio_cache = _speech(recording)
        for direction, event in recording.frames:
            if direction == "received":
                heard.append(event)
                continue
            await told.at_least(heard)
            ours = _translated(event, _ids(pairs(heard, told.events)))
            if event["type"] == "input_audio_buffer.append":
                ours["audio"] = next(audio_cache)
            await socket.send(json.dumps(ours))
        await told.at_least(heard)
        await socket.send('{"type":"input_audio_buffer.clear"}')  # a full stop
        await told.at_least([*heard, {"type": "input_audio_buffer.cleared"}])
        await socket.close()
        await listening
    assert told.events.pop()["type"] == "input_audio_buffer.cleared"
    return told.events


@asynccontextmanager
async def _connection(recording: Recording, url: str, key: str) -> AsyncIterator[ClientConnection]:
    """Connect as the recorded client did: a sideband joins a call of another client."""
    how: Any = {"additional_headers": {"Authorization": f"Bearer {key}"}, "max_size": None}
    async with connect(f"{url}?model={recording.model}&assistant={recording.name}", **how) as call:
        if not recording.is_sideband:
            yield call
            return
        assert call.response is not None
        call_id = call.response.headers["Vivavoce-Call-Id"]
        async with connect(f"{url}?call_id={call_id}", **how) as sideband:
            listening = asyncio.create_task(_listen_to_nothing(call))
            yield sideband
        await call.close()
        await listening


async def _listen_to_nothing(call: ClientConnection) -> None:
    async for _ in call:
        pass


@dataclass
class _Told:
    events: list[Event] = field(default_factory=list)
    closed: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, data: bytes | None) -> None:
        if data is None:
            self.closed = True
        else:
            accept(data)
            self.events.append(json.loads(data))
        self.news.set()

    async def at_least(self, recorded: Sequence[Event]) -> None:
        """Wait until ours are as many of each type, pieces apart."""
        needed = Counter(e["type"] for e in recorded if not _piece(e) and e["type"] not in UNSAID)
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            while needed - Counter(e["type"] for e in self.events):
                assert not self.closed, "the server hung up"
                self.news.clear()
                await self.news.wait()


def _speech(recording: Recording) -> Iterator[str]:
    """Return speech and then silence, in place of the recorded audio, which was cut."""
    count = sum(e["type"] == "input_audio_buffer.append" for _, e in recording.frames)
    pcm = spoken("thanks_rms") + bytes(SILENCE_MS * 48)
    size = -(-len(pcm) // max(count, 1) // 2) * 2
    for index in range(count):
        yield base64.b64encode(pcm[index * size : (index + 1) * size]).decode()


def _translated(value: Any, ids: dict[str, str]) -> Any:  # noqa: ANN401
    """Return the client's frame with the recorded ids replaced by this server's ids."""
    if isinstance(value, dict):
        return {k: _translated(v, ids) for k, v in value.items()}
    if isinstance(value, list):
        return [_translated(v, ids) for v in value]
    return ids.get(value, value) if isinstance(value, str) else value


# Comparing


def strands(events: Sequence[Event]) -> dict[str, list[Event]]:
    """Group the events by strand. The deltas of each type form a strand of their own."""
    names = _Names()
    found: dict[str, list[Event]] = {}
    for event in events:
        if event["type"] not in UNSAID:
            name = names.of(event)
            name = f"{name}, {event['type']}" if _piece(event) else name
            found.setdefault(name, []).append(event)
    return found


class _Names:
    """Names of strands that are equal in both streams: by kind, and in order of appearance."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._count = Counter[str]()

    def of(self, event: Event) -> str:
        kind = event["type"]
        if response := event.get("response_id") or event.get("response", {}).get("id"):
            name = self._name("response", response)
            if kind == "response.output_item.added":
                self._known[event["item"]["id"]] = name
            return name
        if item := event.get("item_id") or event.get("item", {}).get("id"):
            name = self._name("item", item)
            return f"words of {name}" if "transcription" in kind else name
        return str(kind)

    def _name(self, kind: str, id: str) -> str:
        if id not in self._known:
            self._count[kind] += 1
            self._known[id] = f"{kind} {self._count[kind]}"
        return self._known[id]


def _piece(event: Event) -> bool:
    return str(event["type"]).endswith(".delta")


def _answered(events: Sequence[Event]) -> dict[str, set[str]]:
    """For each response, the strands of items that were whole when it began."""
    names, whole = _Names(), set[str]()
    found: dict[str, set[str]] = {}
    for event in events:
        name = names.of(event)
        if event["type"] == "conversation.item.done" and name.startswith("item"):
            whole.add(name)
        elif event["type"] == "response.created":
            found[name] = set(whole)
    return found


def pairs(recorded: Sequence[Event], ours: Sequence[Event]) -> Iterator[tuple[Event, Event]]:
    """Each recorded event with ours in the same place of the same strand, as far as there is.

    All our pieces are held to the first of the recording's.
    """
    mine = strands(ours)
    for name, events in strands(recorded).items():
        theirs = itertools.repeat(events[0]) if _piece(events[0]) else events
        yield from zip(theirs, mine.get(name, ()), strict=False)


def _ids(aligned: Iterator[tuple[Event, Event]]) -> dict[str, str]:
    """Map recorded ids to this server's. Raise if the mapping is not one to one."""
    found: dict[str, str] = {}
    for theirs, mine in aligned:
        for id, other in _same(theirs, mine):
            assert found.setdefault(id, other) == other, f"{id} is {found[id]} and {other}"
    assert len(set(found.values())) == len(found), "different things have the same id"
    return found


def _same(theirs: Any, mine: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    if isinstance(theirs, dict) and isinstance(mine, dict):
        for key in theirs.keys() & mine.keys():
            one, other = theirs[key], mine[key]
            if key in _IDS and isinstance(one, str) and isinstance(other, str):
                yield one, other
            else:
                yield from _same(one, other)
    elif isinstance(theirs, list) and isinstance(mine, list):
        for one, other in zip(theirs, mine, strict=False):
            yield from _same(one, other)


@dataclass(frozen=True)
class Difference:
    kind: str  # the event's type
    path: str
    recorded: object
    ours: object

    @property
    def place(self) -> tuple[str, str]:
        return self.kind, self.path

    @property
    def excused(self) -> bool:
        return self.place in EXCUSED


def told(events: Sequence[Event]) -> dict[str, list[str]]:
    """Return the types of each strand's events. Consecutive deltas count as one."""
    return {
        name: [e["type"] for e in (strand[:1] if _piece(strand[0]) else strand)]
        for name, strand in strands(events).items()
    }


def extra(recorded: Sequence[Event], ours: Sequence[Event]) -> set[str]:
    """Return the types of events that the recording does not contain."""
    return {e["type"] for e in ours} - {e["type"] for e in recorded}


def same_story(recorded: Sequence[Event], ours: Sequence[Event]) -> bool:
    """Return whether the streams agree, in an order that the recording allows."""
    unasked = extra(recorded, ours) & UNASKED.keys()
    asked = [event for event in ours if event["type"] not in unasked]
    return told(asked) == told(recorded) and _answered(asked) == _answered(recorded)


def differences(recorded: Sequence[Event], ours: Sequence[Event]) -> list[Difference]:
    """Every field of the recording that ours has not, or has otherwise."""
    aligned = list(pairs(recorded, ours))
    ids = _ids(iter(aligned))
    return [
        Difference(theirs["type"], path, one, other)
        for theirs, mine in aligned
        for path, one, other in _unlike("", theirs, mine, ids)
    ]


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


MISSING = _Missing()


def _unlike(
    path: str,
    theirs: Any,  # noqa: ANN401
    mine: Any,  # noqa: ANN401
    ids: dict[str, str],
) -> Iterator[tuple[str, object, object]]:
    key = path.rsplit(".", 1)[-1]
    if isinstance(theirs, dict) and isinstance(mine, dict):
        for name, value in theirs.items():
            inner = f"{path}.{name}".lstrip(".")
            yield from _unlike(inner, value, mine.get(name, MISSING), ids)
    elif isinstance(theirs, list) and isinstance(mine, list) and len(theirs) == len(mine):
        for one, other in zip(theirs, mine, strict=True):
            yield from _unlike(f"{path}[]", one, other, ids)
    elif not _alike(key, theirs, mine, ids):
        yield path, theirs, mine


def _alike(key: str, theirs: object, mine: object, ids: dict[str, str]) -> bool:
    if type(theirs) is not type(mine):
        return type(theirs) is float and type(mine) is int and key in _OF_THE_MOMENT
    if key in _IDS and isinstance(theirs, str):
        return ids.get(theirs) == mine
    if key == "arguments" and theirs:  # spaces are the model's
        return bool(json.loads(str(theirs)) == json.loads(str(mine)))
    return key in _OF_THE_MOMENT or theirs == mine
