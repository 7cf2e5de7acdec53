"""Transports of other packages: their start, their failures, and their stop."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from vivavoce import config
from vivavoce.app.transports import START_WITHIN_S, STOP_WITHIN_S, open_transports
from vivavoce.bounded_work import STOPPING_S
from vivavoce.config import Settings
from vivavoce.engines.registry import Registry
from vivavoce.engines.transport_spec import TransportSpec
from vivavoce.errors import ConfigError
from vivavoce.runtime.live_call import LiveCall
from vivavoce.runtime.transport_services import TransportServices

from ..runtime.test_call_registry import FakeDriver, unread
from ..runtime.test_call_setup import Place, place
from ..support.fakes import now


class Options(BaseModel):
    """The table of a loft."""

    model_config = ConfigDict(extra="forbid")
    birds: int = 2


@dataclass
class Loft:
    """A transport whose starts and stops are noted, and that may fail."""

    name: str = "pigeon"
    make_fails: BaseException | None = None
    start_fails: BaseException | None = None
    start_hangs: bool = False
    stop_hangs: bool = False
    stop_fails: BaseException | None = None
    stubborn: bool = False  # does it ignore a cancellation?
    hanging: asyncio.Task[None] | None = None
    options: list[object] = field(default_factory=list)
    done: list[tuple[str, float]] = field(default_factory=list)

    async def make(self, services: TransportServices) -> Loft:
        self.options.append(services.options)
        if self.make_fails:
            raise self.make_fails
        return self

    async def start(self) -> None:
        self.done.append(("started", now()))
        if self.start_fails:
            raise self.start_fails
        if self.start_hangs:
            await self.hang()

    async def stop(self) -> None:
        self.done.append(("stopped", now()))
        if self.stop_fails:
            raise self.stop_fails
        if self.stop_hangs:
            await self.hang()

    async def ended(self) -> None:
        """Wait for work that ignored its cancellation, because no task may be left."""
        if self.hanging is not None:
            await asyncio.wait([self.hanging])

    async def hang(self) -> None:
        self.hanging = asyncio.current_task()
        ends = now() + 1000
        while now() < ends:
            try:
                await asyncio.sleep(ends - now())
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise

    @property
    def steps(self) -> list[str]:
        return [step for step, _ in self.done]

    @property
    def spec(self) -> TransportSpec[TransportServices]:
        return TransportSpec(name=self.name, make=self.make, settings_model=Options)


def settings(**tables: dict[str, object]) -> Settings:
    return Settings.model_validate({"transports": tables})


def lofts(*each: Loft, broken: dict[str, str] | None = None) -> Registry:
    return Registry({}, broken or {}, {loft.name: loft.spec for loft in each})


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (vars(record)["transport"], vars(record)["reason"])
        for record in caplog.records
        if record.getMessage() == "transport_not_started"
    ]


def test_a_transport_runs_while_the_server_does_if_it_has_a_table(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        used, off = Loft(), Loft("owl")
        chosen = settings(pigeon={"birds": 3})
        async with open_transports(chosen, lofts(used, off), at.call_setup, at.registry):
            assert used.steps == ["started"]
        assert used.steps == ["started", "stopped"]
        assert used.options == [Options(birds=3)]
        assert (off.steps, off.options) == ([], [])

    place(tmp_path, story)


def test_calls_are_hung_up_before_their_transport_stops(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        loft = Loft()
        async with open_transports(settings(pigeon={}), lofts(loft), at.call_setup, at.registry):
            call = LiveCall("rtc_1", "conv_1", "echo")
            at.registry.add(call)
            driver = FakeDriver(call, gone_after_s=0.5)
            at.registry.connect(call, driver, unread)
        assert driver.told == [(0.0, "hung up", 1012)]
        assert loft.done[-1] == ("stopped", 0.5)

    place(tmp_path, story)


FAILURES = {
    "make": (Loft(make_fails=ValueError("a secret")), "cannot start: ValueError", []),
    "start": (
        Loft(start_fails=OSError(98, "a secret")),
        "cannot start: Address already in use",
        ["started", "stopped"],
    ),
    "too slow": (
        Loft(start_hangs=True),
        f"has not started within {START_WITHIN_S:g} seconds",
        ["started", "stopped"],
    ),
    "it ignores its cancellation": (
        Loft(start_hangs=True, stubborn=True),
        f"has not started within {START_WITHIN_S:g} seconds",
        ["started", "stopped"],
    ),
    "it exits": (Loft(make_fails=SystemExit("a secret")), "cannot start: SystemExit", []),
    "start exits": (
        Loft(start_fails=KeyboardInterrupt("a secret"), stop_fails=SystemExit("a secret")),
        "cannot start: KeyboardInterrupt",
        ["started", "stopped"],
    ),
    "its own task was cancelled": (
        Loft(start_fails=asyncio.CancelledError("a secret")),
        "cannot start: CancelledError",
        ["started", "stopped"],
    ),
    "and cannot stop": (
        Loft(start_fails=KeyError("a secret"), stop_fails=KeyError("a secret")),
        "cannot start: KeyError",
        ["started", "stopped"],
    ),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_transport_that_does_not_start_is_named_and_the_others_work(
    failure: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    loft, reason, steps = FAILURES[failure]

    async def story(at: Place) -> None:
        other = Loft("quail")
        chosen = settings(pigeon={}, quail={})
        async with open_transports(chosen, lofts(loft, other), at.call_setup, at.registry):
            assert other.steps == ["started"]
        assert loft.steps == steps
        assert other.steps == ["started", "stopped"]
        await loft.ended()

    with caplog.at_level(logging.INFO, "vivavoce.transports"):
        place(tmp_path, story)
    assert told(caplog) == [("pigeon", reason)]
    assert "a secret" not in str([vars(record) for record in caplog.records if not record.exc_info])


def test_a_required_transport_that_fails_ends_the_start_of_the_server(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        first, bad = Loft("first"), Loft("second", start_fails=OSError(98, ""))
        chosen = settings(first={}, second={"required": True})
        with pytest.raises(ConfigError, match=r"transports\.second: cannot start: Address"):
            async with open_transports(chosen, lofts(first, bad), at.call_setup, at.registry):
                raise AssertionError("it does not serve")
        assert first.steps == ["started", "stopped"]

    place(tmp_path, story)


@pytest.mark.parametrize("required", [False, True])
def test_a_transport_whose_package_is_broken_is_named(
    required: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = lofts(broken={"birds: transport-pigeon": "cannot be loaded: ImportError"})
    chosen = settings(pigeon={"required": required})
    found.check(chosen, "vivavoce.toml")

    async def story(at: Place) -> None:
        async with open_transports(chosen, found, at.call_setup, at.registry):
            pass

    with caplog.at_level(logging.INFO, "vivavoce.transports"):
        if required:
            with pytest.raises(ConfigError, match="cannot be loaded: ImportError"):
                place(tmp_path, story)
        else:
            place(tmp_path, story)
    assert told(caplog) == [("pigeon", "birds: transport-pigeon cannot be loaded: ImportError")]


def test_a_transport_that_starts_when_the_server_is_stopped_is_stopped_too(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        loft = Loft(start_hangs=True)

        async def serve() -> None:
            async with open_transports(
                settings(pigeon={}), lofts(loft), at.call_setup, at.registry
            ):
                raise AssertionError("it does not serve")

        serving = asyncio.create_task(serve())
        await asyncio.sleep(1)
        serving.cancel()
        await asyncio.wait([serving])
        assert serving.cancelled()
        assert loft.done == [("started", 0.0), ("stopped", 1.0)]

    place(tmp_path, story)


@pytest.mark.parametrize(
    "loft",
    [
        Loft(stop_hangs=True),
        Loft(stop_hangs=True, stubborn=True),
        Loft(stop_fails=ValueError("x")),
        Loft(stop_fails=SystemExit("x")),
        Loft(stop_fails=asyncio.CancelledError()),
    ],
)
def test_a_transport_that_does_not_stop_holds_up_nothing(loft: Loft, tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        first = Loft("first")
        chosen = settings(first={}, pigeon={})
        async with open_transports(chosen, lofts(first, loft), at.call_setup, at.registry):
            pass
        assert first.steps == ["started", "stopped"]
        assert now() in (0.0, STOP_WITHIN_S, STOP_WITHIN_S + STOPPING_S)
        await loft.ended()

    place(tmp_path, story)


def test_every_mistake_in_the_settings_of_transports_has_its_key() -> None:
    found = lofts(Loft())
    found.check(settings(), "vivavoce.toml")
    found.check(settings(pigeon={"birds": 1, "required": True}), "vivavoce.toml")
    with pytest.raises(ConfigError) as caught:
        found.check(settings(pigeon={"birds": "many", "brids": 1}, pigoen={}), "vivavoce.toml")
    lines = [str(mistake) for mistake in caught.value.mistakes]
    assert lines[0].startswith("vivavoce.toml: transports.pigoen: there is no transport of this")
    assert lines[0].endswith('(did you mean "pigeon"?)')
    keys = [line.partition(": ")[2].partition(": ")[0] for line in lines[1:]]
    assert keys == ["transports.pigeon.birds", "transports.pigeon.brids"]


class Moody(BaseModel):
    """A table whose own check fails."""

    birds: int = 2

    @field_validator("birds", mode="wrap")
    @classmethod
    def _check(cls, value: object, _: object) -> int:
        raise RuntimeError("a secret")


@pytest.mark.parametrize("model", [Moody, None])
def test_a_table_that_a_package_cannot_check_is_a_mistake(model: type[BaseModel] | None) -> None:
    spec = TransportSpec(name="pigeon", make=Loft().make, settings_model=model)  # type: ignore[arg-type]
    found = Registry({}, {}, {"pigeon": spec})
    with pytest.raises(ConfigError) as caught:
        found.check(settings(pigeon={"birds": 1}), "vivavoce.toml")
    (mistake,) = caught.value.mistakes
    kind = "RuntimeError" if model else "AttributeError"
    assert str(mistake) == f"vivavoce.toml: transports.pigeon: cannot be checked: {kind}"


def test_required_is_true_or_false(tmp_path: Path) -> None:
    (tmp_path / "vivavoce.toml").write_text('[transports.pigeon]\nrequired = "perhaps"\n')
    with pytest.raises(ConfigError) as caught:
        config.load(tmp_path / "vivavoce.toml", {})
    (mistake,) = caught.value.mistakes
    assert (mistake.key, mistake.line) == ("transports.pigeon.required", 2)


def test_a_spec_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="a transport has a name"):
        TransportSpec(name="", make=Loft().make)
