"""Register adapters by entry points, and report a broken one by its name."""

from __future__ import annotations

import asyncio
import importlib
import sys
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path
from textwrap import dedent

import pytest

from vivavoce.app.adapters import Adapters, known
from vivavoce.app.data_folder import DataFolder
from vivavoce.assistants import load
from vivavoce.config import AdaptersSection, Settings
from vivavoce.engines import registry
from vivavoce.engines.registry import GROUP, KINDS, AdapterSpec, Registry
from vivavoce.errors import AssistantError, ConfigError, EngineError
from vivavoce.tools.base import ToolContext, ToolRequest, ToolResult

from ..support.folders import write

WHISPER = """
    from pydantic import BaseModel, ConfigDict
    from vivavoce.core.types import Transcript
    from vivavoce.engines.registry import AdapterSpec

    class Options(BaseModel):
        model_config = ConfigDict(extra="forbid")
        model: str = "small"
        beams: int = 1

    class Whisper:
        def __init__(self, options):
            self.options = options

        async def listen(self, sound, stable, *, language=None, logprobs=False):
            return Transcript(self.options.model)

    async def make(request):
        return Whisper(request.options)

    whisper = AdapterSpec(
        kind="stt", name="whisper", make=make, settings_model=Options, limited=True,
        notices=({"en": "Whisper writes down what it was never told."},),
    )
    not_a_spec = 7
    """

Install = Callable[..., Registry]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install packages as an installer does, and collect their adapters and the server's own."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def installed(package: str, source: str, **points: str) -> Registry:
        monkeypatch.delitem(sys.modules, package, raising=False)
        importlib.invalidate_caches()
        (tmp_path / f"{package}.py").write_text(dedent(source))
        folder = tmp_path / f"{package}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        lines = [f"{name.replace('_', '-')} = {value}" for name, value in points.items()]
        (folder / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]))
        return registry.collect(
            point for each in distributions() for point in each.entry_points.select(group=GROUP)
        )

    return installed


def settings(**tables: dict[str, object]) -> Settings:
    return Settings(adapters=AdaptersSection.model_validate(tables))


def test_the_servers_own_adapters_are_registered_by_entry_points() -> None:
    found = registry.installed()
    assert found.broken == {}
    assert found.names("stt") == {"openai", "pocketsphinx"}
    assert found.names("brain") == {"openai", "extractive"}
    assert found.names("tts") == {"openai", "espeak"}
    assert found.names("turn") == {"smart-turn"}
    assert found.names("vad") == {"silero"}


def test_an_adapter_of_another_package_is_made_with_its_settings(
    install: Install, tmp_path: Path
) -> None:
    found = install("whispers", WHISPER, stt_whisper="whispers:whisper")
    assert found.broken == {}
    toml = 'name = "ada"\ncascade.stt = "whisper"\ncascade.brain = "openai"'
    ada = load(write(tmp_path / "assistants", toml), known(found))

    async def story() -> None:
        chosen = settings(whisper={"model": "large"})
        async with Adapters(chosen, DataFolder(tmp_path / "data"), registry=found) as adapters:
            stt = await adapters.recogniser(ada, "en")
            assert stt.options.model == "large"  # type: ignore[attr-defined]
            assert adapters.needs_stt_worker(ada, "en")
            assert not adapters.is_local(ada, "en")
            assert {"en": "Whisper writes down what it was never told."} in adapters.notes(ada)

    asyncio.run(story())


