"""Find adapters by kind and name. Packages register them by entry points.

A package declares one entry point for each adapter. Its name is KIND-NAME, and its value is an
`AdapterSpec`:

    [project.entry-points."vivavoce.adapters"]
    stt-whisper = "vivavoce_whisper:whisper"

The server's own adapters register in the same way. A transport registers a `TransportSpec`. An
entry point that cannot be loaded is listed in `Registry.broken`, and the others still work.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from ..errors import ConfigError, EngineError, Mistake
from ..failures import describe
from .transport_spec import TransportSpec

if TYPE_CHECKING:
    from ..assistants import Assistant
    from ..config import Settings
    from .resources import AdapterResources

log = logging.getLogger(__name__)

GROUP = "vivavoce.adapters"
OWN_PACKAGE = "vivavoce"

Kind = Literal["stt", "brain", "tts", "tool", "turn", "vad", "embedding"]
KINDS: tuple[Kind, ...] = get_args(Kind)

OPTIONAL: Mapping[tuple[str, str], str] = {
    ("brain", "extractive"): "vivavoce-embedded",
    ("stt", "pocketsphinx"): "vivavoce-embedded",
}
"""Packages of this project that register adapters, and that a server can be installed without."""

RESERVED: Mapping[tuple[str, str], str] = {
    ("tool", "client"): "the client runs the tools of this kind",
    ("tool", "function"): "these are the functions of tools.py",
    ("transport", "http"): "the server's own requests over HTTP have it",
    ("transport", "websocket"): "the server's own WebSocket has it",
}
"""Names that no package can register, and why: they stand in records for something else."""

Notice = Mapping[str, str]
"""A sentence for people, by language code."""

A = TypeVar("A", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterRequest:
    """The call that an adapter is made for, and what the server offers to its factory."""

    resources: AdapterResources
    options: Any = None  # an instance of the spec's `settings_model`
    language: str = ""
    for_assistant: Assistant | None = None  # None for `turn` and `vad`, which all calls share
    table: Any = None  # for `tool`: an instance of the spec's `table_model`

    @property
    def assistant(self) -> Assistant:
        """The assistant of the call. Raises `LookupError` for `turn` and `vad`."""
        if self.for_assistant is None:
            raise LookupError("this kind of adapter is made for all assistants")
        return self.for_assistant


class AdapterNotUsableError(EngineError):
    """An adapter cannot serve calls as it is configured. `fix`: what the operator can do."""

    def __init__(self, message: str, fix: str, code: str = "engine_failed") -> None:
        super().__init__(message, code)
        self.fix = fix


@cache
def _report_once(adapter: str, error: str, place: str) -> None:
    """Log a failure of `installed` once: each request for the list of assistants asks again."""
    log.error("adapter_failed", extra={"adapter": adapter, "error": error, "place": place})


async def _load_nothing(_: AdapterRequest) -> None: ...


def _always() -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterSpec(Generic[A]):
    """Describe one adapter and make it.

    `make` returns an adapter for one call. It shares processes and connections by
    `AdapterResources.once`. A `vad` adapter is a function that returns a new `SpeechDetector`.
    A `tool` adapter is a `ToolRunner` for one `[[tools]]` table, which all calls of its assistant
    share.
    Import large libraries inside `make`, because the server loads all specs when it starts.
    """

    kind: Kind
    name: str
    make: Callable[[AdapterRequest], Awaitable[A]]
    preload: Callable[[AdapterRequest], Awaitable[None]] = _load_nothing
    """Start what the first call would wait for: processes, models."""
    installed: Callable[[], bool] = _always
    """True if this machine has the programs and libraries that `make` needs."""
    settings_model: type[BaseModel] | None = None
    """The type of the table `[adapters.NAME]` in vivavoce.toml. None: the adapter has no table."""
    table_model: type[BaseModel] | None = None
    """For `tool`: the type of a table `[[tools]]` of this kind. None: `kind` is its only key."""
    check: Callable[[AdapterRequest], Awaitable[str]] | None = None
    """Test for `vivavoce doctor`, without costs, what `make` needs: addresses, keys, models.

    Return a line for the terminal, or raise `AdapterNotUsableError`."""
    paid: Callable[[AdapterRequest], Awaitable[bool]] | None = None
    """Return whether a use may cost money, so that `doctor` does not try it. None: if `remote`."""
    remote: bool = False
    """True if another server does the work, so that its delay is part of an answer's delay."""
    limited: bool = False
    """True if each use occupies one of a few worker processes."""
    languages: frozenset[str] | None = None
    """The languages that it serves, without regions: `pt` includes `pt-BR`. None: any."""
    knowledge: Literal["passages", "own", "unused"] = "passages"
    """How a brain gets the assistant's knowledge: as passages of each request, by reading all of
    it itself (`own`), or not at all (`unused`)."""
    voices: frozenset[str] | None = None
    """The voices of a `tts` adapter. None: any name."""
    reads_numbers: bool = True
    """False if a `tts` adapter gets words for numbers, times, prices and dates, because it reads
    `8:00` digit by digit."""
    notices: tuple[Notice, ...] = ()
    """What people should know before they talk with it."""
    missing: tuple[Notice, ...] = ()
    """What people should know if it is not installed."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"an adapter's kind is one of {', '.join(KINDS)}, not {self.kind!r}")
        if not self.name:
            raise ValueError("an adapter has a name")

    def serves(self, language: str) -> bool:
        """Return whether it serves a language such as `en` or `en-GB`."""
        if self.languages is None:
            return True
        return language in self.languages or language.partition("-")[0] in self.languages

    def is_installed(self) -> bool:
        """Return `installed()`. An adapter that raises is not installed: `make` would fail too."""
        try:
            return bool(self.installed())
        except BaseException as error:  # a synchronous function cannot be cancelled
            told = describe(error)
            _report_once(f"{self.kind}-{self.name}", told["error"], told["place"])
            return False

    def options(self, settings: Settings) -> BaseModel | None:
        """Return its settings. Raises pydantic's `ValidationError`."""
        if self.settings_model is None:
            return None
        return self.settings_model.model_validate(settings.adapters.table(self.name))


