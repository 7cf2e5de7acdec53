from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.core.types import JsonObject, ToolSpec
from vivavoce_embedded.brain.phrases import PHRASES
from vivavoce_embedded.brain.results import sentence

from .brain_talk import (
    ALL,
    BOOK_TABLE,
    CALL_TAXI,
    GET_WEATHER,
    SET_TIMER,
    SHOW_MAP,
    Talk,
    assistant,
    tool,
    user,
)

THURSDAY, FRIDAY = "2027-06-17", "2027-06-18"


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        (
            "book a table for four people tomorrow at eight in the evening",
            "book_table",
            {"people": 4, "date": THURSDAY, "time": "20:00"},
        ),
        (
            "please reserve a table for two on friday at seven pm",
            "book_table",
            {"people": 2, "date": FRIDAY, "time": "19:00"},
        ),
        (
            "Prenota un tavolo per due persone domani alle venti e trenta",
            "book_table",
            {"people": 2, "date": THURSDAY, "time": "20:30"},
        ),
        (
            "Quiero reservar una mesa para cinco el viernes a las nueve de la noche",
            "book_table",
            {"people": 5, "date": FRIDAY, "time": "21:00"},
        ),
        ("set a timer for twenty five minutes", "set_timer", {"minutes": 25}),
        ("can you call a taxi for me", "call_taxi", {}),
        ("chiama un taxi per le dieci e mezza di mattina", "call_taxi", {"time": "10:30"}),
        ("llama un taxi a las cinco de la tarde", "call_taxi", {"time": "17:00"}),
        ("show me the restrooms on the map", "show_map", {"place": "toilets"}),
        ("mostrami i bagni sulla mappa", "show_map", {"place": "toilets"}),
        ("muéstrame el restaurante en el mapa", "show_map", {"place": "restaurant"}),
        ("what's the weather like in San José?", "get_weather", {"city": "San José"}),
        ("che tempo fa a Roma", "get_weather", {"city": "Roma"}),
        ("qué tiempo hace en Madrid", "get_weather", {"city": "Madrid"}),
        (
            "send the programme to ada at example dot org",
            "send_programme",
            {"address": "ada@example.org"},
        ),
    ],
)
def test_a_tool_is_called_with_the_words_of_the_user(
    text: str, name: str, arguments: dict[str, object]
) -> None:
    reply = Talk(*ALL).say(text)
    assert (reply.kind, reply.name, reply.arguments) == ("call", name, arguments)


@pytest.mark.parametrize(
    "text",
    [
        "where is the restaurant",
        "when does the planetarium show start",
        "quanto costa il biglietto",
        "¿dónde están los aseos?",
        "thank you",
    ],
)
def test_a_question_calls_no_tool_that_does_something(text: str) -> None:
    assert Talk(*ALL).say(text).kind in ("answer", "small")


def test_what_is_missing_is_asked_for_one_by_one() -> None:
    talk = Talk(*ALL)
    assert talk.say("i would like to book a table for three").text == "For which day?"
    assert talk.say("on friday").text == "At what time?"
    reply = talk.say("nine in the morning")
    assert reply.arguments == {"people": 3, "date": FRIDAY, "time": "09:00"}


def test_an_answer_may_give_more_than_was_asked() -> None:
    talk = Talk(*ALL)
    assert talk.say("vorrei prenotare un tavolo").text == "Per quante persone?"
    reply = talk.say("quattro, venerdì alle otto di sera")
    assert reply.arguments == {"people": 4, "date": FRIDAY, "time": "20:00"}


def test_another_question_in_between_is_answered_and_ours_asked_again() -> None:
    talk = Talk(*ALL)
    talk.say("reserva una mesa para dos")
    reply = talk.say("¿dónde está el restaurante?")
    assert reply.text.endswith("¿Para qué día?")
    assert "segunda planta" in reply.text
    assert talk.say("mañana a las diez de la mañana").arguments == {
        "people": 2,
        "date": THURSDAY,
        "time": "10:00",
    }


def test_the_brain_asks_again_a_limited_number_of_times() -> None:
    talk = Talk(*ALL)
    talk.say("set a timer")
    first = talk.say("purple")
    assert first.text.startswith(PHRASES["en"].again)
    talk.say("orange")
    assert talk.say("green").text == PHRASES["en"].dropped
    assert talk.say("green").kind == "unknown"


def test_never_mind_ends_the_questions() -> None:
    talk = Talk(*ALL)
    talk.say("email me the programme")
    assert talk.say("never mind").text == PHRASES["en"].dropped
    assert "second floor" in talk.say("where is the restaurant").text


def test_a_question_that_was_interrupted_is_still_answered() -> None:
    talk = Talk(BOOK_TABLE)
    talk.history = [user("book a table for two"), assistant("For which—")]
    assert talk.say("friday").text == "At what time?"


