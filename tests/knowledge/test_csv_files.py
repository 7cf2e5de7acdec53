"""Programmes as spreadsheets write them, and the remarks for their author."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.errors import AssistantError
from vivavoce.file_reading import FolderFile, read_text
from vivavoce.knowledge import ingest
from vivavoce.knowledge.chunks import ScheduleEvent
from vivavoce.knowledge.csv_file import UnreadableCsvError
from vivavoce.knowledge.ingest import DocumentRead, KnowledgeRead

ODD = Path(__file__).parent / "odd"
BREAD = ScheduleEvent(
    title="Bread of the Alps",
    date="2027-05-12",
    weekday=2,
    start="09:30",
    end="10:15",
    room="Hall A",
    speaker="Ada Rossi",
)
HEAD = "day,start,end,title,speaker,room\n"
ROW = "2027-05-12,09:30,10:15,Bread of the Alps,Ada Rossi,Hall A\n"


def inspect(name: str) -> KnowledgeRead:
    return ingest.read_files([FolderFile(ODD, name)], ["en"])


def read(text: str, language: str = "en") -> DocumentRead:
    return ingest.read_document(Path("agenda.csv"), text, [language])


def events(found: DocumentRead | KnowledgeRead) -> list[ScheduleEvent]:
    return [chunk.event for chunk in found.chunks if chunk.event]


def places(found: KnowledgeRead) -> list[tuple[int | None, str]]:
    return [(mistake.line, mistake.key) for mistake in found.mistakes]


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("bom.csv", "09:30", "10:15"),
        ("sep.csv", "09:30", "10:15"),
        ("blank.csv", "09:30", "10:15"),
        ("titlerow.csv", "09:30", "10:15"),
        ("caps.csv", "09:30", "10:15"),
        ("stamps.csv", "09:30", "10:15"),
        ("ampm.csv", "09:30", "10:15"),
        ("hours.csv", "09:00", "10:00"),
    ],
)
def test_K6_an_easy_programme_is_read_as_it_was_meant(name: str, start: str, end: str) -> None:
    found = inspect(name)
    first = events(found)[0]
    assert first.date == BREAD.date
    assert (first.title, first.start, first.end) == (BREAD.title, start, end)
    assert (first.speaker, first.room) == (BREAD.speaker, BREAD.room)
    assert found.mistakes == []
    assert len(events(found)) == len(found.chunks)


def test_K3_the_afternoon_is_not_the_night() -> None:
    assert [event.start for event in events(inspect("ampm.csv"))] == ["09:30", "14:00"]
    assert [event.end for event in events(inspect("hours.csv"))] == ["10:00", "15:00"]


def test_K3_the_rest_of_a_cell_is_a_mistake_with_file_line_and_column() -> None:
    found = read(HEAD + ROW + ROW.replace("09:30", "9:30 or so"))
    assert len(events(found)) == 1
    (mistake,) = found.mistakes
    assert (mistake.line, mistake.column) == (3, "start")
    assert '"9:30 or so" is not a time' in mistake.message


def test_K6_an_ambiguous_date_is_named_unless_its_column_decides() -> None:
    found = inspect("dmy.csv")
    assert places(found) == [(2, "day")]
    assert "12 May or 5 December" in found.mistakes[0].message
    assert str(found.mistakes[0]).startswith("odd/dmy.csv:2: day: ")
    assert [event.date for event in events(found)] == ["2027-05-25"]
    decided = read(HEAD + ROW.replace("2027-05-12", "12/05/2027") + "25/05/2027,9:30,10:15,B,,\n")
    assert [event.date for event in events(decided)] == ["2027-05-12", "2027-05-25"]
    assert decided.mistakes == []


def test_K6_a_row_with_more_cells_than_headings_is_named() -> None:
    found = inspect("longrow.csv")
    assert places(found) == [(2, "")]
    assert "put quotes around" in found.mistakes[0].message


def test_K6_a_line_above_the_headings_is_named() -> None:
    (warning,) = inspect("titlerow.csv").warnings
    assert warning.line == 1


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("declared", [True, False])
def test_K6_every_separator_and_line_end_of_a_spreadsheet_is_read(
    mark: str, separator: str, end: str, declared: bool
) -> None:
    text = (HEAD + "\n" + ROW).replace(",", separator)
    text = f"sep={separator}\n{text}" if declared else text
    found = read(mark + text.replace("\n", end))
    assert events(found) == [BREAD]
    assert (found.mistakes, found.warnings) == ([], [])


@pytest.mark.parametrize(
    ("language", "headings"),
    [
        ("en", "Date:,Starts,Ends,Session title,Presenter(s),Venue"),
        ("en", "DAY,TIME,UNTIL,TALK,SPEAKERS,WHERE"),
        ("it", "Data,Ora inizio,Ora fine,Titolo,Relatore/i,Sala"),
        ("it", "GIORNO,ORA,FINE,INTERVENTO,RELATORI,AULA"),
        ("es", "Fecha,Hora de inicio,Hora de fin,Título,Ponente(s),Sala"),
        ("es", "Día,Desde,Hasta,Charla,Ponentes,Lugar"),
        ("de", "Datum,Beginn,Ende,Titel,Referent(in),Raum"),
        ("de", "TAG,UHRZEIT,BIS,VORTRAG,REFERENTEN,SAAL"),
    ],
)
def test_K6_headings_of_each_language_are_known(language: str, headings: str) -> None:
    found = read(f"{headings}\n{ROW}", "en" if language == "de" else language)
    (event,) = events(found)
    assert (event.date, event.start, event.end, event.room) == (
        "2027-05-12", "09:30", "10:15", "Hall A",
    )  # fmt: skip
    assert event.title == "Bread of the Alps"
    assert found.mistakes == []


def test_K4_a_cancelled_event_says_so() -> None:
    found = inspect("cancelled.csv")
    assert [event.status for event in events(found)] == ["cancelled", ""]
    assert found.chunks[0].text == (
        "Bread of the Alps, on Wednesday from 9:30 am to 10:15 am, is cancelled."
    )
    assert found.warnings == []


@pytest.mark.parametrize(
    ("heading", "written", "status"),
    [
        ("Status", "CANCELED", "cancelled"),
        ("stato", "annullata", "cancelled"),
        ("Estado", "suspendido", "cancelled"),
        ("status", "abgesagt", "cancelled"),
        ("status", "rinviato", "postponed"),
        ("STATUS", "Confirmed", ""),
        ("status", "", ""),
    ],
)
def test_K4_a_status_is_known_in_each_language(heading: str, written: str, status: str) -> None:
    found = read(f"day,start,title,{heading}\n2027-05-12,9:30,Bread,{written}\n")
    assert [event.status for event in events(found)] == [status]
    assert found.mistakes == []


def test_K4_an_unknown_status_is_a_mistake_and_an_unknown_column_is_named() -> None:
    found = read("day,start,title,status,sponsor\n2027-05-12,9:30,Bread,see note,Oven Ltd\n")
    assert [(m.line, m.column) for m in found.mistakes] == [(2, "status")]
    assert [(m.line, m.column) for m in found.warnings] == [(1, "sponsor")]
    assert events(found) == []


def test_K5_an_event_may_end_after_midnight() -> None:
    found = inspect("night.csv")
    assert [(e.start, e.end) for e in events(found)] == [
        ("22:30", "01:30"), ("00:30", "02:00"), ("12:00", "13:00"), ("23:00", "24:00"),
    ]  # fmt: skip
    assert "from 11 pm to midnight" in found.chunks[3].text
    assert found.mistakes == []
    (typo,) = read(HEAD + "2027-05-12,14:00,13:00,Bread,,\n").mistakes
    assert "before the start" in typo.message


@pytest.mark.parametrize(
    ("cells", "column"),
    [
        (",9:30,,Bread,,", "day"),
        ("Monday,,,Bread,,", "start"),
        ("2027-05-12,9:30,,,,", "title"),
        ("2027-05-12,9:30,10ish,Bread,,", "end"),
        ("2027-05-12 10:00,9:30,,Bread,,", "day"),
        ("2027-05-12,2027-05-13 9:30,,Bread,,", "start"),
        ("2027-05-12,9:30,2027-05-14 10:00,Bread,,", "end"),
        ("2027-05-12,9:30-10:00,11:00,Bread,,", "end"),
        ("2027-05-12,2027-05-12,,Bread,,", "start"),
        ("12 May,9:30,,Bread,,", "day"),
        ("2027-02-30,9:30,,Bread,,", "day"),
    ],
)
def test_K6_a_cell_that_is_not_clear_is_a_mistake_with_its_column(cells: str, column: str) -> None:
    found = read(f"{HEAD}{cells}\n")
    assert events(found) == []
    assert (found.mistakes[0].line, found.mistakes[0].column) == (2, column)


def test_K6_a_start_may_carry_the_date_and_the_end() -> None:
    found = read("title,start,end\nBread,2027-05-12T22:30,2027-05-13T01:30\n")
    assert [(e.date, e.start, e.end) for e in events(found)] == [("2027-05-12", "22:30", "01:30")]
    ranged = read("day,time,title\nWed 12 May 2027,9:30–10:15 AM,Bread\n")
    assert [(e.date, e.start, e.end) for e in events(ranged)] == [("2027-05-12", "09:30", "10:15")]
    export = read(
        "Subject,Start Date,Start Time,End Date,End Time,Location\n"
        "Bread,05/12/2027,10:30 PM,05/13/2027,1:30 AM,Hall A\n"
    )
    assert [(e.date, e.start, e.end) for e in events(export)] == []  # 5/12 may be 5 December
    assert export.mistakes


def test_K6_a_table_that_lacks_one_column_of_a_programme_is_named() -> None:
    (warning,) = read("day,title,room\nMonday,Bread,Hall A\n").warnings
    assert "start is missing" in warning.message
    assert read("dish,price\nsoup,4\n").warnings == []


def test_K6_two_columns_of_one_name_and_an_unnamed_cell_are_named() -> None:
    twice = read("day,start,title,title\nMonday,9:30,Bread,Salt\n")
    assert [(m.line, m.column) for m in twice.mistakes] == [(1, "title")]
    unnamed = read("day,start,title,\nMonday,9:30,Bread,but not on Sunday\n")
    assert "has no heading" in unnamed.mistakes[0].message


def test_K6_a_quote_that_is_not_closed_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(HEAD + ROW + '2027-05-12,9:30,,"Bread,,\n' + ROW, "utf-8")
    with pytest.raises(AssistantError) as caught:
        ingest.read_files([FolderFile(tmp_path, "a.csv")], ["en"])
    assert [mistake.line for mistake in caught.value.mistakes] == [3]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_K6_unicode_as_spreadsheets_save_it_is_read(tmp_path: Path, encoding: str) -> None:
    text = HEAD + ROW.replace("Ada", "Zoë")
    bom = "\ufeff" if encoding.endswith(("le", "be")) else ""
    (tmp_path / "a.csv").write_bytes((bom + text).encode(encoding))
    assert read_text(FolderFile(tmp_path, "a.csv"), 1000).removeprefix("\ufeff") == text


@pytest.mark.parametrize(
    ("encoding", "name"),
    [("cp1252", "Zoë"), ("utf-16-le", "Zoë"), ("utf-16-be", "Zoë"), ("cp1251", "Светлана Петрова"),
     ("cp932", "山田太郎さん")],
)  # fmt: skip
def test_K6_an_encoding_that_spreadsheets_write_is_found_and_named(
    tmp_path: Path, encoding: str, name: str
) -> None:
    text = HEAD + ROW.replace("Ada Rossi", name) * 3
    (tmp_path / "a.csv").write_bytes(text.encode(encoding))
    found = ingest.read_files([FolderFile(tmp_path, "a.csv")], ["en"])
    assert {event.speaker for event in events(found)} == {name}
    told = [str(each) for each in found.warnings]
    folder = tmp_path.name
    guessed = [] if encoding.startswith("utf") else [
        f"{folder}/a.csv: is not UTF-8; it is read as {encoding}"
    ]  # fmt: skip
    assert told == guessed


def test_lines_are_counted_through_cells_with_line_breaks() -> None:
    found = read('sep=;\nday;start;title\nMonday;9:30;"Bread\nand salt"\nMonday;soon;Tea\n')
    assert events(found)[0].title == "Bread and salt"
    assert [mistake.line for mistake in found.mistakes] == [5]


@given(st.text(alphabet='day,startile\n;"2027-05-12 9:30|\t', max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(UnreadableCsvError):
        assert read(f"{HEAD}{text}").chunks is not None
