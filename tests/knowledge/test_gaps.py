"""Questions that share content words are one gap, whatever else they say."""

from __future__ import annotations

from vivavoce.knowledge.gaps import gaps


def test_questions_about_one_subject_are_one_gap_and_the_largest_comes_first() -> None:
    found = gaps(
        [
            ("Is there a swimming pool?", "en"),
            ("Where can I rent a boat?", "en"),
            ("when does the swimming pool open", "en-GB"),
            ("how deep is the pool", "en"),
            ("c'è una piscina?", "it"),
        ]
    )
    assert [len(gap.questions) for gap in found] == [3, 1, 1]
    assert found[0].words[0] == "pool"
    assert found[0].questions[2] == "how deep is the pool"
    assert {gap.language for gap in found} == {"en", "it"}


def test_questions_that_share_only_words_without_content_are_two_gaps() -> None:
    assert len(gaps([("where is the dentist", "en"), ("where is the sauna", "en")])) == 2
    assert gaps([]) == []
