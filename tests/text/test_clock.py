from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.text.clock import UnclearError, minutes, read_clock, read_span, span

TIMES = {
    "09:30": (
        "9:30", "09:30", "9.30", "9h30", "9 h 30", "0930", "09:30:00", "09:30:00.000", "9:30 AM",
        "9:30 am", "9:30am", "9:30 a.m.", "9:30 A. M.", "9:30 a m", "9:30a", "9:30 CEST",
        "9:30\N{NARROW NO-BREAK SPACE}AM", "９：３０", "٩:٣٠", "ore 9.30", "alle 9:30", "9 Uhr 30",
        "9:30 Uhr", "9:30 +02:00", "09:30:00-05:00", "at 9:30", "9:30 di mattina", " 9:30 ",
    ),
    "09:00": ("9", "09", "9h", "9 Uhr", "9 o'clock", "9am", "9 A.M.", "9 hrs"),
    "14:00": (
        "14", "14h", "14h00", "14:00", "1400", "2:00 PM", "2 PM", "2pm", "2 p.m.", "2 P.M", "2p",
        "02:00 pm", "14:00 PM", "2 in the afternoon", "2 del pomeriggio", "2 de la tarde",
        "2 nachmittags",
    ),
    "21:00": ("9 in the evening", "alle 9 di sera", "a las 9 de la noche", "9 Uhr abends"),
    "12:00": ("noon", "12 noon", "12 PM", "12:00", "mezzogiorno", "mediodía", "Mittag"),
    "00:00": ("12 AM", "12:00 a.m.", "0:00", "00:00", "0 Uhr"),
    "24:00": ("24:00", "24", "midnight", "mezzanotte", "medianoche", "Mitternacht"),
    "02:00": ("02:00", "2:00", "2 am", "02"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"), [(text, time) for time, texts in TIMES.items() for text in texts]
)
def test_K3_a_whole_cell_is_a_time_in_every_spelling(text: str, expected: str) -> None:
    assert read_clock(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "2:00 XM", "2:00 PM tbc", "9:30 ish", "ca. 9", "9,30", "9:5", "24:01", "25:00", "9:60",
        "14:00 AM", "0:30 pm", "9:30Z", "9:30 UTC", "09:30:00+00:00", "9-10", "half past nine",
        "2", "6", "123", "99999", "9:30 (moved)", "-9:30", "9:30:99:00", "9" * 10_000,
    ],
)  # fmt: skip
def test_K3_the_rest_of_a_cell_after_a_time_is_a_mistake(text: str) -> None:
    with pytest.raises(UnclearError):
        read_clock(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9:30-10:15", ("09:30", "10:15")),
        ("9:30 – 10:15", ("09:30", "10:15")),
        ("9:30 — 10:15 AM", ("09:30", "10:15")),
        ("2-2:45 PM", ("14:00", "14:45")),
        ("9-5 pm", ("09:00", "17:00")),
        ("11 AM to 1 PM", ("11:00", "13:00")),
        ("from 9 to 10", ("09:00", "10:00")),
        ("dalle 9 alle 10", ("09:00", "10:00")),
        ("de 9 a 10", ("09:00", "10:00")),
        ("von 9 bis 10 Uhr", ("09:00", "10:00")),
        ("22:30-01:30", ("22:30", "01:30")),
        ("9:30", ("09:30", "")),
    ],
)
def test_a_cell_may_have_a_start_and_an_end(text: str, expected: tuple[str, str]) -> None:
    assert read_span(text) == expected


def test_K5_an_end_before_its_start_is_on_the_next_day() -> None:
    assert span("22:30", "01:30") == (1350, 1530)
    assert span("23:00", "24:00") == (1380, 1440)
    assert span("23:00", "00:00") == (1380, 1440)
    assert span("09:00", "10:00") == (540, 600)
    assert span("09:00", "") == (540, 540)


@given(st.text(max_size=80))
def test_any_text_is_a_time_or_unclear(text: str) -> None:
    try:
        start, end = read_span(text)
    except UnclearError:
        return
    assert 0 <= minutes(start) <= 1440
    assert not end or 0 <= minutes(end) <= 1440
