"""A consent is a yes or a no and nothing else, in three languages."""

from __future__ import annotations

import pytest

from vivavoce.text.yes_no import consent

YES = """yes|Yes, please.|yeah sure|Go ahead!|OK, do it|of course|I'm sure|all right, thank you
sì|Sì, grazie|certo, va bene|d'accordo|Lo faccia pure, per favore|confermo|SÌ!
sí|Sí, por favor|claro que sí|vale, adelante|Hágalo|de acuerdo, gracias""".replace("\n", "|")
NO = """no|No, thank you.|nope|please don't do it|cancel that|not now|of course not|no no no
no grazie|meglio di no|non farlo|lascia stare, per favore|certo che no
no, gracias|mejor no|no lo hagas|claro que no|déjalo""".replace("\n", "|")
NEITHER = """yes but tomorrow|yes and no|no, make it two|what does it cost?|not sure|maybe
no problem|I know|sí, pero mañana|sì, ma domani|okra|right away to Rome|
Sicuro?|¿Seguro?|right?|OK?|¿sí?|no?|don't stop|do not cancel it""".replace("\n", "|")


@pytest.mark.parametrize("text", YES.split("|"))
def test_a_yes_in_any_of_three_languages_is_a_consent(text: str) -> None:
    assert consent(text) is True


@pytest.mark.parametrize("text", NO.split("|"))
def test_a_no_in_any_of_three_languages_is_a_refusal(text: str) -> None:
    assert consent(text) is False


@pytest.mark.parametrize("text", [*NEITHER.split("|"), "yes " * 40, "\ud800"])
def test_a_text_that_says_more_than_yes_or_no_is_neither(text: str) -> None:
    assert consent(text) is None
