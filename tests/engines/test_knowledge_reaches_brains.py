"""Every brain is told what the assistant knows, or its author is."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import SecretStr

from vivavoce.app.adapters import Adapters, known
from vivavoce.app.catalogue import check_assistant
from vivavoce.app.data_folder import DataFolder
from vivavoce.assistants import load
from vivavoce.config import NetSection, OpenAISection, Settings
from vivavoce.core.effects import Respond
from vivavoce.core.inputs import CutShort, OutputChunk, ToolRequested
from vivavoce.engines.registry import Registry, installed
from vivavoce.engines.resources import AdapterResources
from vivavoce.engines.scripted.script import Rule, Script
from vivavoce.engines.tts.espeak import LANGUAGES as LANGUAGES_OF_ESPEAK
from vivavoce.errors import AssistantError
from vivavoce.knowledge import schedule
from vivavoce.knowledge.chunks import markdown
from vivavoce.knowledge.memory import MemoryRetriever
from vivavoce.knowledge.normalize import LANGUAGES
from vivavoce.protocol.config import SessionConfig
from vivavoce.protocol.items import Message, Part
from vivavoce.testing import scripted_server
from vivavoce_espeak.library import Library

from ..support.endpoints import KEY, serving
from ..support.engines import engine_of
from ..support.folders import write

CLOUD = 'name = "ada"\ncascade = { stt = "openai", brain = "openai", tts = "openai" }\n'
GARDEN = "# Garten\n\nDer Garten öffnet um acht Uhr.\n\n# Frühstück\n\nEs gibt Brot.\n"


def asked(text: str) -> Respond:
    message = Message(role="user", content=(Part(type="input_text", text=text),))
    return Respond("resp_1", SessionConfig(output_modalities=("text",)), (message,))


def prompts_of(
    folder: Path,
    data: Path,
    language: str,
    questions: Sequence[str],
    monkeypatch: pytest.MonkeyPatch,
) -> list[str]:
    """Ask a chat model each question. Return the instructions that it received with each."""
    received: list[str] = []
    read = scripted_server._question

    def spy(chat: scripted_server._Chat) -> object:
        question = read(chat)
        received.append(question.instructions)
        return question

    monkeypatch.setattr(scripted_server, "_question", spy)

    async def emit(event: OutputChunk | ToolRequested | CutShort) -> None: ...

    async def story() -> None:
        async with serving(Script(rules=(Rule(say="At eight."),))) as served:
            chosen = Settings(
                openai=OpenAISection(base_url=served.base_url, api_key=SecretStr(KEY)),
                net=NetSection(allow_private=True),
            )
            async with Adapters(chosen, DataFolder(data)) as adapters:
                ada = load(folder, known())
                engine = await engine_of(adapters, ada, language)
                for question in questions:
                    await engine.respond(asked(question), emit)

    asyncio.run(story())
    return received


def test_K8_a_chat_model_gets_the_passages_that_fit_the_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml = f'{CLOUD}languages = ["de"]\n'
    folder = write(tmp_path / "assistants", toml, knowledge__haus_md=GARDEN)
    questions = ["Wann öffnet der Garten?"]
    (instructions,) = prompts_of(folder, tmp_path / "data", "de", questions, monkeypatch)
    assert "Der Garten öffnet um acht Uhr." in instructions
    assert "[haus.md] Garten" in instructions


AGENDA = """day,start,end,title,room
2027-05-11,9:00,10:30,Bread,Hall 2
Monday,9:00,,Tea,Lounge
"""


def test_a_chat_model_gets_dates_and_the_time_of_the_assistant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml = f'{CLOUD}time_zone = "Pacific/Kiritimati"\n'
    folder = write(tmp_path / "assistants", toml, knowledge__agenda_csv=AGENDA)
    now = datetime.now(ZoneInfo("Pacific/Kiritimati"))
    questions = ["When is Bread?", "When is Tea?", "xyzzy"]
    bread, tea, nothing = prompts_of(folder, tmp_path / "data", "en", questions, monkeypatch)
    assert "Bread is on Tuesday 11 May 2027 from 9 am to 10:30 am in Hall 2." in bread
    assert "Tea is on Monday at 9 am in the Lounge." in tea  # every week: it has no date
    days = {f"It is {day:%A} {day.day} {day:%B %Y}, " for day in (now, now + timedelta(minutes=5))}
    assert any(day in bread for day in days)
    assert "It is" not in nothing  # without a passage, the prompt stays as it is


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "Bread is on Tuesday 11 May 2027 from 9 am to 10 am. The speaker is Ann."),
        ("it", "Bread è martedì 11 maggio 2027 dalle 9 alle 10. Parla Ann."),
        ("es", "Bread es el martes 11 de mayo de 2027 de 9 a 10. Habla Ann."),
    ],
)
def test_a_passage_of_a_programme_has_its_date_in_each_language(
    language: str, sentence: str
) -> None:
    table = "day,start,end,title,speaker,about\n2027-05-11,9:00,10:00,Bread,Ann,With butter.\n"
    retriever = MemoryRetriever(schedule.table(table, language, "agenda.csv"))
    (best,) = asyncio.run(retriever.search("Bread", language, 1))
    assert best.text.startswith(f"{sentence} With butter.")


def test_K10_the_embedded_brain_has_the_time_and_the_fallback_of_its_assistant(
    tmp_path: Path,
) -> None:
    said: dict[str, list[str]] = {"Pacific/Kiritimati": [], "Etc/GMT+12": []}
    days: dict[str, set[str]] = {zone: set() for zone in said}

    async def story() -> None:
        async with Adapters(Settings(), DataFolder(tmp_path / "data")) as adapters:
            for zone, told in said.items():
                toml = f'name = "ada"\ntime_zone = "{zone}"\nfallback = "Ask at the desk."\n'
                ada = load(write(tmp_path / zone, toml), known())
                engine = await engine_of(adapters, ada, "en")

                async def emit(
                    event: OutputChunk | ToolRequested | CutShort, told: list[str] = told
                ) -> None:
                    if isinstance(event, OutputChunk) and event.text:
                        told.append(event.text)

                days[zone].add(f"{ada.now():%A}")
                await engine.respond(asked("what day is it today"), emit)
                days[zone].add(f"{ada.now():%A}")
                told.append(" ")
                await engine.respond(asked("who is the mayor"), emit)

    asyncio.run(story())
    for zone, told in said.items():
        text = "".join(told)
        assert any(day in text for day in days[zone])
        assert text.endswith("Ask at the desk.")
    assert not days["Pacific/Kiritimati"] & days["Etc/GMT+12"]  # 26 hours lie between them


def test_K8_a_language_without_files_gets_the_passages_of_the_others(tmp_path: Path) -> None:
    folder = write(tmp_path, f'{CLOUD}languages = ["de", "it-CH"]\n', knowledge__haus_md=GARDEN)
    empty = write(tmp_path, f"{CLOUD}languages = ['de']\n")

    async def story() -> None:
        async with AdapterResources(Settings(), tmp_path / "cache") as resources:
            for language in ("de", "it-CH"):
                retriever = await resources.retriever(load(folder, known()))
                (best, *_) = await retriever.search("Garten", language, 1)
                assert best.title == "Garten"
            nothing = load(empty, known())
            (empty / "knowledge").mkdir(exist_ok=True)
            (empty / "knowledge/haus.md").unlink()
            nobody = await resources.retriever(nothing)
            assert await nobody.search("Garten", "de", 1) == ()

    asyncio.run(story())


def test_K8_the_embedded_brain_reads_the_knowledge_itself() -> None:
    spec = installed().get("brain", "extractive")
    assert spec is not None
    assert spec.knowledge == "own"
    assert spec.languages == frozenset(LANGUAGES)


@pytest.mark.parametrize(
    ("language", "text", "query"),
    [
        ("de", GARDEN, "Wann sind die Gärten offen?"),
        ("fr", "# Jardin\n\nLe jardin ouvre.\n\n# Pain\n\nIl y a du pain.", "les jardins ?"),
        ("ru", "# Сад\n\nСад открыт.\n\n# Хлеб\n\nЕсть хлеб.", "Когда открыт сад?"),
        ("xx", "# Gorp\n\nGorp blim.\n\n# Plim\n\nPlom.", "gorp"),
    ],
)
def test_K8_knowledge_in_any_language_is_found(language: str, text: str, query: str) -> None:
    retriever = MemoryRetriever(markdown(text, language, "a.md"))
    (best, *_) = asyncio.run(retriever.search(query, language, 1))
    assert best.text == markdown(text, language, "a.md")[0].text


def test_K8_a_language_that_the_brain_does_not_answer_in_is_a_mistake(tmp_path: Path) -> None:
    toml = 'name = "ada"\n\nlanguages = ["en", "de-AT"]\n'
    with pytest.raises(AssistantError) as caught:
        check_assistant(write(tmp_path, toml))
    (mistake,) = caught.value.mistakes
    assert str(mistake).startswith("ada/assistant.toml:3: languages: ")
    assert '"extractive" does not answer in "de-AT"' in mistake.message
    check_assistant(write(tmp_path, f'{CLOUD}languages = ["de-AT"]\n'))
    check_assistant(write(tmp_path, 'name = "ada"\nlanguages = ["it-CH", "en-GB"]\n'))
    check_assistant(
        write(tmp_path, 'name = "ada"\nlanguages = ["en", "de"]\ncascade.brain.en = "extractive"\n'
                        'cascade.brain.de = "openai"\n')
    )  # fmt: skip


def test_a_language_that_is_not_understood_or_spoken_is_a_warning(tmp_path: Path) -> None:
    folder = write(tmp_path, 'name = "ada"\nlanguages = ["en-GB", "it"]\n')
    (warning,) = check_assistant(folder).warnings
    assert str(warning) == (
        'ada/assistant.toml:2: languages: the recogniser "pocketsphinx" does not understand "it", '
        "so people must type in it: only en"
    )
    found = installed()
    voice = found.get("tts", "espeak")
    assert voice is not None
    english = dataclasses.replace(voice, languages=frozenset({"en"}))
    registry = Registry({**found.specs, ("tts", "espeak"): english}, found.broken)
    _, warning = check_assistant(folder, registry).warnings
    assert 'the voice "espeak" does not speak "it": only en' in str(warning)
    klingon = CLOUD.replace('tts = "openai"', 'tts = "espeak"') + "languages = ['tlh']\n"
    (warning,) = check_assistant(write(tmp_path, klingon)).warnings
    assert str(warning).endswith('the voice "espeak" does not speak "tlh"')


def test_the_spec_of_espeak_names_the_languages_of_its_library() -> None:
    short = {code.partition("-")[0] for code in Library().voices()}
    assert set(LANGUAGES_OF_ESPEAK) == short | {"fr", "zh", "no", "nn"}


def test_a_region_is_understood_where_its_language_is(tmp_path: Path) -> None:
    ada = load(write(tmp_path, 'name = "ada"\nlanguages = ["en-GB", "it"]\n'), known())

    async def story() -> list[str]:
        async with Adapters(Settings(), DataFolder(tmp_path)) as parts:
            return parts.hears(ada)

    assert asyncio.run(story()) == ["en-GB"]


def test_K8_knowledge_that_no_brain_reads_is_a_warning(tmp_path: Path) -> None:
    folder = write(tmp_path, f"{CLOUD}languages = ['de']\n", knowledge__haus_md=GARDEN)
    assert check_assistant(folder).warnings == []
    found = installed()
    brain = found.get("brain", "openai")
    assert brain is not None
    deaf = dataclasses.replace(brain, knowledge="unused")
    registry = Registry({**found.specs, ("brain", "openai"): deaf}, found.broken)
    (warning,) = check_assistant(folder, registry).warnings
    assert 'the brain "openai" does not read knowledge' in str(warning)
    scripted = 'name = "ada"\nengine = "scripted"\n'
    (warning,) = check_assistant(write(tmp_path, scripted, knowledge__a_md="# A\nB.")).warnings
    assert "does not read knowledge" in warning.message


def test_K3_check_names_what_is_not_used_as_written(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        'name = "ada"\n',
        knowledge__agenda_csv="day,start,title\nMonday,9 or 10,Bread\n",
        knowledge__a_md="# A\n\nB.\n\n<!-- c\n",
    )
    with pytest.raises(AssistantError) as caught:
        check_assistant(folder)
    told = [str(mistake) for mistake in caught.value.mistakes]
    assert told[0].startswith("ada/knowledge/a.md:5: a comment begins here")
    assert told[1].startswith("ada/knowledge/agenda.csv:2: start: ")


def test_K4_check_warns_of_columns_that_are_not_read(tmp_path: Path) -> None:
    table = "day,start,title,sponsor\nMonday,9:00,Bread,Oven Ltd\n"
    folder = write(tmp_path, 'name = "ada"\n', knowledge__agenda_csv=table, knowledge__a_md="")
    assert [str(each) for each in check_assistant(folder).warnings] == [
        "ada/knowledge/a.md: has no text to answer with",
        "ada/knowledge/agenda.csv:1: sponsor: this column is not read",
    ]
