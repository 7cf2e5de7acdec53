"""Read the clients of a call that an engine of this server answers.

The client that made the call sends audio, which a pipeline decodes and divides. A sideband sends
none, and the assistant's locks do not apply to it, because it has an API key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import msgspec

from ..core.inputs import AudioReceived
from ..core.locked_fields import without_locked
from ..core.session import Session
from ..core.transcription import TranscriptionSession
from ..engines.base import SpeechDetector
from ..protocol.client import Command
from ..protocol.config import AudioInput, Pcm
from ..runtime.call_spec import CallSpec
from ..runtime.client_port import ClientPort, Reader
from ..runtime.driver import SessionDriver
from ..runtime.engine_work import EngineWork
from ..runtime.input_pipeline import InputPipeline
from ..runtime.loop_share import LoopQueue
from ..runtime.metrics import Metrics
from ..runtime.reader import SessionReader


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionReaders:
    """Makes the reader of each client. `fixed`: fields that none of them may change."""

    spec: CallSpec
    machine: Session | TranscriptionSession
    engine_work: EngineWork
    driver: SessionDriver
    detectors: Callable[[], SpeechDetector]
    metrics: Metrics
    queue: LoopQueue
    fixed: tuple[str, ...] = ()
    _pipelines: list[InputPipeline] = field(default_factory=list)
    """Those of the clients with audio, the latest last."""

    def __call__(self, client: ClientPort) -> Reader:
        return self._sideband(client) if client.sideband else self._voice(client)

    def _sideband(self, client: ClientPort) -> SessionReader:
        return SessionReader(
            self.driver,
            client,
            None,
            _strip_locked(self.fixed),
            behind=self._behind,
            crowded=self.driver.over_high_water,
            held_back=self._held_back,
            queue=self.queue,
        )

    def _voice(self, client: ClientPort) -> SessionReader:
        pipeline = InputPipeline(
            self.detectors, lambda: _input_of(self.spec, self.machine), lambda: self.machine.takes
        )
        self._pipelines.append(pipeline)
        allow = _strip_locked((*self.spec.locked, *self.fixed))
        reader = SessionReader(
            self.driver, client, pipeline, allow, behind=self._behind, queue=self.queue
        )
        self.metrics.add_reader(reader)
        return reader

    def _behind(self) -> bool:
        return self.engine_work.is_behind

    def _held_back(self) -> Iterator[AudioReceived]:
        return self._pipelines[-1].held_back() if self._pipelines else iter(())


def _input_of(spec: CallSpec, machine: Session | TranscriptionSession) -> AudioInput:
    """Return how the session takes audio. A transport with media has decoded it to PCM."""
    wanted = machine.config.audio.input
    if spec.audio == "media":
        return msgspec.structs.replace(wanted, format=Pcm())
    return wanted


def _strip_locked(locked: tuple[str, ...]) -> Callable[[Command], Command] | None:
    """Return a function that strips locked fields from events. None: nothing is locked."""
    if not locked:
        return None

    return partial(without_locked, locked=locked)
