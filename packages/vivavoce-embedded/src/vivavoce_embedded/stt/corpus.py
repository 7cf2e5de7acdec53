"""Guess what people will say to an assistant from its knowledge.

The recogniser prefers words and phrases that it finds here. People do not recite the knowledge:
they ask about the things in it, and so every noun phrase is put into the questions they ask.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import TypeAlias

Corpus: TypeAlias = tuple[tuple[float, str], ...]
"""Sentences in normal form, and how much each counts."""

MAX_WORDS = 60_000  # of knowledge: a larger model exceeds the time to make and to search it
LONGEST_PHRASE = 4

TEXT_WEIGHT, QUESTION_WEIGHT, PHRASE_WEIGHT = 1.0, 0.15, 0.5
SMALL_TALK_WEIGHT, EXAMPLE_WEIGHT = 2.0, 3.0

SMALL_TALK = """
hello; hi; hi there; hello there; good morning; good afternoon; good evening; goodbye; bye
thank you; thanks; thank you very much; thanks a lot; please; sorry; excuse me; okay; all right
yes; yes please; no; no thank you; maybe; of course; sure; i don't know; i am not sure
stop; wait; wait a minute; one moment; go on; go ahead; continue; cancel; cancel that; never mind
again please; say that again; can you repeat that; what did you say; i did not hear you
slower please; louder please; i don't understand; what do you mean; that is not what i meant
who are you; what is your name; what can you do; how can you help me; can you help me; help
how are you; tell me more; what else; anything else; that is all; is that right; are you sure
i have a question; another question; what about tomorrow; what about today; what time is it
can i talk to a person; is there somebody i can talk to; let's begin; i am ready; next; go back
"""

QUESTIONS = """
where is _; where is the _; where are the _; where can i find _; where can i find the _
how do i get to _; how do i get to the _; can you show me _; show me the _; show me the way to the _
when is _; when is the _; when are the _; when does the _ start; when does _ start
when does the _ begin; when does the _ end; what time is the _; what time does the _ start
what time does the _ open; what time does the _ close; is the _ open; until when is the _ open
what is _; what is the _; what are the _; what is the _ about; what do you know about _
who is _; who is the _; who gives the _; tell me about _; tell me about the _
tell me something about _; can you tell me about the _; i would like to know more about the _
how much is _; how much is the _; how much does the _ cost; how much does _ cost
do you have _; do you have a _; is there _; is there a _; are there any _; are there _
can i have _; can i bring _; can i have a _; i need _; i need a _; i am looking for _
i am looking for the _; i lost my _; do i need a _; how does the _ work; how long is the _
how far is the _; explain _; explain the _; which _; _; the _; a _; and the _; what about the _
"""

_FUNCTION_WORDS = """
    a about after all an and any are as at be been before but by can could do does each every
    for from had has have he her his how i if in into is it its me must my no nor not of off on or
    our she should so than that the their them then there these they this those to until up us was
    we were what when where which who will with would you your
"""
FUNCTION_WORDS = frozenset(_FUNCTION_WORDS.split())

_NUMERALS = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen
    fifteen sixteen seventeen eighteen nineteen
    twenty thirty forty fifty sixty seventy eighty ninety
"""
_ONES, _TENS = _NUMERALS.split()[:20], _NUMERALS.split()[20:]
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_NUMBERS = re.compile(r"(\d{1,2}):(\d\d)|(\d+)(st|nd|rd|th)\b|(\d+)")


def corpus(chunks: Iterable[tuple[str, str]], examples: Iterable[str] = ()) -> Corpus:
    """Of an assistant's knowledge (titles and texts) and of what it says people say to it."""
    sentences = [(SMALL_TALK_WEIGHT, phrase) for phrase in _entries(SMALL_TALK)]
    sentences += [(EXAMPLE_WEIGHT, normal(example)) for example in examples]
    phrases: dict[str, None] = {}  # a set that keeps its order
    room = MAX_WORDS
    for title, text in chunks:
        clauses = [normal(title), *map(normal, re.split(r"[.;:?!\n]+", text))]
        room -= sum(len(clause.split()) for clause in clauses)
        if room < 0:
            break
        sentences += [(TEXT_WEIGHT, clause) for clause in clauses]
        phrases |= dict.fromkeys(phrase for c in clauses for phrase in noun_phrases(c))
    for phrase in phrases:
        for question in _entries(QUESTIONS):
            weight = PHRASE_WEIGHT if question == "_" else QUESTION_WEIGHT
            sentences.append((weight, question.replace("_", phrase)))
    return tuple((weight, sentence) for weight, sentence in sentences if sentence)


def noun_phrases(clause: str) -> Iterator[str]:
    """Return the words between function words: an estimate that needs no grammar."""
    phrase: list[str] = []
    for word in [*clause.split(), "the"]:
        if word not in FUNCTION_WORDS:
            phrase.append(word)
        elif phrase:
            yield " ".join(phrase[-LONGEST_PHRASE:])
            phrase = []


def normal(text: str) -> str:
    """As it is spoken: small letters a to z and apostrophes, numbers in words."""
    text = unicodedata.normalize("NFKD", text.replace("’", "'")).lower()
    text = "".join(char for char in text if not unicodedata.combining(char))
    text = _NUMBERS.sub(lambda found: f" {_say(found)} ", text)
    words = re.sub(r"[^a-z']+", " ", text).split()
    return " ".join(word for word in (word.strip("'") for word in words) if word)


def number(n: int) -> str:
    if n < 20:
        return _ONES[n]
    if n < 100:
        return " ".join([_TENS[n // 10 - 2], *([_ONES[n % 10]] if n % 10 else [])])
    for size, name in ((1_000_000, "million"), (1_000, "thousand"), (100, "hundred")):
        if n >= size:
            rest = [number(n % size)] if n % size else []
            return " ".join([number(n // size), name, *rest])
    raise AssertionError(n)


def _say(found: re.Match[str]) -> str:
    hour, minute, ordinal, _, digits = found.groups()
    if hour:
        return f"{number(int(hour))} {_minutes(minute)}"
    if ordinal:
        return _ordinal(number(int(ordinal[-9:])))
    if len(digits) == 4 and "1100" <= digits < "2100" and digits[:2] != "20":
        return f"{number(int(digits[:2]))} {_minutes(digits[2:], 'hundred')}"  # a year
    if len(digits) == 4 and "2010" <= digits < "2100":
        return f"twenty {number(int(digits[2:]))}"
    if len(digits) > 9 or (digits.startswith("0") and len(digits) > 1):
        return " ".join(_ONES[int(digit)] for digit in digits)
    return number(int(digits))


def _minutes(digits: str, full: str = "o'clock") -> str:
    if digits == "00":
        return full
    return f"oh {_ONES[int(digits)]}" if digits.startswith("0") else number(int(digits))


def _ordinal(words: str) -> str:
    *first, last = words.split()
    if last in _ORDINALS:
        last = _ORDINALS[last]
    else:
        last = f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th"
    return " ".join([*first, last])


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in re.split(r"[;\n]", text) if entry.strip()]
