"""Judge whether a chunk answers a question, or only shares words with it."""

from __future__ import annotations

from itertools import pairwise

from vivavoce.knowledge.normalize import sound, terms
from vivavoce.knowledge.search import Hit, KnowledgeIndex
from vivavoce.text.calendar import WEEKDAYS

from . import questions
from .passages import Passages
from .utterance import UserUtterance

SURE = 0.62  # confidence from which one matching word is enough
SURE_TITLED, HALF = 0.45, 0.4  # … if it is about half of the title
LIKELY = 0.4  # … and from which two words are
CERTAIN = 0.8  # from which a chunk is read without a fact of the wanted kind
RIVAL, RIVAL_MISSED = 0.7, 0.6  # shares of the best score from which a second chunk may be meant
TITLED = 0.5  # share of a title that names the chunk
PLACED = frozenset({"where", "who"})  # kinds that ask about an action
WHOLE = 0.9  # confidence below which a verb of the question is missing
TIMED = frozenset({"long"})  # kinds of facts that every event has


class Relevance:
    """The rules for the chunks of one language."""

    def __init__(self, index: KnowledgeIndex, passages: Passages) -> None:
        self.index = index
        self.passages = passages
        self.days = frozenset(terms(" ".join(WEEKDAYS[index.language]), index.language))

    def answers(self, hit: Hit, said: UserUtterance) -> bool:
        """Return whether a chunk covers enough of the question, and has what it asks for."""
        enough = SURE_TITLED if hit.titled >= HALF else SURE
        sure = hit.confidence >= enough or (hit.confidence >= LIKELY and hit.matched >= 2)
        return (
            sure and self._about(hit, said) and self._states(hit, said) and self._places(hit, said)
        )

    def is_rivalled(self, best: Hit, share: float) -> bool:
        """Return whether words alone cannot tell which chunk is meant.

        `share`: the score of the second chunk, as a part of the best one's. A title that the
        question names decides, and so does a chunk that has all words of the question.
        """
        if best.titled < TITLED and share > RIVAL:
            return True
        missed = _missed(best)
        return bool(missed) and (share > RIVAL_MISSED or any(map(self.index.is_titled, missed)))

    def subject(self, said: UserUtterance) -> list[str]:
        """Return the words that say what a question is about, rather than what it wants to know."""
        weights = questions.kind_weights(said.language)
        words = [w for w in said.terms if w not in self.days and not w.isdigit()]
        subject = [w for w in words if w not in weights]
        return subject or [w for w in said.terms if w in self.index]

    def _about(self, hit: Hit, said: UserUtterance) -> bool:
        """Return whether a chunk is about what was asked, and not only shares words with it."""
        chunk, kinds = hit.chunk, said.kinds
        sure = hit.confidence >= CERTAIN and not {"where", "when"}.intersection(kinds)
        shown = not kinds or sure or chunk.event or self.passages.of(chunk).shows(kinds[0])
        if not shown or self._in_passing(hit, said) or self._misses_action(hit, said):
            return False
        if chunk.event and not self._named(hit, said):
            return False
        if len(said.terms) == 1 and not hit.titled and " " not in said.folded:
            return "?" in said.text  # a lone word such as "stop" asks for nothing
        missed = _missed(hit)
        if missed and (said.strict or "who" in kinds):
            return bool(chunk.event) and hit.titled >= HALF
        if missed and "where" in kinds and questions.within(said.folded):
            return False
        return not (said.yes_or_no and missed and hit.matched < 2)

    def _in_passing(self, hit: Hit, said: UserUtterance) -> bool:
        """Return whether a chunk has one word of the question only, and not as its subject."""
        if hit.matched >= 2 or hit.titled >= HALF:
            return False
        if hit.missed or not hit.exact:  # the user may have said another word
            return True
        if said.yes_or_no:
            return hit.chunk.event is not None
        # "What do children build?" asks for a thing, and not about children.
        return not said.kinds and hit.confidence < WHOLE

    def _named(self, hit: Hit, said: UserUtterance) -> bool:
        """Return whether the question has more in common with an event than its day and hour."""
        return any(word not in hit.missed for word in self.subject(said) if word not in self.days)

    def _misses_action(self, hit: Hit, said: UserUtterance) -> bool:
        """Return whether a chunk has no word of the action: "where does the tour end?"."""
        if hit.chunk.event or not PLACED.intersection(said.kinds):
            return False
        asked = questions.actions(said.language).intersection(said.terms)
        return not asked <= self.passages.of(hit.chunk).reached

    def _states(self, hit: Hit, said: UserUtterance) -> bool:
        """Return whether a sentence has the facts that the question names exactly."""
        chunk = hit.chunk
        if not said.strict or (chunk.event and said.strict <= TIMED):
            return True
        fitting = [s for s in self.passages.beyond(chunk).sentences if s.answers(said)]
        if hit.titled or hit.confidence >= 1.0 > hit.matched:
            return bool(fitting)
        own = set(self.subject(said)).difference(hit.missed)
        return any(own & sentence.reached for sentence in fitting)

    def _places(self, hit: Hit, said: UserUtterance) -> bool:
        """Return whether "where" is answered: what is asked for is at a place, not the place."""
        if "where" not in said.kinds or hit.chunk.event or hit.titled >= HALF:
            return True
        subject = set(self.subject(said))
        every = self.passages.of(hit.chunk).sentences
        about = [subject & sentence.reached for sentence in every]
        if not any(about):
            return True
        if any(each.places(subject) for each in every):
            return True
        after = zip(pairwise(about), every[1:], strict=True)
        return any(before and not here and each.goes_on for (before, here), each in after)


def _missed(hit: Hit) -> list[str]:
    """Return the words of a question that a chunk has not, and its title's misheard ones not."""
    if not hit.missed:
        return []
    heard = {sound(word) for word in terms(hit.chunk.title, hit.chunk.language)}
    return [word for word in hit.missed if sound(word) not in heard]
