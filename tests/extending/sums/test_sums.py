"""Hold the brain to the contract of brains."""

import pytest
import vivavoce_sums

from vivavoce.testing.adapters import made
from vivavoce.testing.contracts import brain

CASE = brain.Case(
    opened=lambda: made(vivavoce_sums.sums),
    question="What is 12 times 3?",
    answer="12 times 3 is 36.",
)


@pytest.mark.parametrize("check", brain.CHECKS)
def test_the_brain_keeps_the_contract(check: brain.Check) -> None:
    check(CASE)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("12*3#", "12 times 3 is 36."),
        ("4 minus 9", "4 minus 9 is -5."),
        ("7 divided by 2", "7 divided by 2 is 3.5."),
        ("1/0", "Nothing can be divided by zero."),
        ("Hello", vivavoce_sums.UNKNOWN),
        ("", vivavoce_sums.UNKNOWN),
    ],
)
def test_a_question_has_its_answer(asked: str, answer: str) -> None:
    assert vivavoce_sums.answer(asked) == answer
