from __future__ import annotations

import pytest

from vivavoce.core.pauses import unfinished


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
    ],
)
def test_something_must_follow(language: str, text: str) -> None:
    assert unfinished(text, language)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "When does the keynote start"),
        ("en", "Can you tell me where it is"),
        ("en", "Which room is it in"),
        ("en", "no"),
        ("en", ""),
        ("it", "Dove sono i bagni"),
        ("it", "Che ora è"),
        ("es", "¿Qué hora es?"),
        ("es", "Sí"),
        ("en", "hand"),
        ("it", "and"),
        ("fr", "je voudrais un café et"),
        (None, "and"),
    ],
)
def test_this_may_be_all(language: str | None, text: str) -> None:
    assert not unfinished(text, language)