AnySpec: TypeAlias = AdapterSpec[Any] | TransportSpec[Any]


class Tables(Protocol):
    """A section of the settings with one table for each spec."""

    def names(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class Registry:
    """The adapters and the transports of this installation."""

    specs: Mapping[tuple[Kind, str], AdapterSpec[Any]] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)
    """Why an entry point is not used, by `package: entry point`."""
    transports: Mapping[str, TransportSpec[Any]] = field(default_factory=dict)

    def names(self, kind: Kind) -> frozenset[str]:
        return frozenset(name for each, name in self.specs if each == kind)

    def get(self, kind: Kind, name: str) -> AdapterSpec[Any] | None:
        return self.specs.get((kind, name))

    def reasons(self) -> dict[tuple[str, str], str]:
        """Say why an adapter that assistants may name is not here, and what to do about it."""
        told = {
            key: f"install the package {package}: pip install {package}"
            for key, package in OPTIONAL.items()
            if key not in self.specs
        }
        for origin, reason in self.broken.items():
            kind, _, name = origin.rpartition(": ")[2].partition("-")
            if (kind, name) not in self.specs:
                told[kind, name] = f"{origin} {reason}"
        return told

    def voices(self) -> dict[str, frozenset[str]]:
        """Return the voices of each `tts` adapter that has a fixed list."""
        return {
            spec.name: spec.voices
            for spec in self.specs.values()
            if spec.kind == "tts" and spec.voices is not None
        }

    def tool_models(self) -> dict[str, type[BaseModel]]:
        """Return the model of each kind of `[[tools]]` that has keys of its own."""
        return {
            spec.name: spec.table_model
            for spec in self.specs.values()
            if spec.kind == "tool" and spec.table_model is not None
        }

    def check(self, settings: Settings, file: str) -> None:
        """Raise `ConfigError` with every mistake in the tables of adapters and transports."""
        models = [spec for spec in self.specs.values() if spec.settings_model is not None]
        named = settings.transports.names()
        used = [spec for name, spec in self.transports.items() if name in named]
        broken = {name for kind, name in self.reasons() if kind == "transport"}  # a later failure
        there = set(self.transports) | broken
        mistakes = [
            *_unknown_tables("adapters", settings.adapters, {spec.name for spec in models}, file),
            *_unknown_tables("transports", settings.transports, there, file),
            *(each for spec in models for each in _mistakes("adapters", spec, settings, file)),
            *(each for spec in used for each in _mistakes("transports", spec, settings, file)),
        ]
        if mistakes:
            raise ConfigError(list(dict.fromkeys(mistakes)))


def _unknown_tables(section: str, tables: Tables, known: set[str], file: str) -> Iterator[Mistake]:
    for name in sorted(tables.names() - known):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f' (did you mean "{near[0]}"?)' if near else ""
        message = f"there is no {section[:-1]} of this name that has settings{hint}"
        yield Mistake(file, f"{section}.{name}", None, message)


def _mistakes(section: str, spec: AnySpec, settings: Settings, file: str) -> Iterator[Mistake]:
    try:
        spec.options(settings)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False):
            key = ".".join([section, spec.name, *map(str, each["loc"])])
            yield Mistake(file, key, None, each["msg"])
    except (Exception, SystemExit) as error:  # code of any package runs here
        message = f"cannot be checked: {type(error).__name__}"
        yield Mistake(file, f"{section}.{spec.name}", None, message)


@cache
def installed() -> Registry:
    """Return the adapters of all installed packages. The server reads them once."""
    return collect(entry_points(group=GROUP))


def collect(points: Iterable[EntryPoint]) -> Registry:
    """Load entry points. If two packages use one name, the server's own adapter is used."""
    specs: dict[tuple[str, str], AnySpec] = {}
    origins: dict[tuple[str, str], str] = {}
    broken: dict[str, str] = {}
    for point in sorted(points, key=_precedence):
        origin = f"{_package(point)}: {point.name}"
        try:
            spec = point.load()
        except (Exception, SystemExit) as error:  # code of any package runs here
            broken[origin] = f"cannot be loaded: {_reason(error)}"
            continue
        if not isinstance(spec, AdapterSpec | TransportSpec):
            broken[origin] = f"{point.value} is not an AdapterSpec or a TransportSpec"
        elif reason := RESERVED.get((spec.kind, spec.name)):
            broken[origin] = f'cannot have the name "{spec.name}": {reason}'
        elif point.name != f"{spec.kind}-{spec.name}":
            broken[origin] = f"must have the name {spec.kind}-{spec.name}"
        elif (key := (spec.kind, spec.name)) in specs:
            broken[origin] = f'{origins[key]} has registered the {spec.kind} "{spec.name}" already'
        else:
            specs[key], origins[key] = spec, origin
    found = specs.values()
    return Registry(
        {(each.kind, each.name): each for each in found if isinstance(each, AdapterSpec)},
        broken,
        {each.name: each for each in found if isinstance(each, TransportSpec)},
    )


def _precedence(point: EntryPoint) -> tuple[bool, str, str]:
    package = _package(point)
    return package != OWN_PACKAGE, package, point.name


def _reason(error: BaseException) -> str:
    """Name the type, and the module that is missing. Other messages may hold secrets."""
    kind = type(error).__name__
    return f"{kind} ({error.name})" if isinstance(error, ImportError) and error.name else kind


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else "unknown"
