"""The input audio buffer: from sound to a turn, and from a turn to an item.

    Heard ─► gate ─► turn detector ─► Started: speech_started, Listen(pre-roll)
                                      Stopped: speech_stopped, then the turn is taken
    commit ───────────────────────────────────────────────────► the turn is taken
    clear ────────────────────────────────────────────────────► the turn is thrown away

The item's id is known before anybody speaks, and is the same in all events about the turn. Between
turns only as much sound is kept as the next one may reach back for; from then on it goes straight
to the recogniser, and to `sounds`, in case the client asks for the item. Where a model judges
pauses, it hears the last seconds of the turn as soon as one begins.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import UNSET

from ..audio import g711
from ..audio import pcm as audio
from ..audio.resample import Resampler
from ..protocol import server
from ..protocol.config import AudioInput, Format, Include, Pcm
from ..protocol.items import Item, Message, Part
from . import effects as do
from . import utterance_ending
from .audio_cache import LONGEST_MS
from .call_settings import CallParts, CallSettings
from .inputs import AudioReceived, EndOfTurnScored, NotTranscribed, PartialTranscript, Transcribed
from .level_gate import LevelGate
from .transcripts import TranscriptOptions, TranscriptTracker
from .turns import Started, Stopped, TurnDetector, TurnSettings

JUDGED_AFTER_MS = 192  # of silence: shorter ones are between two words
JUDGED_MS = 8_000  # how much of a turn a model that judges its pauses hears


class InputAudioBuffer:
    def __init__(
        self,
        parts: CallParts[do.ListeningEffect],
        call: CallSettings,
        settings: AudioInput,
        include: tuple[Include, ...] | None = None,
        *,
        gate_db: float = 0.0,
    ) -> None:
        """`settings` and `include`: what the session says at its start."""
        self.item_id = parts.effects.new_id("item")  # of the item that comes of this audio
        self.transcripts = TranscriptTracker(parts.effects)
        self._effects = parts.effects
        self._conversation = parts.conversation
        self._audio_cache = parts.audio_cache
        self._quota = parts.quota
        self._language = call.language
        self._gate = LevelGate(gate_db)
        self._heard_bytes = 0  # all the sound there ever was: the clock of `audio_start_ms`
        self._buffered_bytes = 0  # of it, what no commit has taken yet
        self._listened_bytes = 0  # of it, what the recogniser got
        self._pre_roll = bytearray()  # of it, what the next turn may reach back for
        self._listening = False  # does the recogniser have this item?
        self._known: Transcribed | NotTranscribed | None = None  # what it said before its end
        self._turns: TurnDetector | None = None
        self._announced = False
        self._scores_end_of_turn = call.scores_end_of_turn
        self._recent = bytearray()  # of this turn, for who judges its pauses
        self.configure(settings, include)

    @property
    def format(self) -> Format:
        """What sound the client brings."""
        return self._settings.format

    @property
    def received_ms(self) -> int:
        return self._heard_bytes // audio.BYTES_PER_MS

    @property
    def buffered_ms(self) -> float:
        return self._buffered_bytes / audio.BYTES_PER_MS

    @property
    def speaking(self) -> bool:
        return self._turns is not None and self._turns.speaking

    @property
    def unfinished(self) -> bool:
        """Was it said that somebody began to speak, and not yet that they ended?"""
        return self._announced

    @property
    def somebody_speaks(self) -> bool:
        """Also who holds a button down: nobody else says when."""
        return self._turns is None or self._turns.speaking

    def configure(self, settings: AudioInput, include: tuple[Include, ...] | None = None) -> None:
        """New settings, same sound: what is being said goes on, and so does the clock."""
        self._settings = settings
        self.transcripts.wanted = TranscriptOptions.by(settings.transcription, include)
        if settings.turn_detection is None:
            self._turns = None
        elif self._turns is None:
            self._turns = TurnDetector(TurnSettings.of(settings.turn_detection), self.received_ms)
            self._take_up()
        else:
            self._turns.rules = TurnSettings.of(settings.turn_detection)

    def _take_up(self) -> None:
        """Turns are detected again. What had begun as speech goes on; what was only appended while
        nobody detected anything is no turn, and nobody would ever end it."""
        assert self._turns is not None
        if self._announced:
            self._turns.speaking = True
        elif self._listening:
            self.drop()
            self._begin_anew()

    def append(self, heard: AudioReceived) -> Iterator[Started | Stopped]:
        """Take a piece of sound. Yields each boundary of a turn once its events are out.

        A turn that can be no item, for the conversation is full, is thrown away and said to be; it
        has no end that anything follows from.
        """
        self._heard_bytes += len(heard.pcm)
        self._buffered_bytes += len(heard.pcm)
        if self._listening:
            self._listened_bytes += len(heard.pcm)
            self._audio_cache.add(self.item_id, heard.pcm)
            self._remember(heard.pcm)
            self._effects.request(do.ListenTo(self.item_id, heard.pcm))
        else:
            self._pre_roll += heard.pcm
        if self._turns is None:
            self._listen()
            return
        levels = heard.levels or (0.0,) * len(heard.probabilities)
        for probability, level in zip(heard.probabilities, levels, strict=True):
            yield from self._judge(self._turns, probability, level)
        if not self._listening:
            keep_ms = self._turns.rules.padding_ms + 3 * audio.FRAME_MS  # and the onset itself
            del self._pre_roll[: -keep_ms * audio.BYTES_PER_MS]

    def _judge(
        self, turns: TurnDetector, probability: float, level: float
    ) -> Iterator[Started | Stopped]:
        if not self._gate.passes(level):
            probability = 0.0
        boundary = turns.push(probability)
        if turns.speaking and probability >= turns.rules.threshold:
            self._gate.measure(level)
        match boundary:
            case Started(at_ms=at_ms):
                self._announced = True
                self._effects.send(server.SpeechStarted(audio_start_ms=at_ms, item_id=self.item_id))
                del self._pre_roll[: (at_ms - self.received_ms) * audio.BYTES_PER_MS]
                self._listen()
                yield boundary
            case Stopped(at_ms=at_ms):
                self._effects.send(server.SpeechStopped(audio_end_ms=at_ms, item_id=self.item_id))
                if self._quota.full:
                    self.clear()
                    self._effects.send_error(self._quota.no_room())
                else:
                    self.commit()
                    yield boundary
            case None if turns.silent_ms == JUDGED_AFTER_MS and self._recent:
                self._effects.request(
                    do.ScoreEndOfTurn(self.item_id, turns.pause, bytes(self._recent))
                )
            case None:
                pass

    def _remember(self, pcm: bytes | bytearray) -> None:
        if (
            self._scores_end_of_turn
            and self._turns is not None
            and self._turns.rules.over is not None
        ):
            self._recent += pcm
            del self._recent[: -JUDGED_MS * audio.BYTES_PER_MS]

    def _listen(self) -> None:
        if not self._listening:
            self._listening = True
            self._listened_bytes = len(self._pre_roll)
            self._audio_cache.add(self.item_id, bytes(self._pre_roll))
            self._remember(self._pre_roll)
            self._ask_to_listen(self.item_id, bytes(self._pre_roll))
            self._pre_roll.clear()

    def _ask_to_listen(self, item_id: str, sound: bytes, law: g711.Law | None = None) -> None:
        sure = self.transcripts.wanted.logprobs
        self._effects.request(do.Listen(item_id, sound, self._language_told, sure, law))

    def commit(self) -> None:
        """What was heard becomes an item, and its words are awaited."""
        self._listen()
        item_id, ms = self.item_id, self._listened_bytes // audio.BYTES_PER_MS
        self._effects.request(do.ListenEnd(item_id))
        self.transcripts.expect(item_id, ms)
        self._gate.adapt()
        known = self._known
        self._begin_anew()
        self._commit(item_id)
        if known is not None:
            self.transcripts.finish(known)

    def commit_silence(self) -> None:
        """Nothing was said, and that is an answer too. Nobody has to listen to it."""
        self.drop()
        item_id = self.item_id
        self._begin_anew()
        self._commit(item_id)
        self.transcripts.expect(item_id, 0)
        self.transcripts.finish(Transcribed(item_id, ""))

    def transcribe_item(self, item_id: str, sound: bytes, part: int) -> None:
        """Sound that came inside an item, in the session's format. `part`: where in it."""
        ms = duration_ms(sound, self._settings.format)
        if ms <= LONGEST_MS:  # a longer one is not kept, so it need not be converted
            self._audio_cache.add(item_id, _as_pcm(sound, self._settings.format))
            self._audio_cache.whole(item_id)
        self._listen_whole(item_id, sound)
        self.transcripts.expect(item_id, ms, part)

    def listen_to_given(self, item: Item) -> Item:
        """An item that one response is given to read: its words instead of its sound, later."""
        silent, sound = without_sound(item)
        if not sound:
            return item
        silent = msgspec.structs.replace(silent, id=self._effects.new_id("item"))  # nobody else's
        self._listen_whole(silent.id, sound)
        self.transcripts.expect_given(silent.id, duration_ms(sound, self._settings.format))
        return silent

    def _listen_whole(self, item_id: str, sound: bytes) -> None:
        """Leave G.711 as it is: the recogniser converts it, 0.15 s for a minute."""
        format = self._settings.format
        law = None if isinstance(format, Pcm) else format.law
        if law is None:
            sound = _whole_samples(sound)
        self._ask_to_listen(item_id, sound, law)
        self._effects.request(do.ListenEnd(item_id))

    def clear(self) -> None:
        self.drop()
        self._gate.forget()
        self._begin_anew()
        self._effects.send(server.AudioCleared())

    def drop(self) -> None:
        """Whoever listens to this turn may stop."""
        if self._listening:
            self._effects.request(do.ListenDrop(self.item_id))
            self._audio_cache.drop(self.item_id)
            self.transcripts.forget(self.item_id)

    def on_transcript(
        self, event: PartialTranscript | Transcribed | NotTranscribed | EndOfTurnScored
    ) -> bool:
        """What whoever listens knows by now. Are words known that were waited for?"""
        match event:
            case PartialTranscript():
                self._add_words(event)
            case EndOfTurnScored():
                self._judge_pause(event)
            case Transcribed() | NotTranscribed():
                return self._know_words(event)
        return False

    def _add_words(self, partial: PartialTranscript) -> None:
        current = self.item_id if self._listening else None
        self.transcripts.add(partial, current=current)
        if self._turns is not None and partial.item_id == current:
            text = self.transcripts.latest(partial.item_id)
            self._turns.ending = utterance_ending.ending(
                text, self._language_told or self._language
            )

    def _judge_pause(self, event: EndOfTurnScored) -> None:
        """Who listened to a pause has an opinion. About another one it is too late."""
        if self._turns is not None and event.item_id == self.item_id:
            self._turns.judge(event.pause, event.over)

    def _know_words(self, event: Transcribed | NotTranscribed) -> bool:
        """The words, or that there will be none. Does that answer something?

        A recogniser may give up while the user still speaks; the turn is not an item until then.
        """
        if self._listening and event.item_id == self.item_id:
            self._known = event
            return False
        return self.transcripts.finish(event)

    @property
    def _language_told(self) -> str | None:
        transcription = self._settings.transcription
        return transcription.language if transcription else None

    def _begin_anew(self) -> None:
        self._audio_cache.whole(self.item_id)
        self.item_id, self._listening = self._effects.new_id("item"), False
        self._announced = False
        self._known = None
        self._buffered_bytes = self._listened_bytes = 0
        self._pre_roll.clear()
        self._recent.clear()
        if self._turns is not None:
            self._turns.rest()

    def _commit(self, item_id: str) -> None:
        previous = self._conversation.last_id
        part = Part(type="input_audio", transcript=None)
        item = Message(id=item_id, role="user", content=(part,))
        self._effects.send(server.AudioCommitted(previous_item_id=previous, item_id=item_id))
        self._effects.send(server.ItemAdded(previous_item_id=previous, item=item))
        self._effects.send(server.ItemDone(previous_item_id=previous, item=item))


