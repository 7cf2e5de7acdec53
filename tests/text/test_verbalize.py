"""Numbers, times, prices, ranges, dates, units and addresses as words, by language."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vivavoce.text.spoken import SpokenText
from vivavoce.text.verbalize import edits, languages

ENGLISH = """
It starts at 8:00.              | It starts at eight o'clock.
at 8:05, 14:30 and 00:00        | at eight oh five, two thirty P M and midnight
at 8:30 am.                     | at eight thirty A M.
8 a.m. to 5 pm                  | eight A M to five P M
9 am-5 pm                       | nine A M to five P M
9-11 pm                         | nine to eleven P M
Open 9:00–17:00.                | Open nine o'clock to five P M.
after 1:02:30                   | after one oh two and thirty seconds
from 9-17                       | from nine to seventeen
pages 10–12                     | pages ten to twelve
1990-1995                       | nineteen ninety to nineteen ninety-five
It is $3.50.                    | It is three dollars and fifty cents.
€1, £0.99, 10 EUR               | one euro, ninety-nine pence, ten euros
$1,250.75                       | one thousand two hundred fifty dollars and seventy-five cents
$5-10                           | five to ten dollars
$3.5 million                    | three point five million dollars
on 2027-05-12                   | on May twelfth, twenty twenty-seven
2027-05-12T09:30                | May twelfth, twenty twenty-seven nine thirty
12/25/2027                      | December twenty-fifth, twenty twenty-seven
12.05.2027                      | May twelfth, twenty twenty-seven
May 12, 2027                    | May twelfth, twenty twenty-seven
on 3 June                       | on the third of June
the 3 June                      | the third of June
May 1st, the 21st               | May first, the twenty-first
-5 °C, 1 km, 20 km              | minus five degrees Celsius, one kilometre, twenty kilometres
5%, 10-20%                      | five percent, ten to twenty percent
3.5 kg at 100 km/h              | three point five kilograms at one hundred kilometres per hour
1,034 or 3.14                   | one thousand thirty-four or three point one four
info@example.org                | info at example dot org
+39 333 123456                  | plus three nine, three three three, one two three four five six
555-1234                        | five five five, one two three four
version 1.2.3                   | version one dot two dot three
room 101, gate B12, 3D, MP3     | room one hundred one, gate B12, 3D, MP3
1/2, ½, 24/7                    | one half, one half, twenty-four seven
#5 of 007                       | number five of zero zero seven
in 1984, 2007, 2027             | in nineteen eighty-four, two thousand seven, twenty twenty-seven
25:99                           | twenty-five:ninety-nine
2027-13-40                      | twenty twenty-seven-thirteen-forty
"""
ITALIAN = """
alle 8:00                       | alle otto
Apertura: 8:30                  | Apertura: ore otto e trenta
alle 8.30                       | alle otto e trenta
all'1:00                        | all'una
dalle 9:00-17:00                | dalle nove alle diciassette
orario 9:00–17:00               | orario dalle nove alle diciassette
9-17                            | da nove a diciassette
da 9-17                         | da nove a diciassette
€ 3,50 e 1 €                    | tre euro e cinquanta e un euro
1.250,75 €                      | milleduecentocinquanta euro e settantacinque
5 milioni di €                  | cinque milioni di euro
il 2027-05-12                   | il dodici maggio duemilaventisette
01/05/2027                      | primo maggio duemilaventisette
-5 °C, 20 km, 5 %               | meno cinque gradi Celsius, venti chilometri, cinque per cento
3,5 kg in 1 h                   | tre virgola cinque chilogrammi in una ora
3,14 e 3.5                      | tre virgola quattordici e tre virgola cinque
1.234 persone                   | milleduecentotrentaquattro persone
info@example.org                | info chiocciola example punto org
1° piano, 2ª fila               | primo piano, seconda fila
nel 1984                        | nel millenovecentottantaquattro
"""
SPANISH = """
a las 8:00                      | a las ocho
a la 1:00                       | a la una
Abre: 8:30                      | Abre: las ocho y media
a las 8.15                      | a las ocho y cuarto
9-17                            | de nueve a diecisiete
de 9:00-17:00                   | de nueve a diecisiete
3,50 €                          | tres euros con cincuenta
1 €, 21 €, 21 £                 | un euro, veintiún euros, veintiuna libras
el 2027-05-12                   | el doce de mayo de dos mil veintisiete
12/05/2027                      | doce de mayo de dos mil veintisiete
-5 °C, 21 km, 5 %               | menos cinco grados Celsius, veintiún kilómetros, cinco por ciento
3,5 kg en 21 h                  | tres coma cinco kilogramos en veintiuna horas
1.234 y 3,14                    | mil doscientos treinta y cuatro y tres coma catorce
info@example.org                | info arroba example punto org
2.ª fila                        | segunda fila
en 1984                         | en mil novecientos ochenta y cuatro
"""
TABLE = [
    (language, *(part.strip() for part in line.split("|")))
    for language, lines in (("en", ENGLISH), ("it", ITALIAN), ("es", SPANISH))
    for line in lines.strip().splitlines()
]


def spoken(text: str, language: str) -> str:
    return SpokenText(language).read(text).text


@pytest.mark.parametrize(("language", "written", "words"), TABLE)
def test_S4_form_with_digits_becomes_words(language: str, written: str, words: str) -> None:
    assert spoken(written, language) == words


def test_S4_word_times_are_those_of_the_transcript() -> None:
    sentence = SpokenText("en").read("**Lunch** is at 14:30 for $3.50, see https://x.org/8:00.")
    assert sentence.text == (
        "Lunch is at two thirty P M for three dollars and fifty cents, see x.org."
    )
    parts = [sentence.written(word) for word in re.findall(r"\S+\s*", sentence.text)]
    assert parts == [
        "**Lunch** ", "is ", "at ", "14:30", "", "", " ", "for ", "$3.50", "", "", "", ", ",
        "see ", "https://x.org/8:00.",
    ]  # fmt: skip
    assert sentence.rest() == ""


@pytest.mark.parametrize("language", ["de", "", "zh-CN"])
def test_S4_language_without_rules_keeps_its_digits(language: str) -> None:
    assert spoken("8:00, $3.50", language) == "8:00, $3.50"


def test_S4_region_of_a_language_does_not_matter() -> None:
    assert languages() == {"en", "it", "es"}
    assert spoken("9-17", "it-IT") == spoken("9-17", "it_CH") == "da nove a diciassette"


def test_S4_voice_that_reads_numbers_gets_digits() -> None:
    assert SpokenText().read("It is 8:00.").text == "It is 8:00."


@given(
    st.text("0123456789.,:;-–/+#%$€@aAmpM °kTº½ ", max_size=60), st.sampled_from(["en", "it", "es"])
)
def test_S4_any_digits_can_be_spoken(text: str, language: str) -> None:
    """Edits are in order, do not overlap, and the transcript stays what was written."""
    at = 0
    for start, end, words in edits(text, language):
        assert at <= start < end <= len(text)
        assert not any(map(str.isdecimal, words)) or "@" in text[start:end]
        at = end
    sentence = SpokenText(language).read(text)
    spoken_words = re.findall(r"\s*\S+\s*", sentence.text)
    assert "".join([*map(sentence.written, spoken_words), sentence.rest()]) == text


@pytest.mark.parametrize(
    "digits", ["1", "1.", "1,", "1-", "1:", "0 ", "1/", "$1", "a@", "a.", "12 "]
)
def test_S4_sentence_of_digits_takes_no_time(digits: str) -> None:
    for language in languages():
        spoken("1", language)
        began = time.process_time()
        spoken(digits * (400 // len(digits)), language)
        assert time.process_time() - began < 0.1
