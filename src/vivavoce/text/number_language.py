"""The words around numbers in each language that this project speaks without a remote voice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Noun = tuple[str, str, Literal["masculine", "feminine"]]
"""A noun for one, for several, and its gender."""


@dataclass(frozen=True, slots=True, eq=False)
class NumberLanguage:
    code: str
    group: str  # between thousands
    decimal: str  # before the fraction
    point: str  # the word for that sign
    dot: str  # the word for "."
    minus: str
    plus: str
    number_sign: str
    at: str
    dash: str
    underscore: str
    percent: str
    span: tuple[str, str]  # before and between the ends of a range
    clock_span: tuple[str, str]
    span_begins: str  # words after which the first of them is there already
    clock_words: str  # words that make a time of "8.30"
    fractions: Mapping[tuple[int, int], str]
    currencies: Mapping[str, tuple[Noun, Noun]]
    cents: str  # between a price and its cents
    name_cents: bool
    scales: Mapping[str, str]  # "million", and what joins it to a currency
    units: Mapping[str, Noun]


def _nouns(table: str, gender: Literal["masculine", "feminine"]) -> dict[str, Noun]:
    """Read lines of a unit, its name for one, and its name for several."""
    rows = (line.split("|") for line in table.strip().splitlines())
    return {sign.strip(): (one.strip(), more.strip(), gender) for sign, one, more in rows}


_CENT: Noun = ("cent", "cents", "masculine")

EN = NumberLanguage(
    code="en", group=",", decimal=".", point="point", dot="dot", minus="minus", plus="plus",
    number_sign="number", at="at", dash="dash", underscore="underscore", percent="percent",
    span=("", "to"), clock_span=("", "to"), span_begins="from|between", clock_words="",
    fractions={(1, 2): "one half", (1, 3): "one third", (2, 3): "two thirds",
               (1, 4): "one quarter", (3, 4): "three quarters"},
    currencies={
        "$": (("dollar", "dollars", "masculine"), _CENT),
        "€": (("euro", "euros", "masculine"), _CENT),
        "£": (("pound", "pounds", "masculine"), ("penny", "pence", "masculine")),
    },
    cents="and", name_cents=True,
    scales={"thousand": "", "million": "", "billion": ""},
    units=_nouns(
        """
        km/h | kilometre per hour | kilometres per hour
        mph  | mile per hour      | miles per hour
        km   | kilometre          | kilometres
        cm   | centimetre         | centimetres
        mm   | millimetre         | millimetres
        m²   | square metre       | square metres
        m    | metre              | metres
        kg   | kilogram           | kilograms
        g    | gram               | grams
        ml   | millilitre         | millilitres
        l    | litre              | litres
        kWh  | kilowatt hour      | kilowatt hours
        kW   | kilowatt           | kilowatts
        GB   | gigabyte           | gigabytes
        MB   | megabyte           | megabytes
        °C   | degree Celsius     | degrees Celsius
        °F   | degree Fahrenheit  | degrees Fahrenheit
        °    | degree             | degrees
        ms   | millisecond        | milliseconds
        min  | minute             | minutes
        h    | hour               | hours
        """,
        "masculine",
    ),
)  # fmt: skip

IT = NumberLanguage(
    code="it", group=".", decimal=",", point="virgola", dot="punto", minus="meno", plus="più",
    number_sign="numero", at="chiocciola", dash="trattino", underscore="trattino basso",
    percent="per cento", span=("da", "a"), clock_span=("dalle", "alle"),
    span_begins="da|dal|dalle|dai|tra|fra|le", clock_words="alle|dalle|ore|le",
    fractions={(1, 2): "un mezzo", (1, 3): "un terzo", (2, 3): "due terzi",
               (1, 4): "un quarto", (3, 4): "tre quarti"},
    currencies={
        "$": (("dollaro", "dollari", "masculine"), _CENT),
        "€": (("euro", "euro", "masculine"), ("centesimo", "centesimi", "masculine")),
        "£": (("sterlina", "sterline", "feminine"), ("penny", "pence", "masculine")),
    },
    cents="e", name_cents=False,
    scales={"mila": "", "milione": "di", "milioni": "di", "miliardo": "di", "miliardi": "di"},
    units=_nouns(
        """
        km/h | chilometro all'ora  | chilometri all'ora
        km   | chilometro          | chilometri
        cm   | centimetro          | centimetri
        mm   | millimetro          | millimetri
        m²   | metro quadrato      | metri quadrati
        m    | metro               | metri
        kg   | chilogrammo         | chilogrammi
        g    | grammo              | grammi
        ml   | millilitro          | millilitri
        l    | litro               | litri
        kWh  | chilowattora        | chilowattora
        kW   | chilowatt           | chilowatt
        GB   | gigabyte            | gigabyte
        MB   | megabyte            | megabyte
        °C   | grado Celsius       | gradi Celsius
        °F   | grado Fahrenheit    | gradi Fahrenheit
        ms   | millisecondo        | millisecondi
        min  | minuto              | minuti
        """,
        "masculine",
    ) | _nouns("h | ora | ore", "feminine"),
)  # fmt: skip

ES = NumberLanguage(
    code="es", group=".", decimal=",", point="coma", dot="punto", minus="menos", plus="más",
    number_sign="número", at="arroba", dash="guion", underscore="guion bajo",
    percent="por ciento", span=("de", "a"), clock_span=("de", "a"),
    span_begins="de|del|desde|entre|las", clock_words="las|la",
    fractions={(1, 2): "un medio", (1, 3): "un tercio", (2, 3): "dos tercios",
               (1, 4): "un cuarto", (3, 4): "tres cuartos"},
    currencies={
        "$": (("dólar", "dólares", "masculine"), ("centavo", "centavos", "masculine")),
        "€": (("euro", "euros", "masculine"), ("céntimo", "céntimos", "masculine")),
        "£": (("libra", "libras", "feminine"), ("penique", "peniques", "masculine")),
    },
    cents="con", name_cents=False,
    scales={"mil": "", "millón": "de", "millones": "de"},
    units=_nouns(
        """
        km/h | kilómetro por hora  | kilómetros por hora
        km   | kilómetro           | kilómetros
        cm   | centímetro          | centímetros
        mm   | milímetro           | milímetros
        m²   | metro cuadrado      | metros cuadrados
        m    | metro               | metros
        kg   | kilogramo           | kilogramos
        g    | gramo               | gramos
        ml   | mililitro           | mililitros
        l    | litro               | litros
        kWh  | kilovatio hora      | kilovatios hora
        kW   | kilovatio           | kilovatios
        GB   | gigabyte            | gigabytes
        MB   | megabyte            | megabytes
        °C   | grado Celsius       | grados Celsius
        °F   | grado Fahrenheit    | grados Fahrenheit
        ms   | milisegundo         | milisegundos
        min  | minuto              | minutos
        """,
        "masculine",
    ) | _nouns("h | hora | horas", "feminine"),
)  # fmt: skip

LANGUAGES: Mapping[str, NumberLanguage] = {each.code: each for each in (EN, IT, ES)}