SHOPS = """
    import asyncio
    import sys
    from pydantic import BaseModel, Field
    from vivavoce.api import AdapterSpec, ToolResult, ToolSpec

    class Table(BaseModel):
        url: str
        seats: int = Field(4, ge=1)
        hours: dict[str, int] = {}

    class Shop:
        def __init__(self, table):
            self.table = table

        def specs(self, context):
            return (ToolSpec(name="order", description=self.table.url),)

        async def call(self, request, context):
            return ToolResult(f"{self.table.seats} for {context.subject}")

    async def make(request):
        if request.table.seats == 13:
            raise RuntimeError("unlucky")
        if request.table.seats == 14:
            sys.exit(3)
        while request.table.seats == 15:
            try:
                await asyncio.sleep(0.3)
                request.table.seats = 0
            except asyncio.CancelledError:
                pass
        return Shop(request.table)

    shop = AdapterSpec(kind="tool", name="shop", make=make, table_model=Table)
    bare = AdapterSpec(kind="tool", name="bare", make=make)
    client = AdapterSpec(kind="tool", name="client", make=make)
    """


def shops(install: Install) -> Registry:
    return install("shops", SHOPS, tool_shop="shops:shop", tool_bare="shops:bare")


def test_a_tool_kind_of_another_package_is_made_once_for_each_assistant(
    install: Install, tmp_path: Path
) -> None:
    found = shops(install)
    toml = 'name = "ada"\n[[tools]]\nname = "map"\n[[tools]]\nkind = "shop"\nurl = "a"\nseats = 2'
    ada = load(write(tmp_path / "assistants", toml), known(found))
    assert [spec.name for spec in ada.tools()] == ["map"]

    async def story() -> None:
        async with Adapters(Settings(), DataFolder(tmp_path / "d"), registry=found) as adapters:
            runners = await adapters.tools(ada)
            assert await adapters.tools(ada) is runners
            context = ToolContext(subject="Ada")
            assert [spec.description for spec in runners.specs(context)] == ["a"]
            result = await runners.call(ToolRequest("c", "order", "{}"), context)
            assert result == ToolResult("2 for Ada")

    asyncio.run(story())


def test_every_mistake_in_a_table_of_tools_has_its_line(install: Install, tmp_path: Path) -> None:
    toml = """\
        name = "ada"
        [[tools]]
        kind = "shop"
        url = "https://example.org"
        seat = 3
        [[tools]]
        kind = "shop"
        seats = 0
        hours = { monday = "nine" }
        [[tools]]
        kind = "bare"
        name = "x"
        [[tools]]
        kind = "shopp"
        name = "y"
        """
    with pytest.raises(AssistantError) as raised:
        load(write(tmp_path, toml), known(shops(install)))
    assert [str(mistake).removeprefix("ada/") for mistake in raised.value.mistakes] == [
        'assistant.toml:5: tools.0.seat: is not a key here (did you mean "seats"?)',
        "assistant.toml:6: tools.1.url: is required",
        "assistant.toml:8: tools.1.seats: must be at least 1",
        "assistant.toml:9: tools.1.hours.monday: must be a whole number",
        "assistant.toml:12: tools.2.name: is not a key here",
        "assistant.toml:14: tools.3.kind: must be one of bare, client, function, http, mcp, shop "
        '(did you mean "shop"?)',
    ]


@pytest.mark.parametrize(
    ("tools", "code"),
    [
        ('kind = "shop"\nurl = "a"\nseats = 13', "engine_failed"),
        ('kind = "shop"\nurl = "a"\nseats = 14', "engine_failed"),
        ('kind = "shop"\nurl = "a"\n[[tools]]\nkind = "shop"\nurl = "b"', "tools_not_valid"),
        ('kind = "shop"\nurl = "a"\n[[tools]]\nname = "order"', "tools_not_valid"),
    ],
)
def test_tools_that_cannot_be_made_or_have_one_name_are_engine_errors(
    install: Install, tmp_path: Path, tools: str, code: str
) -> None:
    found = shops(install)
    ada = load(write(tmp_path, f'name = "ada"\n[[tools]]\n{tools}'), known(found))

    async def story() -> None:
        async with Adapters(Settings(), DataFolder(tmp_path / "d"), registry=found) as adapters:
            with pytest.raises(EngineError) as raised:
                (await adapters.tools(ada)).specs(ToolContext())
            assert raised.value.code == code

    asyncio.run(story())