def test_yes_and_no_answer_for_a_boolean() -> None:
    talk = Talk(tool("order_taxi", "Order a taxi", ("large",), large={"type": "boolean"}))
    talk.say("order a taxi")
    assert talk.say("no thanks").arguments == {"large": False}
    talk = Talk(*talk.tools)
    talk.say("order a taxi")
    assert talk.say("yes").arguments == {"large": True}


def test_free_text_keeps_its_capitals_and_accents() -> None:
    name: JsonObject = {"type": "string", "description": "your name", "x-after": ["for"]}
    talk = Talk(tool("print_badge", "Print a badge", ("holder",), holder=name))
    assert talk.say("please print a badge for José Núñez").arguments == {"holder": "José Núñez"}
    assert talk.say("print a badge").text == "Please tell me your name."
    assert talk.say("my name is Zoë").arguments == {"holder": "Zoë"}


def test_a_pattern_is_found_as_spelled() -> None:
    code: JsonObject = {
        "type": "string",
        "pattern": "[A-Z]{2}[0-9]{3}",
        "description": "your booking code",
    }
    talk = Talk(tool("find_booking", "Find a booking", ("code",), code=code))
    assert talk.say("find the booking ab 123").arguments == {"code": "AB123"}


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "a?" * 40 + "a" * 40, "(a|a)" * 30 + "b", "a*a*a*a*a*b", "[a-c*]*a*a*b"]
)
def test_a_pattern_of_exponential_cost_is_ignored(pattern: str) -> None:
    evil: JsonObject = {"type": "string", "pattern": pattern, "description": "code"}
    talk = Talk(tool("find_booking", "Find a booking", ("code",), code=evil))
    assert talk.say("find a booking").kind == "ask"
    assert talk.say("a" * 40 + "!").arguments == {"code": "a" * 40}


def test_no_tool_is_called_when_the_client_forbids_it() -> None:
    talk = Talk(SET_TIMER)
    talk.choice = "none"
    assert talk.say("set a timer for ten minutes").kind == "unknown"


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "get_weather"}])
def test_a_tool_is_called_when_the_client_demands_it(choice: str | dict[str, object]) -> None:
    talk = Talk(GET_WEATHER)
    talk.choice = choice
    assert talk.say("good morning").name == "get_weather"
    assert talk.say("and in Turin").arguments == {"city": "Turin"}


def test_the_demanded_tool_wins_over_a_better_one() -> None:
    talk = Talk(*ALL)
    talk.choice = {"type": "function", "name": "show_map"}
    assert talk.say("set a timer for ten minutes").name == "show_map"


def test_the_output_of_a_tool_is_spoken_in_the_language_of_the_call() -> None:
    talk = Talk(SHOW_MAP)
    talk.say("mostrami i bagni sulla mappa")
    assert talk.tool_answers('{"ok": true}').text == "Fatto."
    assert "secondo piano" in talk.say("dov'è il ristorante").text


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ('{"message": "Your table is booked"}', "Your table is booked."),
        ('{"temperature": 21.5, "sky": "clear"}', "temperature: 21.5 and sky: clear."),
        ('{"a": 1, "b": 2, "c": 3, "d": 4}', "a: 1, b: 2, c: 3 and 1 more."),
        ('["tea", "coffee"]', "tea and coffee."),
        ('{"error": "no table is free"}', "That did not work: no table is free."),
        ('{"error": {"message": "closed", "code": 7}}', "That did not work: closed."),
        ('{"success": true}', "Done."),
        ("It is raining.", "It is raining."),
        ("", "Done."),
        ("[]", "There is nothing to report."),
    ],
)
def test_results_become_sentences(output: str, said: str) -> None:
    assert sentence(output, "en") == said


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ('{"result": "The table is booked"}', "The table is booked."),
        ('{"data": {"result": {"text": "Two seats are free"}}}', "Two seats are free."),
        ('{"content": [{"type": "text", "text": "It rains"}]}', "It rains."),
        ('{"price": 12.5}', "12.5."),
        ('{"results": []}', "There is nothing to report."),
        ('{"success": true, "result": null}', "Done."),
        ('{"id": "a81f", "openingTime": "9 am", "free_seats": 4}',
         "opening time: 9 am and free seats: 4."),
        ('{"rooms": [{"id": 7, "name": "Oak", "seats": 4}, {"name": "Elm", "seats": 2}]}',
         "Oak, seats: 4 and Elm, seats: 2."),
    ],
)  # fmt: skip
def test_N12_a_structured_result_is_spoken_without_its_wrapping(output: str, said: str) -> None:
    assert sentence(output, "en") == said


@pytest.mark.parametrize(
    "output", ['{"error": "this page cannot do that"}', '{"success": false}', '{"ok": false}']
)
def test_N1_a_failed_tool_does_not_hide_what_is_known(output: str) -> None:
    talk = Talk(SHOW_MAP)
    assert talk.say("show me the restaurant on the map").kind == "call"
    assert "second floor" in talk.tool_answers(output).text
    talk = Talk(SET_TIMER)
    talk.say("set a timer for ten minutes")
    assert talk.tool_answers(output).text.startswith("That did not work")


