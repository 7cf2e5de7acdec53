"""Exports metrics to Prometheus.

Every call has a `CallMetrics`, which observes its events, its written audio and the stages of its
engine. Parts that all calls share report to `Metrics`. A label has at most 30 values, and later
ones are counted as `other`. It is never an id, a name or words of a conversation. Names:
docs/reference/metrics.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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
LABEL_VALUES = 30  # per label; further values are counted as "other"

QUICK = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12)
MINUTES = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0)  # seconds
SLOW = (0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


class HasBacklog(Protocol):
    """A reader with frames that it has not fed to its machine yet."""

    @property
    def backlog(self) -> int:
        """In bytes."""


class _BoundedLabel:
    """Bounds the values of a label that an upstream can choose."""

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __call__(self, word: str) -> str:
        if word not in self._known:
            if len(self._known) >= LABEL_VALUES:
                return "other"
            self._known.add(word)
        return word


class QualityMetrics:
    """Count what users meet: how their clients connect, and what they think of their calls."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._connections = Counter(
            "vivavoce_client_connections",
            "Attempts of clients to connect, as the clients report them",
            ["transport", "outcome", "code"],
            registry=registry,
        )
        self._connect = Histogram(
            "vivavoce_client_connect_seconds",
            "From the start of a call to its session, as the clients report it",
            ["transport"],
            registry=registry,
            buckets=SLOW,
        )
        self._feedback = Counter(
            "vivavoce_feedback", "What users think of their calls", ["score"], registry=registry
        )

    def observe_connection(self, transport: str, outcome: str, code: str, seconds: float) -> None:
        """Count a report. The labels are bounded by the caller."""
        self._connections.labels(transport, outcome, code).inc()
        if outcome == "connected":
            self._connect.labels(transport).observe(seconds)

    def observe_feedback(self, score: str) -> None:
        self._feedback.labels(score).inc()


class _TrafficCollector(Collector):
    """Exports frames and bytes in both directions."""

    def __init__(self, traffic: TrafficCounters) -> None:
        self._traffic = traffic

    def collect(self) -> Iterator[CounterMetricFamily]:
        seen = self._traffic
        for name, help, received, sent in (
            ("frames", "Messages", seen.frames_in, seen.frames_out),
            ("frame_bytes", "Bytes of messages", seen.bytes_in, seen.bytes_out),
        ):
            family = CounterMetricFamily(f"vivavoce_{name}", help, labels=["direction"])
            family.add_metric(["in"], received)
            family.add_metric(["out"], sent)
            yield family


