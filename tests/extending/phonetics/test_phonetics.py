"""Hold the embedder to the contract of embedders."""

import pytest
import vivavoce_phonetics

from vivavoce.testing.adapters import made
from vivavoce.testing.contracts import embedder

CASE = embedder.Case(
    opened=lambda: made(vivavoce_phonetics.phonetics),
    query="Where does Mister Filips speak?",
    passage="Mr Phillips speaks in the hall.",
)


@pytest.mark.parametrize("check", embedder.CHECKS)
def test_the_embedder_keeps_the_contract(check: embedder.Check) -> None:
    check(CASE)


@pytest.mark.parametrize(("one", "other"), [("filips", "phillips"), ("katy", "cadi")])
def test_words_that_sound_alike_are_alike(one: str, other: str) -> None:
    assert vivavoce_phonetics.sound(one) == vivavoce_phonetics.sound(other)
