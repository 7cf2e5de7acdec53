"""Numbers, dates and times, as they are spoken."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce_embedded.brain.dates import find_date, find_time
from vivavoce_embedded.brain.numbers import digits
from vivavoce_embedded.brain.phrases import small_talk
from vivavoce_embedded.brain.utterance import UserUtterance

TODAY = dt.date(2027, 6, 16)  # a Wednesday


@pytest.mark.parametrize(
    ("language", "said", "expected"),
    [
        ("en", "twenty five", "25"),
        ("en", "nine thirty", "9 30"),
        ("en", "one hundred and five people", "105 people"),
        ("en", "two thousand twenty seven", "2027"),
        ("en", "three hundred", "300"),
        ("en", "a table for two and a half", "a table for 2 and a half"),
        ("it", "venticinque", "25"),
        ("it", "ventuno e quarantotto", "21 e 48"),
        ("it", "duecento cinque", "205"),
        ("it", "duemila", "2000"),
        ("es", "treinta y cinco", "35"),
        ("es", "veintidos", "22"),
        ("es", "doscientos", "200"),
        ("es", "nueve y media", "9 y media"),
        ("es", "una mesa para cuatro", "una mesa para 4"),
    ],
)
def test_numbers_become_digits(language: str, said: str, expected: str) -> None:
    assert digits(said, language) == expected


@pytest.mark.parametrize(
    ("language", "said", "expected"),
    [
        ("en", "tomorrow", "2027-06-17"),
        ("en", "the day after tomorrow", "2027-06-18"),
        ("en", "on friday", "2027-06-18"),
        ("en", "on wednesday", "2027-06-23"),
        ("en", "december third", "2027-12-03"),
        ("en", "the 3rd of may", "2028-05-03"),
        ("en", "2027-07-01", "2027-07-01"),
        ("it", "dopodomani", "2027-06-18"),
        ("it", "il primo luglio", "2027-07-01"),
        ("it", "venerdì", "2027-06-18"),
        ("es", "mañana", "2027-06-17"),
        ("es", "mañana por la mañana", "2027-06-17"),
        ("es", "el tres de julio", "2027-07-03"),
        ("es", "el sábado", "2027-06-19"),
    ],
)
def test_dates_are_the_next_ones_that_come(language: str, said: str, expected: str) -> None:
    found = find_date(UserUtterance(said, language).digits, language, TODAY)
    assert found is not None
    assert found.value == expected


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "may i come in"), ("en", "the 31st of june"), ("es", "por la mañana"), ("it", "due")],
)
def test_words_without_a_date_give_none(language: str, said: str) -> None:
    assert find_date(UserUtterance(said, language).digits, language, TODAY) is None


@pytest.mark.parametrize(
    ("language", "said", "expected"),
    [
        ("en", "at nine", "09:00"),
        ("en", "at nine thirty", "09:30"),
        ("en", "at seven forty five in the evening", "19:45"),
        ("en", "8 pm", "20:00"),
        ("en", "at 8pm", "20:00"),
        ("en", "at 7:30pm", "19:30"),
        ("en", "7.30 p.m.", "19:30"),
        ("en", "at 8 P.M. please", "20:00"),
        ("en", "8 a.m.", "08:00"),
        ("en", "at 12am", "00:00"),
        ("en", "i am here at 8", "08:00"),
        ("en", "14h", "14:00"),
        ("it", "alle 14h30", "14:30"),
        ("en", "at 10.15", "10:15"),
        ("en", "half past four in the afternoon", "16:30"),
        ("en", "a quarter to ten", "09:45"),
        ("en", "twelve o'clock", "12:00"),
        ("en", "twelve am", "00:00"),
        ("en", "noon", "12:00"),
        ("it", "alle venti e trenta", "20:30"),
        ("it", "alle nove e mezza", "09:30"),
        ("it", "alle dieci meno un quarto", "09:45"),
        ("it", "alle otto di sera", "20:00"),
        ("es", "a las nueve de la noche", "21:00"),
        ("es", "a las nueve y media", "09:30"),
        ("es", "a las diez menos cuarto", "09:45"),
        ("es", "a la una de la tarde", "13:00"),
    ],
)
def test_times_of_day(language: str, said: str, expected: str) -> None:
    found = find_time(UserUtterance(said, language).digits)
    assert found is not None
    assert found.value == expected


def test_a_lone_number_is_an_hour_only_if_one_was_asked_for() -> None:
    assert find_time("nine") is None
    assert find_time("9") is None
    bare = find_time("9", bare=True)
    assert bare is not None
    assert bare.value == "09:00"


def test_a_piece_of_an_utterance_is_given_back_as_it_was_written() -> None:
    said = UserUtterance("Send it to José Núñez, please.", "en")
    assert said.original("jose nunez") == "José Núñez"
    assert said.original("nobody") == "nobody"


@given(st.text(max_size=200), st.sampled_from(["en", "it", "es"]))
def test_any_text_can_be_looked_at(text: str, language: str) -> None:
    said = UserUtterance(text, language)
    find_date(said.digits, language, TODAY)
    find_time(said.digits, bare=True)
    small_talk(said.folded)
    assert isinstance(said.terms, list)
