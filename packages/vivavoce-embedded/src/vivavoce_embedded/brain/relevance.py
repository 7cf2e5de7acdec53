"""Judge whether a chunk answers a question, or only shares words with it."""

from __future__ import annotations

from vivavoce.knowledge.chunks import Chunk
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
TIMED = frozenset({"hours", "long"})  # kinds of facts that every event has


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
        return sure and self._about(hit, said) and self._states(hit, said)

    def subject(self, said: UserUtterance) -> list[str]:
        """Return the words that say what a question is about, rather than what it wants to know."""
        weights = questions.kind_weights(said.language)
        words = [w for w in said.terms if w not in self.days and not w.isdigit()]
        subject = [w for w in words if w not in weights]
        return subject or [w for w in said.terms if w in self.index]

    def _about(self, hit: Hit, said: UserUtterance) -> bool:
        chunk, kinds = hit.chunk, said.kinds
        sure = hit.confidence >= CERTAIN and "where" not in kinds
        if kinds and not sure and not chunk.event:
            if not self.passages.of(chunk).shows(kinds[0]):
                return False
        if chunk.event and not hit.titled and hit.matched < 2:
            return False  # a word of an abstract
        if len(said.terms) == 1 and not hit.titled and " " not in said.folded:
            return "?" in said.text  # a lone word such as "stop" asks for nothing
        missed = _missed(hit)
        if missed and (said.strict or "who" in kinds):
            return bool(chunk.event) and hit.titled >= HALF
        if missed and "where" in kinds and questions.within(said.folded):
            return False
        weak = hit.matched < 2
        if weak and (missed or chunk.event) and questions.wants_yes_or_no(said.folded):
            return False
        return not (weak and missed and not kinds and hit.titled < HALF)

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


def _missed(hit: Hit) -> list[str]:
    """Return the words of a question that a chunk has not, and its title's misheard ones not."""
    if not hit.missed:
        return []
    heard = {sound(word) for word in terms(hit.chunk.title, hit.chunk.language)}
    return [word for word in hit.missed if sound(word) not in heard]
