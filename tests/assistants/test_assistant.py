from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import msgspec
import pytest

from vivavoce.assistants import Assistant, load
from vivavoce.core.types import JsonObject
from vivavoce.errors import InvalidRequest
from vivavoce.protocol.config import SessionConfig

from ..support.folders import KNOWN, write


@pytest.fixture
def ada(tmp_path: Path) -> Assistant:
    folder = write(
        tmp_path,
        """\
        name = "ada"
        title = { en = "Ada", it = "Ada l'assistente" }
        languages = ["en", "it", "pt-BR"]
        roles = ["guest", "staff"]

        [instructions]
        default = "default: {{ title }}, {{ role }}, {{ language }}"
        it = "it"
        staff.default = "staff: {{ city }} {{ guests }} {{ day }} {{ size }}"
        staff.it = "staff.it"

        [greeting]
        en = "Hello"
        it = "Ciao"

        [variables]
        city = { default = "Turin" }
        guests = { type = "number", default = 20 }
        day = { type = "date" }
        size = { type = "choice", choices = ["small", "large"] }

        [cascade]
        stt = { en = "pocketsphinx", it = "openai" }

        [[tools]]
        name = "show_map"
        description = "Show a map"
        parameters = { type = "object", properties = { place = { enum = ["hall"] } } }

        [limits]
        locked = ["tools", "audio.output.voice"]
        """,
    )
    return load(folder, KNOWN)


@pytest.mark.parametrize(
    ("role", "language", "said"),
    [
        ("staff", "it", "staff.it"),
        ("staff", "pt-BR", "staff: Turin 20  small"),
        ("guest", "it", "it"),
        ("guest", "pt-BR", "default: Ada, guest, pt-BR"),
        (None, None, "default: Ada, guest, en"),
    ],
)
def test_the_nearest_prompt_is_role_and_language_then_role_then_language_then_default(
    ada: Assistant, role: str | None, language: str | None, said: str
) -> None:
    assert ada.instructions(role, language) == said


@pytest.mark.parametrize(
    ("asked", "picked"),
    [("it", "it"), ("IT-ch", "it"), ("pt_br", "pt-BR"), ("pt", "pt-BR"), ("de", "en"), ("", "en")],
)
def test_a_language_is_the_nearest_one_or_the_first(
    ada: Assistant, asked: str, picked: str
) -> None:
    assert ada.pick_language(asked) == picked


def test_missing_translation_falls_back_on_the_first_language(ada: Assistant) -> None:
    assert [ada.greeting(language) for language in ("it", "pt-BR", None)] == [
        "Ciao",
        "Hello",
        "Hello",
    ]
    assert ada.title("it") == "Ada l'assistente"
    assert [ada.adapter("stt", each) for each in ("it", "pt-BR")] == ["openai", "pocketsphinx"]


def test_values_of_variables_are_parsed_as_their_types(ada: Assistant) -> None:
    given = {"city": "Rome", "guests": "12.5", "day": "2027-05-12", "size": "large"}
    assert ada.values(given) == {
        "city": "Rome",
        "guests": 12.5,
        "day": date(2027, 5, 12),
        "size": "large",
    }
    assert ada.instructions("staff", "en", given) == "staff: Rome 12.5 2027-05-12 large"


