"""What the process tells a Prometheus that asks: a fold over what happens in it.

Every call gets a `CallMetrics`, which sees its events, its written sound and its engine's stages;
the parts that all calls share report here what they wait for. Labels are words of ours, a handful
each: never an id, a name or anything that somebody said. Names: docs/reference/metrics.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Protocol
from weakref import WeakSet

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from ..protocol import server
from .load import LoadMonitor
from .traffic import TrafficCounters
from .underruns import UnderrunMeter

TYPE = "text/plain; version=0.0.4; charset=utf-8"
WORDS = 30  # values of a label, each with a count of its own; more are "other"

QUICK = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12)
SLOW = (0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


class HasBacklog(Protocol):
    """Somebody whose frames, above all sound, were taken in and not yet acted on."""

    @property
    def backlog(self) -> int:
        """In bytes."""


class _Few:
    """A label's values, of which an upstream may say some: no more than so many."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __call__(self, word: str) -> str:
        if word not in self._known:
            if len(self._known) >= WORDS:
                return "other"
            self._known.add(word)
        return word


class _Ways(Collector):
    """Frames and bytes, each way."""

    def __init__(self, traffic: TrafficCounters) -> None:
        self._traffic = traffic

    def collect(self) -> Iterator[CounterMetricFamily]:
        seen = self._traffic
        for name, what, came, left in (
            ("frames", "Messages", seen.frames_in, seen.frames_out),
            ("frame_bytes", "Bytes of them", seen.bytes_in, seen.bytes_out),
        ):
            family = CounterMetricFamily(f"vivavoce_{name}", what, labels=["direction"])
            family.add_metric(["in"], came)
            family.add_metric(["out"], left)
            yield family


class Metrics:
    """One per server, with a registry of its own."""

    def __init__(self, load: LoadMonitor) -> None:
        self.load = load
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.traffic = TrafficCounters()
        registry.register(_Ways(self.traffic))
        self._readers: WeakSet[HasBacklog] = WeakSet()
        self._codes, self._statuses, self._types = _Few(), _Few(), _Few()

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"vivavoce_{name}", what, labels, registry=registry)

        def histogram(name: str, what: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(
                f"vivavoce_{name}_seconds", what, labels, registry=registry, buckets=buckets
            )

        self._admitted = counter("calls_admitted", "Calls that began", "engine")
        self._refused = counter("calls_refused", "Calls that did not, by the code told", "code")
        self._responses = counter("responses", "Responses that are over", "status")
        self._errors = counter("errors", "Errors told to clients within calls", "type")
        self._first = histogram(
            "first_audio", "From the end of speech to the first sound of an answer", SLOW
        )
        self._stages = histogram("stage", "What each stage of an answer took", SLOW, "stage")
        self._silent = histogram(
            "playback_gap", "How long a listener had nothing to hear when a frame came", QUICK
        )
        self._lag = histogram("loop_lag", "How late the process came to what was due", QUICK)
        self._waited = histogram(
            "recogniser_wait", "How long utterances waited for a recogniser", SLOW
        )
        self._commits = histogram("commit", "How long commits to the store took", QUICK)
        self._failed = counter("commits_failed", "Commits that the store did not keep")

    def exposition(self) -> bytes:
        return generate_latest(self.registry)

    # What can be asked for at any time

    def watch(
        self,
        clock: Callable[[], float],
        *,
        calls: Callable[[], int],
        recognisers_busy: Callable[[], int],
    ) -> None:
        """Where to read what only the scrape asks for."""

        def gauge(name: str, what: str, value: Callable[[], float]) -> None:
            Gauge(f"vivavoce_{name}", what, registry=self.registry).set_function(value)

        gauge("calls_live", "Calls that go on now", calls)
        gauge("recognisers_busy", "Recognisers that hear somebody", recognisers_busy)
        gauge("stt_queue_length", "Utterances that wait for one", lambda: self.load.waiting)
        gauge("input_backlog_bytes", "Frames taken in, not yet acted on", self._backlog)
        overloaded = Gauge(
            "vivavoce_overloaded",
            "Why new voices are told that all lines are busy",
            ["signal"],
            registry=self.registry,
        )
        for name in self.load.overloaded(clock()):
            overloaded.labels(name).set_function(partial(self._overloaded, name, clock))

    def _overloaded(self, name: str, clock: Callable[[], float]) -> float:
        return self.load.overloaded(clock())[name]

    def _backlog(self) -> float:
        return sum(reader.backlog for reader in self._readers)

    # What the parts report

    def came(self, engine: str) -> None:
        self._admitted.labels(engine).inc()

    def refused(self, code: str) -> None:
        self._refused.labels(self._codes(code)).inc()

    def ran(self, late_s: float, now: float, for_s: float) -> None:
        self.load.ran(late_s, now, for_s)
        self._lag.observe(late_s)

    def joined(self, client_id: object, now: float) -> None:
        self.load.joined(client_id, now)

    def left(self, client_id: object, now: float) -> None:
        self._waited.observe(self.load.left(client_id, now))

    def committed(self, seconds: float, kept: bool) -> None:
        self._commits.observe(seconds)
        if not kept:
            self._failed.inc()

    def wrote(self, silent_s: float) -> None:
        self._silent.observe(silent_s)

    def answered(self, first_s: float) -> None:
        self._first.observe(first_s)

    def stage(self, name: str, ms: float) -> None:
        self._stages.labels(name).observe(ms / 1000)

    def saw(self, event: server.ServerEvent) -> None:
        match event:
            case server.ResponseDone(response=response):
                self._responses.labels(self._statuses(response.status)).inc()
            case server.Error(error=error):
                self._errors.labels(self._types(error.type)).inc()
            case _:
                pass

    def reads(self, reader: HasBacklog) -> None:
        self._readers.add(reader)


class CallMetrics:
    """One call's part of it."""

    def __init__(self, metrics: Metrics, *, ours: bool) -> None:
        """`ours`: brain and voice are here, so that an answer that falters is the load's fault."""
        self._metrics = metrics
        self._ours = ours
        self._listener = UnderrunMeter()
        self.event = metrics.saw
        self.stage = metrics.stage

    def written(self, event: server.ServerEvent, due: float, now: float, held: bool) -> None:
        if isinstance(event, server.SpeechStopped):
            self._listener.stopped(now)
        elif isinstance(event, server.AudioDelta):
            silent, first = self._listener.add(event, now)
            self._metrics.wrote(silent)
            if first is not None:
                self._metrics.answered(first)
            late = 0.0 if held else silent if self._ours else min(silent, now - due)
            self._metrics.load.wrote_sound(late, now)