EVENING = tool(
    "book_dinner",
    "Book a table for dinner",
    ("time",),
    time={"type": "string", "format": "time", "x-part-of-day": "evening"},
)


@pytest.mark.parametrize(
    ("said", "time"),
    [
        ("8pm", "20:00"), ("8 pm", "20:00"), ("8 p.m.", "20:00"), ("8 P.M.", "20:00"),
        ("8 p m", "20:00"), ("7:30pm", "19:30"), ("7.30 pm", "19:30"), ("7:30 p.m.", "19:30"),
        ("seven thirty pm", "19:30"), ("half past seven pm", "19:30"), ("8am", "08:00"),
        ("8 a.m.", "08:00"), ("12 am", "00:00"), ("12 pm", "12:00"), ("20:15", "20:15"),
        ("20h", "20:00"), ("09:30", "09:30"), ("8 in the evening", "20:00"),
        ("8 o'clock at night", "20:00"), ("eight tonight", "20:00"), ("noon", "12:00"),
    ],
)  # fmt: skip
def test_N2_every_spelling_of_a_time_is_read(said: str, time: str) -> None:
    for text in (f"call a taxi at {said}", f"please call me a taxi for {said}"):
        if said not in ("09:30", "20:15") or " at " in text:
            assert Talk(CALL_TAXI).say(text).arguments == {"time": time}, text


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("book a table for dinner at eight", "20:00"),
        ("book a table for dinner at 7:30", "19:30"),
        ("book a table for dinner at noon", "12:00"),
        ("book a table for dinner at eight in the morning", "08:00"),
    ],
)
def test_N2_a_parameter_names_its_part_of_the_day(text: str, time: str) -> None:
    assert Talk(EVENING).say(text).arguments == {"time": time}
    assert Talk(tool("book_table", "Book a table", ("time",), time={"format": "time"})).say(
        "book a table for dinner at eight"
    ).arguments == {"time": "20:00"}


@pytest.mark.parametrize(
    ("text", "question", "answer", "time"),
    [
        ("call a taxi at eight", "In the morning or in the evening?", "in the evening", "20:00"),
        ("call a taxi at eight", "In the morning or in the evening?", "morning please", "08:00"),
        ("call a taxi at 8:15", "In the morning or in the evening?", "8:15 pm", "20:15"),
        ("call a taxi at eight", "In the morning or in the evening?", "eight", "08:00"),
        ("chiama un taxi per le dieci e mezza", "Di mattina o di sera?", "di sera", "22:30"),
        ("llama un taxi a las nueve", "¿De la mañana o de la noche?", "de la noche", "21:00"),
    ],
)
def test_N2_an_hour_that_may_be_two_is_asked_for_once(
    text: str, question: str, answer: str, time: str
) -> None:
    talk = Talk(CALL_TAXI)
    assert talk.say(text).text == question
    assert talk.say(answer).arguments == {"time": time}


def test_N2_the_half_of_the_day_goes_with_the_other_arguments() -> None:
    talk = Talk(*ALL)
    assert talk.say("book a table for two on friday at eight").text.startswith("In the morning")
    assert talk.say("where is the restaurant").text.endswith("In the morning or in the evening?")
    reply = talk.say("in the evening")
    assert reply.arguments == {"people": 2, "date": FRIDAY, "time": "20:00"}
    talk = Talk(*ALL)
    talk.say("book a table for two on friday")
    assert talk.say("at nine").text.startswith("In the morning")
    assert talk.say("evening").arguments == {"people": 2, "date": FRIDAY, "time": "21:00"}


def test_results_of_several_tools_share_one_reply() -> None:
    talk = Talk(*ALL)
    talk.say("set a timer for ten minutes")
    talk.tool_answers("The timer runs.")
    talk.history.pop()
    assert talk.tool_answers("The lamp is on.").text == "The timer runs. The lamp is on."


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=12,
)


@given(JSON)
def test_any_result_becomes_a_sentence(value: object) -> None:
    assert sentence(json.dumps(value), "it")


SCHEMA_WORDS = st.sampled_from(
    ["type", "enum", "format", "pattern", "x-ask", "x-after", "x-synonyms", "items", "anyOf",
     "minimum", "description"]
)  # fmt: skip
SCHEMA = st.dictionaries(
    SCHEMA_WORDS, JSON | st.sampled_from(["string", "array", "integer", "date", "time", "boolean"])
)


@given(
    properties=st.dictionaries(st.text(max_size=6), SCHEMA | JSON, max_size=4) | JSON,
    required=st.lists(st.text(max_size=6)) | JSON,
    text=st.sampled_from(["book a table", "two", "yes", "on friday at nine", "¿qué?", "a@b.c"]),
)
def test_no_schema_of_a_client_breaks_it(properties: object, required: object, text: str) -> None:
    parameters: dict[str, object] = {"properties": properties, "required": required}
    spec = ToolSpec(name="book_table", description="Book a table", parameters=parameters)
    talk = Talk(spec)
    talk.say("book a table")
    talk.say(text)
    talk.choice = "required"
    talk.say(text)
