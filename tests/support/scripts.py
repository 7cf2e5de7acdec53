"""Scripts of what may happen to a session, dealt at random: the words that both kinds know."""

from __future__ import annotations

from vivavoce.core.effects import Effect, Listen
from vivavoce.core.inputs import NotTranscribed, OutputChunk, PartialTranscript, Transcribed
from vivavoce.protocol import client
from vivavoce.protocol.items import Message

from .scenario import Scenario

COMMANDS: dict[str, client.Command] = {
    "create": client.ResponseCreate(),
    "cancel": client.ResponseCancel(),
    "commit": client.AudioCommit(),
    "clear": client.AudioClear(),
    "silence the loudspeaker": client.PlayoutClear(),
    "item": client.ItemCreate(item=Message(role="user")),
    "item again": client.ItemCreate(item=Message(id="again", role="user")),
    "item nowhere": client.ItemCreate(item=Message(role="user"), previous_item_id="nowhere"),
    "first": client.ItemCreate(item=Message(role="user"), previous_item_id="root"),
}
HAPPENINGS = (
    "pause", "retrieve", "delete", "truncate", "late", "partial", "transcribe", "mishear",
)  # fmt: skip


def happen(s: Scenario, step: str) -> None:
    """One of `HAPPENINGS`; another is nothing."""
    heard = next((e.item_id for e in reversed(s.log) if isinstance(e, Listen)), "none")
    some = next((item.id for item in s.session.conversation), "none")
    match step:
        case "pause":
            s.hear(silence_ms=600)
        case "retrieve":
            s.tell(client.ItemRetrieve(item_id=some))
        case "delete":
            s.tell(client.ItemDelete(item_id=some))
        case "truncate":
            s.tell(client.ItemTruncate(item_id=some, content_index=0, audio_end_ms=0))
        case "late":
            s.tell(OutputChunk("resp_from_the_past", "ghost"))
        case "partial":
            s.tell(PartialTranscript(heard, "words", "words and"))
        case "transcribe":
            s.tell(Transcribed(heard, "words"))
        case "mishear":
            s.tell(NotTranscribed(heard, "too noisy"))


def lived_again(original: Scenario, again: Scenario) -> list[Effect]:
    """Replay the inputs of one session in a new one, and return the effects."""
    for now, event in original.recording:
        if event is None:
            again.session.on_deadline(now)
        else:
            again.session.receive(event, now, 1)
        again.log += again.session.effects()
    return again.log


def state(s: Scenario) -> tuple[object, ...]:
    """All that a client could ever notice of what is inside, but for when something is due."""
    input_audio, session = s.session._input_audio, s.session
    return (
        session.config,
        list(session.conversation),
        input_audio.item_id,
        input_audio.received_ms,
        input_audio.buffered_ms,
        input_audio.speaking,
        bytes(input_audio._pre_roll),
        [(k, v.sent_ms, v.heard_ms, v.left_ms) for k, v in session.ledger._spoken.items()],
    )