def test_a_tool_kind_that_ignores_its_cancellation_holds_up_no_call(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vivavoce.app.adapters.TOOLS_MADE_WITHIN_S", 0.05)
    found = shops(install)
    toml = 'name = "ada"\n[[tools]]\nkind = "shop"\nurl = "a"\nseats = 15'
    ada = load(write(tmp_path, toml), known(found))

    async def story() -> None:
        async with Adapters(Settings(), DataFolder(tmp_path / "d"), registry=found) as adapters:
            with pytest.raises(EngineError, match="do not work"):
                await adapters.tools(ada)

    asyncio.run(story())


def test_the_name_of_the_clients_own_kind_is_taken(install: Install) -> None:
    found = install("shops", SHOPS, tool_client="shops:client")
    assert list(found.broken) == ["shops: tool-client"]
    assert "client" not in found.names("tool")


@pytest.mark.parametrize("name", ["http", "websocket"])
def test_the_names_of_the_servers_own_transports_are_taken(install: Install, name: str) -> None:
    code = f"""
        from vivavoce.api import TransportSpec
        lofts = TransportSpec(name="{name}", make=None)
        """
    found = install("pigeons", code, **{f"transport_{name}": "pigeons:lofts"})
    assert found.transports == {}
    (reason,) = found.broken.values()
    assert reason.startswith(f'cannot have the name "{name}"')


def test_every_mistake_in_the_settings_of_adapters_has_its_key(install: Install) -> None:
    found = install("whispers", WHISPER, stt_whisper="whispers:whisper")
    found.check(settings(whisper={"beams": 3}), "vivavoce.toml")
    with pytest.raises(ConfigError) as caught:
        found.check(settings(whisper={"beams": "many", "modle": "x"}, wisper={}), "vivavoce.toml")
    told = [str(mistake) for mistake in caught.value.mistakes]
    assert told[0].startswith("vivavoce.toml: adapters.wisper: there is no adapter of this name")
    assert told[0].endswith('(did you mean "whisper"?)')
    assert [each.partition(": ")[2].partition(": ")[0] for each in told[1:]] == [
        "adapters.whisper.beams",
        "adapters.whisper.modle",
    ]


@pytest.mark.parametrize(
    ("source", "value", "reason"),
    [
        ("raise RuntimeError('a secret')", "ears:stt", "cannot be loaded: RuntimeError"),
        ("import not_there", "ears:stt", "cannot be loaded: ModuleNotFoundError (not_there)"),
        ("x = 1", "ears:stt", "cannot be loaded: AttributeError"),
        ("x = 1", "elsewhere:stt", "cannot be loaded: ModuleNotFoundError (elsewhere)"),
        ("stt = 7", "ears:stt", "ears:stt is not an AdapterSpec"),
        (WHISPER, "ears:whisper", "must have the name stt-whisper"),
        ("import sys\nsys.exit(3)", "ears:stt", "cannot be loaded: SystemExit"),
    ],
)
def test_a_broken_entry_point_is_reported_by_name_and_the_others_work(
    install: Install, tmp_path: Path, source: str, value: str, reason: str
) -> None:
    found = install("ears", source, stt_ears=value)
    (told,) = found.broken.items()
    assert told[0] == "ears: stt-ears"
    assert told[1].startswith(reason)
    assert "secret" not in told[1]
    assert "openai" in found.names("stt")
    with pytest.raises(AssistantError) as caught:
        load(write(tmp_path, 'name = "ada"\ncascade.stt = "ears"'), known(found))
    (mistake,) = caught.value.mistakes
    assert mistake.message.startswith(f'the stt "ears" is not available: ears: stt-ears {reason}')


def test_the_servers_own_adapter_is_used_if_another_package_takes_its_name(
    install: Install,
) -> None:
    source = WHISPER.replace('name="whisper"', 'name="openai"')
    found = install("a_thief", source, stt_openai="a_thief:whisper")
    openai = found.get("stt", "openai")
    assert openai is not None
    assert openai.remote
    assert found.broken == {
        "a_thief: stt-openai": 'vivavoce: stt-openai has registered the stt "openai" already'
    }


def test_the_error_of_an_assistant_names_the_package_to_install(tmp_path: Path) -> None:
    """An assistant that names no adapter needs the default ones."""
    bare = Registry({key: spec for key, spec in registry.installed().specs.items()
                     if spec.name not in ("pocketsphinx", "extractive")})  # fmt: skip
    told = [
        f'assistant.toml: the {kind} "{name}" is not available: '
        "install the package vivavoce-embedded: pip install vivavoce-embedded"
        for kind, name in (("stt", "pocketsphinx"), ("brain", "extractive"))
    ]
    with pytest.raises(AssistantError) as caught:
        load(write(tmp_path, 'name = "ada"'), known(bare))
    assert [str(each).removeprefix("ada/") for each in caught.value.mistakes] == told
    load(write(tmp_path, 'name = "ada"\nengine = "scripted"'), known(bare))
    load(write(tmp_path, 'name = "ada"\ncascade = {stt = "openai", brain = "openai"}'), known(bare))


@pytest.mark.parametrize(("kind", "name"), [("mouth", "loud"), ("stt", "")])
def test_a_spec_of_an_unknown_kind_or_without_a_name_is_refused(kind: str, name: str) -> None:
    async def make(_: object) -> None: ...

    with pytest.raises(ValueError, match=r"an adapter"):
        AdapterSpec(kind=kind, name=name, make=make)  # type: ignore[arg-type]


def test_an_adapter_that_is_not_there_is_an_engine_error(tmp_path: Path) -> None:
    ada = load(write(tmp_path, 'name = "ada"'), known())

    async def story() -> None:
        async with Adapters(Settings(), DataFolder(tmp_path), registry=Registry()) as adapters:
            for make in (adapters.recogniser, adapters.brain, adapters.voice):
                with pytest.raises(EngineError, match="there is no"):
                    await make(ada, "en")
            with pytest.raises(EngineError, match="there is no vad named silero"):
                await adapters.detectors()

    asyncio.run(story())


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_names(kind: registry.Kind) -> None:
    assert all(registry.installed().get(kind, each) for each in registry.installed().names(kind))


ABSENT = """
    import sys
    from vivavoce.api import AdapterSpec, EngineError

    def asks():
        raise {error}

    async def make(request):
        raise EngineError("absent")

    told = dict(notices=({{"en": "works"}},), missing=({{"en": "is missing"}},))
    stt = AdapterSpec(kind="stt", name="absent", make=make, installed=asks, **told)
    tts = AdapterSpec(kind="tts", name="absent", make=make, installed=asks, **told)
    """


@pytest.mark.parametrize("error", ["OSError('secret')", "SystemExit('secret')", "GeneratorExit()"])
def test_an_adapter_that_cannot_say_whether_it_is_installed_is_not(
    install: Install, tmp_path: Path, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    source = ABSENT.format(error=error)
    found = install("absents", source, stt_absent="absents:stt", tts_absent="absents:tts")
    toml = 'name = "ada"\ncascade.stt = "absent"\ncascade.tts = "absent"'
    ada = load(write(tmp_path / "assistants", toml), known(found))

    async def story() -> None:
        async with Adapters(Settings(), DataFolder(tmp_path / "d"), registry=found) as adapters:
            assert adapters.notes(ada).count({"en": "is missing"}) == 2
            assert adapters.hears(ada) == []
            assert not adapters.has_voice(ada, "en")
            assert await adapters.voice(ada, "en") is None

    asyncio.run(story())
    failed = [vars(r) for r in caplog.records if r.getMessage() == "adapter_failed"]
    assert [each["adapter"] for each in failed] == ["tts-absent", "stt-absent"], "each once"
    assert "secret" not in str(failed)