class Metrics:
    """One per server, with a registry of its own."""

    def __init__(self, load: LoadMonitor) -> None:
        self.load = load
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.traffic = TrafficCounters()
        registry.register(_TrafficCollector(self.traffic))
        self._readers: WeakSet[HasBacklog] = WeakSet()
        self._codes, self._statuses, self._types = _BoundedLabel(), _BoundedLabel(), _BoundedLabel()

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"vivavoce_{name}", what, labels, registry=registry)

        def histogram(name: str, what: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(
                f"vivavoce_{name}_seconds", what, labels, registry=registry, buckets=buckets
            )

        self._admitted = counter("calls_admitted", "Calls that began", "engine")
        self._refused = counter("calls_refused", "Refused calls, by error code", "code")
        self._responses = counter("responses", "Finished responses", "status")
        self._errors = counter("errors", "Error events sent within calls", "type")
        self._packets = counter("rtp_packets", "Packets of sound over WebRTC, by fate", "fate")
        self._first = histogram(
            "first_audio", "From the end of speech to the first sound of an answer", SLOW
        )
        self._stages = histogram("stage", "What each stage of an answer took", SLOW, "stage")
        self._silent = histogram(
            "playback_gap", "How long the playback buffer had been empty when a frame came", QUICK
        )
        self._lag = histogram("loop_lag", "Event-loop lag", QUICK)
        self._waited = histogram(
            "recogniser_wait", "How long utterances waited for a recogniser", SLOW
        )
        self._durations = histogram("call_duration", "How long calls lasted", MINUTES)
        self.quality = QualityMetrics(registry)
        self._commits = histogram("commit", "How long commits to the store took", QUICK)
        self._failed = counter("commits_failed", "Commits that the store did not keep")

    def exposition(self) -> bytes:
        return generate_latest(self.registry)

    # Gauges

    def watch(
        self,
        clock: Callable[[], float],
        *,
        calls: Callable[[], int],
        recognisers_busy: Callable[[], int],
    ) -> None:
        """Register gauges, which are read only when Prometheus asks."""

        def gauge(name: str, what: str, value: Callable[[], float]) -> None:
            Gauge(f"vivavoce_{name}", what, registry=self.registry).set_function(value)

        gauge("calls_live", "Running calls", calls)
        gauge("recognisers_busy", "Recognisers in use", recognisers_busy)
        gauge(
            "stt_queue_length", "Utterances that wait for a recogniser", lambda: self.load.waiting
        )
        gauge("input_backlog_bytes", "Bytes received and not yet processed", self._backlog)
        overloaded = Gauge(
            "vivavoce_overloaded",
            "1 while new voice calls are refused, by signal",
            ["signal"],
            registry=self.registry,
        )
        for name in self.load.overloaded(clock()):
            overloaded.labels(name).set_function(partial(self._overloaded, name, clock))

    def _overloaded(self, name: str, clock: Callable[[], float]) -> float:
        return self.load.overloaded(clock())[name]

    def _backlog(self) -> float:
        return sum(reader.backlog for reader in self._readers)

    # Reports

    def admitted(self, engine: str) -> None:
        self._admitted.labels(engine).inc()

    def refused(self, code: str) -> None:
        self._refused.labels(self._codes(code)).inc()

    def count_packets(self, packets: Mapping[str, int]) -> None:
        """Count the packets of sound of a call over WebRTC, by their fate, when it has ended."""
        for fate, number in packets.items():
            self._packets.labels(fate).inc(number)

    def call_ended(self, lasted_s: float) -> None:
        self._durations.observe(lasted_s)

    def report_lag(self, late_s: float, now: float, for_s: float) -> None:
        self.load.report_lag(late_s, now, for_s)
        self._lag.observe(late_s)

    def wait_began(self, client_id: object, now: float) -> None:
        self.load.wait_began(client_id, now)

    def wait_ended(self, client_id: object, now: float) -> None:
        self._waited.observe(self.load.wait_ended(client_id, now))

    def observe_commit(self, seconds: float, kept: bool) -> None:
        self._commits.observe(seconds)
        if not kept:
            self._failed.inc()

    def observe_gap(self, silent_s: float) -> None:
        self._silent.observe(silent_s)

    def observe_first_audio(self, first_s: float) -> None:
        self._first.observe(first_s)

    def observe_stage(self, name: str, ms: float) -> None:
        self._stages.labels(name).observe(ms / 1000)

    def observe_event(self, event: server.ServerEvent) -> None:
        match event:
            case server.ResponseDone(response=response):
                self._responses.labels(self._statuses(response.status)).inc()
            case server.Error(error=error):
                self._errors.labels(self._types(error.type)).inc()
            case _:
                pass

    def add_reader(self, reader: HasBacklog) -> None:
        self._readers.add(reader)


class CallMetrics:
    """The metrics of one call."""

    def __init__(self, metrics: Metrics, *, ours: bool) -> None:
        """`ours`: brain and voice run on this machine, so a late frame is a sign of its load."""
        self._metrics = metrics
        self._ours = ours
        self._underruns = UnderrunMeter()
        self.observe_event = metrics.observe_event
        self.observe_stage = metrics.observe_stage

    def observe_written(
        self, event: server.ServerEvent, due: float, now: float, held: bool
    ) -> None:
        if isinstance(event, server.SpeechStopped):
            self._underruns.stopped(now)
        elif isinstance(event, server.AudioDelta):
            silent, first = self._underruns.add(event, now)
            self._metrics.observe_gap(silent)
            if first is not None:
                self._metrics.observe_first_audio(first)
            late = 0.0 if held else silent if self._ours else min(silent, now - due)
            self._metrics.load.report_audio(late, now)
