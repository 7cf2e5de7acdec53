"""Three words in a row, and how likely: made from sentences, read, mixed and written as ARPA.

A model holds what it has seen; for all other words it backs off to fewer words, with a weight
that leaves all probabilities after a history adding up to one.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeAlias

ORDER = 3
BEGIN, END = "<s>", "</s>"

DISCOUNT = 0.6  # what every n-gram gives to those that were never seen
SMOOTHING = 0.5
LEAST = 1e-9
LEAST_LEFT = 1e-3  # never take away everything from what was not seen

Gram: TypeAlias = tuple[str, ...]


class NGrams:
    def __init__(self) -> None:
        self.seen: list[dict[Gram, float]] = [{} for _ in range(ORDER)]  # by length - 1
        self.backoff: dict[Gram, float] = {}

    @property
    def vocabulary(self) -> set[str]:
        return {word for (word,) in self.seen[0]} - {BEGIN, END}

    def probability(self, gram: Gram) -> float:
        """Of its last word after the others. Zero for a word that it does not know."""
        weight = 1.0
        while len(gram) > 1:
            found = self.seen[len(gram) - 1].get(gram)
            if found is not None:
                return weight * found
            weight *= self.backoff.get(gram[:-1], 1.0)
            gram = gram[1:]
        return weight * self.seen[0].get(gram, 0.0)

    def balance(self, length: int) -> None:
        """Set the weights of all histories that are one word shorter than this."""
        told: defaultdict[Gram, float] = defaultdict(float)
        others: defaultdict[Gram, float] = defaultdict(lambda: 1.0)  # chances of the rest, shorter
        for gram, probability in self.seen[length - 1].items():
            told[gram[:-1]] += probability
            others[gram[:-1]] -= self.probability(gram[1:])
        scale: dict[Gram, float] = {}
        for history, sum_told in told.items():
            left = 0.0 if others[history] < LEAST_LEFT else max(1 - sum_told, LEAST_LEFT)
            self.backoff[history] = left / others[history] if left else 1.0
            if abs(sum_told + left - 1) > LEAST:
                scale[history] = (1 - left) / sum_told
        for gram in self.seen[length - 1] if scale else ():
            self.seen[length - 1][gram] *= scale.get(gram[:-1], 1.0)


def count(sentences: Iterable[tuple[float, str]]) -> NGrams:
    """Return the model of weighted sentences, by absolute discounting."""
    counts: list[Counter[Gram]] = [Counter() for _ in range(ORDER)]
    for weight, sentence in sentences:
        words = (BEGIN, *sentence.split(), END)
        for length in range(1, ORDER + 1):
            for start in range(len(words) - length + 1):
                counts[length - 1][words[start : start + length]] += weight  # type: ignore[assignment]
    del counts[0][(BEGIN,)]
    model = NGrams()
    total = sum(counts[0].values()) + SMOOTHING * len(counts[0])
    model.seen[0] = {gram: (n + SMOOTHING) / total for gram, n in counts[0].items()}
    for length in range(2, ORDER + 1):
        after: defaultdict[Gram, list[tuple[Gram, float]]] = defaultdict(list)
        for gram, n in counts[length - 1].items():
            after[gram[:-1]].append((gram, n))
        for grams in after.values():
            total = sum(n for _, n in grams)
            discount = min(DISCOUNT, 0.9 * min(n for _, n in grams))
            model.seen[length - 1] |= {gram: (n - discount) / total for gram, n in grams}
        model.balance(length)
    return model


def mix(special: NGrams, general: NGrams, share: float = 0.5) -> NGrams:
    """One that expects what either does; `share` is the special one's part.

    After words that the special model has never seen it is only guessing, and counts less.
    """
    model = NGrams()
    words = {gram for gram in (*special.seen[0], *general.seen[0]) if gram != (BEGIN,)}
    mixed = {
        gram: share * special.seen[0].get(gram, 0) + (1 - share) * general.seen[0].get(gram, 0)
        for gram in words
    }
    total = sum(mixed.values())
    model.seen[0] = {gram: probability / total for gram, probability in mixed.items()}
    for length in range(2, ORDER + 1):
        histories = {gram[:-1] for gram in special.seen[length - 1]}
        for gram in {**special.seen[length - 1], **general.seen[length - 1]}:
            part = share if gram[:-1] in histories else 0.3 * share
            expected = part * special.probability(gram) + (1 - part) * general.probability(gram)
            model.seen[length - 1][gram] = max(expected, LEAST)
        model.balance(length)
    return model


def read_arpa(lines: Iterable[str]) -> NGrams:
    model = NGrams()
    length = 0
    for line in lines:
        if line.startswith("\\"):
            length = int(line[1]) if "-grams:" in line else 0
        elif length and (fields := line.split()):
            gram = tuple(fields[1 : 1 + length])
            model.seen[length - 1][gram] = 10 ** float(fields[0])
            if len(fields) > 1 + length:
                model.backoff[gram] = 10 ** float(fields[1 + length])
    return model


def write_arpa(model: NGrams, file: TextIO) -> None:
    first = {(BEGIN,): 1e-99, **model.seen[0]}
    by_length = [first, *model.seen[1:]]
    file.write("\\data\\\n")
    for length, grams in enumerate(by_length, 1):
        file.write(f"ngram {length}={len(grams)}\n")
    for length, grams in enumerate(by_length, 1):
        file.write(f"\n\\{length}-grams:\n")
        file.writelines(_lines(model, grams, last=length == ORDER))
    file.write("\n\\end\\\n")


def _lines(model: NGrams, grams: dict[Gram, float], *, last: bool) -> Iterator[str]:
    for gram in sorted(grams):
        backoff = "" if last else f"\t{math.log10(model.backoff.get(gram, 1.0)):.4f}"
        yield f"{math.log10(grams[gram]):.4f}\t{' '.join(gram)}{backoff}\n"