def duration_ms(sound: bytes, format: Format) -> int:
    """How long a sound is that came in this format."""
    bytes_per_ms = audio.BYTES_PER_MS if isinstance(format, Pcm) else g711.RATE // 1000
    return len(sound) // bytes_per_ms


def _as_pcm(sound: bytes, format: Format) -> bytes:
    """A whole sound as PCM16 at 24 kHz."""
    if isinstance(format, Pcm):
        return _whole_samples(sound)
    return Resampler(g711.RATE, audio.SAMPLE_RATE).push(g711.decode(sound, format.law), last=True)


def _whole_samples(pcm: bytes) -> bytes:
    """Half a sample at its end is nothing."""
    return pcm[: len(pcm) & ~1]


def without_sound(item: Item) -> tuple[Item, bytes]:
    """The item as events show it, and the sound in it whose words nobody wrote down yet."""
    if not isinstance(item, Message):
        return item, b""
    unheard = [part.audio for part in item.content if part.audio and not part.transcript]
    content = tuple(map(_silent, item.content))
    sound = b"".join(unheard) if item.role == "user" else b""
    return msgspec.structs.replace(item, content=content), sound


def _silent(part: Part) -> Part:
    if part.type not in ("input_audio", "output_audio"):
        return part
    return msgspec.structs.replace(part, audio=UNSET, transcript=part.transcript or None)
