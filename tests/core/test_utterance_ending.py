from __future__ import annotations

import pytest

from vivavoce.core.turns import UtteranceEnding
from vivavoce.core.utterance_ending import ending


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "I would like a coffee and"),
        ("en", "When does the"),
        ("en", "so I was thinking, um..."),
        ("en-GB", "because I’m"),
        ("it", "vorrei un caffè e"),
        ("it", "a che ora inizia la"),
        ("it", "vado all'"),
        ("it-IT", "allora, ehm"),
        ("es", "quiero un café y"),
        ("es", "¿A qué hora empieza el"),
        ("es-MX", "me gustaría ir de"),
        ("en", "First the keynote,"),
        ("fr", "premièrement…"),
        (None, "well..."),
        ("en", "My number is:"),
    ],
)
def test_something_must_follow(language: str | None, text: str) -> None:
    assert ending(text, language) is UtteranceEnding.UNFINISHED


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "When does the keynote start"),
        ("en", "Can you tell me where it is"),
        ("en", "Which room is it in"),
        ("en", "no"),
        ("en", "yes"),
        ("en", ""),
        ("en", "at seven thirty"),
        ("en", "I have two"),
        ("it", "Dove sono i bagni"),
        ("it", "Che ora è"),
        ("es", "Sí"),
        ("en", "hand"),
        ("it", "and"),
        ("fr", "je voudrais un café et"),
        (None, "and"),
        (None, "please"),
    ],
)
def test_this_may_be_all(language: str | None, text: str) -> None:
    assert ending(text, language) is UtteranceEnding.OPEN


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "two tickets please"),
        ("en", "thank you"),
        ("en", "Thank you very much"),
        ("it", "due biglietti, grazie"),
        ("es", "dos entradas, por favor"),
        ("es", "¿Qué hora es?"),
        ("en", "When does it start?"),
        ("fr", "Je voudrais un café."),
        (None, "«Allons-y !»"),
        ("ja", "お願いします。"),
    ],
)
def test_this_is_all(language: str | None, text: str) -> None:
    assert ending(text, language) is UtteranceEnding.FINISHED


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "my number is four seven one"),
        ("en", "oh two"),
        ("en", "it is 555 0199"),
        ("it", "tre due"),
        ("es", "seis uno"),
        ("de", "030 12"),
        ("en", "555, 0199."),
    ],
)
def test_a_number_is_being_read_out(language: str, text: str) -> None:
    assert ending(text, language) is UtteranceEnding.COUNTING
