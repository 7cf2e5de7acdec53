"""The input audio buffer: from audio to a turn, and from a turn to an item.

    AudioReceived ─► gate ─► turn detector ─► Started: speech_started, Listen(pre-roll)
                                              Stopped: speech_stopped, then the turn is committed
    commit ───────────────────────────────────────────────────────────► the turn is committed
    clear ────────────────────────────────────────────────────────────► the turn is discarded

The item's id is known before the turn starts, and is the same in all events about the turn. Between
turns the buffer keeps only the pre-roll of the next one, which may begin in the silence that ended
the turn before. During a turn, audio goes straight to the
recogniser, and to `audio_cache` for clients that retrieve the item. If a model scores the end of
turns, it receives the last seconds of the turn at each pause.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ..audio import g711
from ..audio import pcm as audio
from ..protocol import server
from ..protocol.config import AudioInput, Format, Include, Pcm
from ..protocol.items import Item, Message, Part
from . import effects as do
from . import utterance_ending
from .audio_cache import LONGEST_MS
from .call_settings import CallParts, CallSettings
from .inputs import AudioReceived, EndOfTurnScored, NotTranscribed, PartialTranscript, Transcribed
from .item_sound import as_pcm, duration_ms, whole_samples, without_sound
from .level_gate import LevelGate
from .transcripts import TranscriptOptions, TranscriptTracker
from .turns import Started, Stopped, TurnDetector, TurnSettings

SCORED_AFTER_MS = 192  # of silence; shorter pauses are between two words
SCORED_MS = 8_000  # of a turn's audio, for a model that scores its end


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
        """Start empty. `settings` and `include`: of the session at its start."""
        self.item_id = parts.effects.new_id("item")  # of the item that comes of this audio
        self.transcripts = TranscriptTracker(parts.effects)
        self._effects = parts.effects
        self._conversation = parts.conversation
        self._audio_cache = parts.audio_cache
        self._quota = parts.quota
        self.language = call.language  # that the user speaks, unless the session names one
        self._gate = LevelGate(gate_db)
        self._received_bytes = 0  # all audio since the start: the clock of `audio_start_ms`
        self._buffered_bytes = 0  # received since the last commit
        self._listened_bytes = 0  # of this turn, sent to the recogniser
        self._pre_roll = bytearray()  # audio before a turn that belongs to it
        self._turn_end = bytearray()  # the last audio of this turn: the next one may begin in it
        self._listening = False  # does the recogniser have this item?
        self._early_result: Transcribed | NotTranscribed | None = (
            None  # a result before the end of the turn
        )
        self._turns: TurnDetector | None = None
        self._announced = False
        self._scores_end_of_turn = call.scores_end_of_turn
        self._scored_audio = bytearray()  # audio of this turn, for the model that scores its end
        self.takes = 0  # that the client has ended, by `commit` or `clear`
        self.configure(settings, include)

    @property
    def format(self) -> Format:
        """The format of the client's audio."""
        return self._settings.format

    @property
    def received_ms(self) -> int:
        return self._received_bytes // audio.BYTES_PER_MS

    @property
    def buffered_ms(self) -> float:
        return self._buffered_bytes / audio.BYTES_PER_MS

    @property
    def speaking(self) -> bool:
        return self._turns is not None and self._turns.speaking

    @property
    def unfinished(self) -> bool:
        """True if clients received `speech_started` and not yet `speech_stopped`."""
        return self._announced

    @property
    def somebody_speaks(self) -> bool:
        """True if the user speaks. Without turn detection (push-to-talk) always."""
        return self._turns is None or self._turns.speaking

    def configure(self, settings: AudioInput, include: tuple[Include, ...] | None = None) -> None:
        """Change the settings. A turn in progress goes on, and so does the clock."""
        self._settings = settings
        self.transcripts.wanted = TranscriptOptions.by(settings.transcription, include)
        if settings.turn_detection is None:
            self._turns = None
        elif self._turns is None:
            self._turns = TurnDetector(TurnSettings.of(settings.turn_detection), self.received_ms)
            self._resume_detection()
        else:
            self._turns.rules = TurnSettings.of(settings.turn_detection)

    def _resume_detection(self) -> None:
        """Resume turn detection: continue a turn that was announced, discard any other audio.

        Audio that was appended without turn detection is not a turn, so it would never end.
        """
        assert self._turns is not None
        if self._announced:
            self._turns.speaking = True
        elif self._listening:
            self.drop()
            self._begin_item()

    def append(self, received: AudioReceived) -> Iterator[Started | Stopped]:
        """Append audio. Yield each boundary of a turn after its events.

        If the conversation is full, a turn cannot become an item. It is discarded with an error,
        and its end is not yielded, so that no response follows from it.
        """
        self._received_bytes += len(received.pcm)
        self._buffered_bytes += len(received.pcm)
        if self._listening:
            self._listened_bytes += len(received.pcm)
            self._audio_cache.add(self.item_id, received.pcm)
            self._keep_for_scoring(received.pcm)
            self._effects.request(do.ListenTo(self.item_id, received.pcm))
            self._keep_turn_end(received.pcm)
        else:
            self._pre_roll += received.pcm
        if self._turns is None:
            self._drop_committed_audio()
            self._listen()
            return
        levels = received.levels or (0.0,) * len(received.probabilities)
        for probability, level in zip(received.probabilities, levels, strict=True):
            yield from self._detect(self._turns, probability, level)
        if not self._listening:
            keep_ms = self._turns.rules.padding_ms + 3 * audio.FRAME_MS  # and the onset itself
            del self._pre_roll[: -keep_ms * audio.BYTES_PER_MS]

    def _detect(
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
                from_ms = turns.pre_roll_from_ms - self.received_ms
                del self._pre_roll[: from_ms * audio.BYTES_PER_MS]
                self._listen()
                yield boundary
            case Stopped(at_ms=at_ms):
                self._effects.send(server.SpeechStopped(audio_end_ms=at_ms, item_id=self.item_id))
                turn_end = bytes(self._turn_end)
                if self._quota.full:
                    self.clear()
                    self._pre_roll += turn_end
                    self._effects.send_error(self._quota.no_room())
                else:
                    self.commit()
                    self._pre_roll += turn_end
                    yield boundary
            case None if turns.silent_ms == SCORED_AFTER_MS and self._scored_audio:
                self._effects.request(
                    do.ScoreEndOfTurn(self.item_id, turns.pause, bytes(self._scored_audio))
                )
            case None:
                pass

    def _keep_turn_end(self, pcm: bytes | bytearray) -> None:
        if self._turns is None:
            self._turn_end.clear()
            return
        self._turn_end += pcm
        keep_ms = self._turns.rules.padding_ms + 3 * audio.FRAME_MS
        del self._turn_end[: -(keep_ms * audio.BYTES_PER_MS + len(pcm))]

    def _drop_committed_audio(self) -> None:
        """Keep only what was received since the last commit: no turn was detected in it."""
        del self._pre_roll[: max(0, len(self._pre_roll) - self._buffered_bytes)]

    def _keep_for_scoring(self, pcm: bytes | bytearray) -> None:
        if (
            self._scores_end_of_turn
            and self._turns is not None
            and self._turns.rules.over is not None
        ):
            self._scored_audio += pcm
            del self._scored_audio[: -SCORED_MS * audio.BYTES_PER_MS]

    def _listen(self) -> None:
        if not self._listening:
            self._listening = True
            self._listened_bytes = len(self._pre_roll)
            self._audio_cache.add(self.item_id, bytes(self._pre_roll))
            self._keep_for_scoring(self._pre_roll)
            self._request_listening(self.item_id, bytes(self._pre_roll))
            self._keep_turn_end(self._pre_roll)
            self._pre_roll.clear()

    def _request_listening(self, item_id: str, sound: bytes, law: g711.Law | None = None) -> None:
        logprobs = self.transcripts.wanted.logprobs
        self._effects.request(do.Listen(item_id, sound, self._session_language, logprobs, law))

    def end_take(self) -> None:
        """Note that the client ended a take: what it appends next does not continue this audio.

        A commit by turn detection is in the middle of a stream, so it ends no take.
        """
        self.takes += 1

    def commit(self) -> None:
        """Make an item of the audio in the buffer, and expect its transcript."""
        if not self._listening:
            self._drop_committed_audio()
        self._listen()
        item_id, ms = self.item_id, self._listened_bytes // audio.BYTES_PER_MS
        self._effects.request(do.ListenEnd(item_id))
        self.transcripts.expect(item_id, ms)
        self._gate.adapt()
        known = self._early_result
        self._begin_item()
        self._send_item(item_id)
        if known is not None:
            self.transcripts.finish(known)

    def commit_silence(self) -> None:
        """Make an item of a silence, with an empty transcript. No recogniser is needed."""
        self.drop()
        item_id = self.item_id
        self._begin_item()
        self._send_item(item_id)
        self.transcripts.expect(item_id, 0)
        self.transcripts.finish(Transcribed(item_id, ""))

    def transcribe_item(self, item_id: str, sound: bytes, part: int) -> None:
        """Transcribe audio that a client put into an item. `part`: the index of its part.

        `sound`: in the session's format.
        """
        ms = duration_ms(sound, self._settings.format)
        if ms <= LONGEST_MS:  # a longer one is not kept, so it need not be converted
            self._audio_cache.add(item_id, as_pcm(sound, self._settings.format))
            self._audio_cache.whole(item_id)
        self._listen_whole(item_id, sound)
        self.transcripts.expect(item_id, ms, part)

    def transcribe_given(self, item: Item) -> Item:
        """Transcribe an item in the input of one response. Return it without its audio."""
        silent, sound = without_sound(item)
        if not sound:
            return item
        silent = msgspec.structs.replace(
            silent, id=self._effects.new_id("item")
        )  # the client's id may belong to another item
        self._listen_whole(silent.id, sound)
        self.transcripts.expect_given(silent.id, duration_ms(sound, self._settings.format))
        return silent

    def _listen_whole(self, item_id: str, sound: bytes) -> None:
        """Leave G.711 as it is: the recogniser converts it, 0.15 s for a minute."""
        format = self._settings.format
        law = None if isinstance(format, Pcm) else format.law
        if law is None:
            sound = whole_samples(sound)
        self._request_listening(item_id, sound, law)
        self._effects.request(do.ListenEnd(item_id))

    def clear(self) -> None:
        """Discard the audio in the buffer: `input_audio_buffer.clear`."""
        self.drop()
        self._gate.forget()
        self._begin_item()
        self._effects.send(server.AudioCleared())

    def drop(self) -> None:
        """Stop transcribing this turn, and forget its audio."""
        if self._listening:
            self._effects.request(do.ListenDrop(self.item_id))
            self._audio_cache.drop(self.item_id)
            self.transcripts.forget(self.item_id)

    def on_transcript(
        self, event: PartialTranscript | Transcribed | NotTranscribed | EndOfTurnScored
    ) -> bool:
        """Take a result of the recogniser. Return True if a transcript is now complete."""
        match event:
            case PartialTranscript():
                self._add_words(event)
            case EndOfTurnScored():
                self._score_end_of_turn(event)
            case Transcribed() | NotTranscribed():
                return self._take_transcript(event)
        return False

    def _add_words(self, partial: PartialTranscript) -> None:
        current = self.item_id if self._listening else None
        self.transcripts.add(partial, current=current)
        if self._turns is not None and partial.item_id == current:
            text = self.transcripts.latest(partial.item_id)
            self._turns.ending = utterance_ending.ending(
                text, self._session_language or self.language
            )

    def _score_end_of_turn(self, event: EndOfTurnScored) -> None:
        """Pass the model's score to turn detection. A score for an earlier turn is ignored."""
        if self._turns is not None and event.item_id == self.item_id:
            self._turns.apply_score(event.pause, event.probability)

    def _take_transcript(self, event: Transcribed | NotTranscribed) -> bool:
        """Complete a transcript. Return True if it was expected.

        A recogniser may give up while the user still speaks. Then the turn is not an item yet, and
        the result is kept until it is.
        """
        if self._listening and event.item_id == self.item_id:
            self._early_result = event
            return False
        return self.transcripts.finish(event)

    @property
    def _session_language(self) -> str | None:
        transcription = self._settings.transcription
        return transcription.language if transcription else None

    def _begin_item(self) -> None:
        self._audio_cache.whole(self.item_id)
        self.item_id, self._listening = self._effects.new_id("item"), False
        self._announced = False
        self._early_result = None
        self._buffered_bytes = self._listened_bytes = 0
        self._pre_roll.clear()
        self._turn_end.clear()
        self._scored_audio.clear()
        if self._turns is not None:
            self._turns.rest()

    def _send_item(self, item_id: str) -> None:
        previous = self._conversation.last_id
        part = Part(type="input_audio", transcript=None)
        item = Message(id=item_id, role="user", content=(part,))
        self._effects.send(server.AudioCommitted(previous_item_id=previous, item_id=item_id))
        self._effects.send(server.ItemAdded(previous_item_id=previous, item=item))
        self._effects.send(server.ItemDone(previous_item_id=previous, item=item))
