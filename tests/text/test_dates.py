from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.text.clock import UnclearError
from vivavoce.text.dates import Day, Stamp, day_first, read_day, read_stamp

WEDNESDAY = Day("2027-05-12", 2)


@pytest.mark.parametrize(
    "text",
    [
        "2027-05-12", "2027/05/12", "2027-5-12", "20270512", "12.05.2027", "12.5.2027", "12.5.27",
        "12 May 2027", "12 MAY 2027", "12-May-27", "May 12, 2027", "May 12th, 2027",
        "the 12th of May 2027", "Wednesday 12 May 2027", "Wed, 12 May 2027", "Wed 12.05.2027",
        "12 maggio 2027", "mercoledì 12 maggio 2027", "12 mag 2027", "12 de mayo de 2027",
        "miércoles, 12 de mayo de 2027", "12. Mai 2027", "Mi., 12.05.2027", "Mittwoch 12. Mai 2027",
    ],
)  # fmt: skip
def test_K6_a_whole_cell_is_a_date_in_every_spelling(text: str) -> None:
    assert read_day(text) == WEDNESDAY


@pytest.mark.parametrize(
    ("text", "weekday"),
    [("Monday", 0), ("mon", 0), ("MAR", 1), ("miércoles", 2), ("Do", 3), ("ven.", 4), ("sab", 5)],
)
def test_a_cell_may_have_only_a_weekday(text: str, weekday: int) -> None:
    assert read_day(text) == Day("", weekday)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("12/05/2027", "may be 12 May or 5 December"),
        ("12-05-2027", "may be 12 May or 5 December"),
        ("12 May", "has no year"),
        ("Monday 12 May 2027", "is a Wednesday"),
        ("Mon 12.05.2027", "is a Wednesday"),
        ("31.02.2027", "not a day of the calendar"),
        ("2027-05-12 or 13", "not a date"),
        ("Day 1", "not a date"),
        ("May", "not a date"),
        ("tomorrow", "not a date"),
        ("46154", "not a date"),
        ("", "not a date"),
    ],
)
def test_K6_a_date_that_is_unclear_is_named_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(UnclearError, match=reason):
        read_day(text)
    with pytest.raises(UnclearError, match=reason.replace("a date", "a")):
        read_stamp(text)


def test_the_dates_of_a_column_decide_between_day_and_month() -> None:
    assert day_first(["12/05/2027", "25/05/2027"]) is True
    assert day_first(["05/12/2027", "05/25/2027 9:30"]) is False
    assert day_first(["12/05/2027"]) is None
    assert day_first(["25/05/2027", "05/25/2027"]) is None
    assert day_first(["25.05.2027"]) is None  # a full stop says nothing of a slash
    assert read_day("12/05/2027", day_first=True) == WEDNESDAY
    assert read_day("05/12/2027", day_first=False) == WEDNESDAY


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2027-05-12T09:30:00+02:00", Stamp(WEDNESDAY, "09:30")),
        ("2027-05-12 11:00", Stamp(WEDNESDAY, "11:00")),
        ("20270512T0930", Stamp(WEDNESDAY, "09:30")),
        ("12.05.2027, 9:30 Uhr", Stamp(WEDNESDAY, "09:30")),
        ("Wed 12 May 2027 9:30 AM", Stamp(WEDNESDAY, "09:30")),
        ("2027-05-12 9:30-10:15", Stamp(WEDNESDAY, "09:30", "10:15")),
        ("9:30", Stamp(None, "09:30")),
        ("12.05.2027", Stamp(WEDNESDAY)),
    ],
)
def test_K6_stamps_have_a_day_and_a_time(text: str, expected: Stamp) -> None:
    assert read_stamp(text) == expected


@pytest.mark.parametrize("text", ["2027-05-12T09:30:00Z", "2027-05-12T09:30:00+00:00"])
def test_K6_a_stamp_in_utc_is_not_the_time_of_the_place(text: str) -> None:
    with pytest.raises(UnclearError, match="in UTC"):
        read_stamp(text)


@given(st.text(max_size=80) | st.dates().map(str))
def test_any_text_is_a_date_or_unclear(text: str) -> None:
    try:
        day = read_stamp(text, day_first=True).day
    except UnclearError:
        return
    assert day is None or not day.date or dt.date.fromisoformat(day.date).weekday() == day.weekday