def test_a_value_is_only_ever_data(ada: Assistant) -> None:
    said = ada.instructions("staff", "en", {"city": "{{ 7 * 7 }}"})
    assert said.startswith("staff: {{ 7 * 7 }} 20")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("guests", "many", "Variable 'guests' must be a number."),
        ("guests", "nan", "Variable 'guests' must be a number."),
        ("guests", "9" * 5000, "Variable 'guests' must be a number."),
        ("guests", "9" * 400, "Variable 'guests' must be a number of at most 300 digits."),
        pytest.param(
            "guests",
            10**400,
            "Variable 'guests' must be a number of at most 300 digits.",
            id="a whole number of 401 digits",
        ),
        ("guests", "1e999", "Variable 'guests' must be a number of at most 300 digits."),
        ("guests", float("nan"), "Variable 'guests' must be a number of at most 300 digits."),
        ("guests", "٣", "Variable 'guests' must be a number."),
        ("guests", "1_000", "Variable 'guests' must be a number."),
        ("guests", "²", "Variable 'guests' must be a number."),
        ("day", "tomorrow", "Variable 'day' must be a date such as 2027-05-13."),
        ("size", "larg", "Variable 'size' must be one of small, large (did you mean \"large\"?)."),
        ("city", 3, "Variable 'city' must be text."),
        ("city", "a\x00b", "Variable 'city' must not contain control characters."),
        ("city", "x" * 1001, "Variable 'city' may have at most 1000 characters."),
        ("citty", "x", "Unknown variable 'citty' (did you mean \"city\"?)."),
    ],
)
def test_a_wrong_value_is_the_callers_fault(
    ada: Assistant, name: str, value: object, message: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ada.instructions("guest", "en", {name: value})
    assert (caught.value.message, caught.value.param) == (message, f"variables.{name}")


def test_values_that_break_a_prompt_are_the_callers_fault_too(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        """\
        name = "ada"
        instructions.default = "{{ 100 // guests }} each"
        variables.guests = { type = "number", default = 4 }
        """,
    )
    assistant = load(folder, KNOWN)
    assert assistant.instructions(variables={"guests": "50"}) == "2 each"
    with pytest.raises(InvalidRequest, match="do not go with"):
        assistant.instructions(variables={"guests": "0"})


def test_X10_a_variable_that_makes_a_prompt_endless_is_the_callers_fault(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        """\
        name = "ada"
        instructions.default = "{% for each in range(guests) %}{{ 'x' * guests }}{% endfor %}"
        variables.guests = { type = "number", default = 2 }
        """,
    )
    assistant = load(folder, KNOWN)
    assert assistant.instructions(variables={"guests": "3"}) == "x" * 9
    for endless in ("9000", "99999", "1e299", "9" * 300):
        with pytest.raises(InvalidRequest, match="do not go with"):
            assistant.instructions(variables={"guests": endless})


def test_a_language_stands_for_its_regions(tmp_path: Path) -> None:
    toml = 'languages = ["pt-BR", "en"]\ngreeting.pt = "Olá"\ninstructions.pt = "Fala"'
    folder = write(tmp_path, f'name = "ada"\n{toml}')
    assistant = load(folder, KNOWN)
    assert assistant.greeting("pt-BR") == "Olá"
    assert assistant.instructions(None, "pt-BR") == "Fala"


def test_an_unknown_role_is_the_callers_fault(ada: Assistant) -> None:
    with pytest.raises(InvalidRequest, match="Unknown role") as caught:
        ada.instructions("boss")
    assert caught.value.param == "role"


def test_turn_detection_is_valid_in_a_session(ada: Assistant) -> None:
    patch: JsonObject = {"audio": {"input": {"turn_detection": ada.turn_detection()}}}
    config = SessionConfig().merged({"type": "realtime", **patch})
    assert msgspec.to_builtins(config.audio.input.turn_detection) == ada.turn_detection()


def test_semantic_turns_have_no_silence_and_no_gate_on_the_wire(tmp_path: Path) -> None:
    folder = write(tmp_path, 'name = "ada"\nturns = { type = "semantic_vad", eagerness = "low" }')
    assistant = load(folder, KNOWN)
    assert assistant.turns.gate_db == 15
    assert assistant.turn_detection() == {
        "type": "semantic_vad",
        "eagerness": "low",
        "create_response": True,
        "interrupt_response": True,
    }
    patch: JsonObject = {"audio": {"input": {"turn_detection": assistant.turn_detection()}}}
    config = SessionConfig().merged({"type": "realtime", **patch})
    assert msgspec.to_builtins(config.audio.input.turn_detection) == assistant.turn_detection()


def test_the_providers_key_is_read_when_it_is_used(tmp_path: Path) -> None:
    secret = tmp_path / "key.txt"
    by_env = load(write(tmp_path, 'name = "ada"\nupstream.key.env = "MY_KEY"'), KNOWN)
    assert by_env.upstream_key({"MY_KEY": " sk-1 "}) == "sk-1"
    assert by_env.upstream_key({}) is None
    by_file = load(write(tmp_path, f'name = "bob"\nupstream.key.file = "{secret}"', "bob"), KNOWN)
    assert by_file.upstream_key({}) is None
    secret.write_text("sk-2\n")
    assert by_file.upstream_key({}) == "sk-2"
    secret.write_bytes(b"k" * (64 * 1024 + 1))
    assert by_file.upstream_key({}) is None


@pytest.mark.skipif(os.name == "nt", reason="pipes and devices of POSIX")
def test_provider_key_file_that_is_not_regular_gives_no_key(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        ada = load(write(tmp_path, f'name = "ada"\nupstream.key.file = "{path}"'), KNOWN)
        assert ada.upstream_key({}) is None


def test_voice_of_an_upstream_is_not_checked(tmp_path: Path) -> None:
    folder = write(tmp_path, 'name = "ada"\nvoice.name = "af_heart"\ncascade.tts = "openai"')
    assert load(folder, KNOWN).voice.name == "af_heart"


def test_an_assistant_cannot_be_changed(ada: Assistant) -> None:
    with pytest.raises(ValueError, match="frozen"):
        ada.name = "bob"  # type: ignore[misc]
