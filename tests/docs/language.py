"""Count sentences that a reader has to read twice: the rules, and the prose that they apply to.

python -m tests.docs.language            every folder: its rate and its budget
python -m tests.docs.language FOLDER…    every hit of these folders, with an advice
python -m tests.docs.language --lower    lower the budgets in `language.toml` to what is measured
"""

from __future__ import annotations

import re
import sys
import tomllib
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from .prose import Block, blocks, files, folder_of

ROOT = Path(__file__).parents[2]
BUDGETS = Path(__file__).with_name("language.toml")
DONE = 1.0  # hits per 1,000 words: the budget of every folder that the file does not list
LONGEST_SENTENCE = 40  # words; aim at 25
SEMICOLONS = 1  # in one paragraph


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern that marks a sentence to rewrite, the advice, and a pair before and after."""

    name: str
    pattern: str
    advice: str
    before: str
    after: str
    docstrings: bool = False  # apply to the first words of docstrings only


_QUESTION = "What|Who|Whose|Where|When|How|Which|Why|Whether|Is|Are|Does|Do|May|Has|Can|Must"

RULES = (
    Rule(
        "headless-who",
        r"(?:^|[.;:(,] |\b(?:for|to|than|of|by|with|from|and|but|or|at|that|when|is) )"
        r"[Ww]ho (?!is who)\w+",
        "Put a noun before `who`: a client that …, a caller that …",
        "The place goes to who comes first.",
        "The place goes to the first client.",
    ),
    Rule(
        "headless-what",
        r"(?:^|[.;] )What (?:\w+ ){1,6}?"
        r"(?:is|are|was|were|comes?|came|waits?|has|have|can|may|had|belongs?|follows?|goes|stays)\b"
        r"(?![^.]*\?)",
        "Use a noun as the subject instead of `what …`: audio that …, the setting that …",
        "What waits for the disk is bounded.",
        "The queue for the disk is bounded.",
    ),
    Rule(
        "no-actor",
        r"\b(?:[Nn]o ?body|[Ss]omebody|[Aa]nybody|[Ee]verybody|[Ww]hoever)\b",
        "Name the actor: client, server, worker, engine, user.",
        "Nobody waits for the slow disk.",
        "Other calls do not wait for the slow disk.",
    ),
    Rule(
        "passive-talk",
        r"\b(?:is|are|was|were|be|been|being|not|gets?) "
        r"(?:told|said|looked past|gone by|let in)\b(?! apart)",
        "Say what the server does: it refuses, sends, returns, logs.",
        "The client is told that the call is over.",
        "The server sends the client a close frame.",
    ),
    Rule(
        "body-and-house",
        r"\b(?:ears?|mouths?|deaf|unwell|patients?|mend(?:s|ed|ing)?|knock(?:s|ed)?|strangers?"
        r"|dice|same breath|trunk)\b",
        "Use the field's term instead of a body part, an illness or a house.",
        "The ears of the call mend its sound.",
        "The input pipeline of the call filters its audio.",
    ),
    Rule(
        "is-no",
        r"(?<![Tt]here )\b(?:is|are|was|were|be) (?:no|none)\b(?! (?:longer|more)\b)",
        "Write `is not a …`, or name what exists.",
        "A cookie is no key.",
        "A cookie is not a key.",
    ),
    Rule(
        "archaic",
        r"\b(?:anew|dear|shall|besides|whatsoever|for ever|so many|so long as|called so"
        r"|(?<!thing )else (?=[a-z])|as (?:many|much|long) as (?:it|they) (?:may|will|has|have))\b"
        r"|, for (?:it|they|he|she|there|nothing|that|this) ",
        "Use current words: again, expensive, must, also, because, otherwise, the maximum.",
        "It is asked anew, for it may have changed.",
        "It is asked again, because it may have changed.",
    ),
    Rule(
        "vague",
        r"\b(?:so (?:much|long|late|far|often)|too (?:much|many|long|late|often)|a handful)\b",
        "Give a number, a unit and a condition.",
        "The server waits so long and then gives up.",
        "The server waits for 10 s and then gives up.",
    ),
    Rule(
        "fragment",
        r"(?:^|[.;] )(?:Of (?!course)(?:it|them|those|these|that|this|which)\b|Those [a-z]+ing\b"
        r"|Nor \w+)",
        "Begin the sentence with its subject.",
        "Of them, the oldest is dropped.",
        "The oldest connection is dropped.",
    ),
    Rule(
        "docstring-verb",
        rf"^(?:{_QUESTION}|It|They|Those|These|This|That|There)\b",
        "Start a docstring with an imperative verb, or with a noun for a class or property.",
        "What waits to be sent.",
        "Return the frames that wait to be sent.",
        docstrings=True,
    ),
)
COMPILED = tuple((rule, re.compile(rule.pattern)) for rule in RULES)


class Hit(NamedTuple):
    file: str
    line: int
    rule: str
    advice: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.rule}: {self.text}\n    {self.advice}"


def hits(block: Block) -> Iterator[Hit]:
    """Yield each place of a block that breaks a rule."""
    text = re.sub(r"`[^`]*`", lambda code: re.sub(r"[^\n]", "X", code[0]), block.text)
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    flat = text.replace("\n", " ").replace("**", "  ")
    for rule, pattern in COMPILED:
        if rule.docstrings and not block.docstring:
            continue
        for found in pattern.finditer(flat):
            number = bisect_right(starts, found.start()) - 1
            around = block.text.replace("\n", " ")[max(0, found.start() - 30) : found.end() + 40]
            yield Hit(block.file, block.line + number, rule.name, rule.advice, around.strip())
    yield from _shape(block, flat)


def _shape(block: Block, flat: str) -> Iterator[Hit]:
    if flat.startswith("|"):
        return  # a row of a table
    if flat.count(";") > SEMICOLONS:
        advice = "Use full stops: at most one semicolon in a paragraph."
        yield Hit(block.file, block.line, "semicolons", advice, block.text[:70])
    for sentence in re.split(r"(?<=[.!?:])\s+(?=[A-Z`*\"“])", flat):
        if len(sentence.split()) > LONGEST_SENTENCE:
            advice = f"Split the sentence: at most {LONGEST_SENTENCE} words, better 25."
            yield Hit(block.file, block.line, "long-sentence", advice, sentence.strip()[:70])


class Measured(NamedTuple):
    words: int
    hits: tuple[Hit, ...]

    @property
    def rate(self) -> float:
        """Hits per 1,000 words."""
        return 1000 * len(self.hits) / max(1, self.words)


def measure(root: Path = ROOT) -> dict[str, Measured]:
    """Return words and hits of each folder."""
    words, found = dict[str, int](), dict[str, list[Hit]]()
    for path in files(root):
        folder = folder_of(path.relative_to(root).as_posix())
        for block in blocks(root, path):
            words[folder] = words.get(folder, 0) + len(block.text.split())
            found.setdefault(folder, []).extend(hits(block))
    return {folder: Measured(count, tuple(found[folder])) for folder, count in words.items()}


def budgets() -> dict[str, float]:
    """Return the budget of each listed folder, in hits per 1,000 words."""
    listed = tomllib.loads(BUDGETS.read_text("utf-8"))
    return {folder: float(table["budget"]) for folder, table in listed.items()}


def lowered(measured: Mapping[str, Measured], before: Mapping[str, float]) -> str:
    """Return the text of `language.toml` with lower budgets; no budget rises."""
    text = BUDGETS.read_text("utf-8").partition("\n[")[0] if BUDGETS.exists() else ""
    for folder in sorted(measured):
        budget = min(before.get(folder, DONE), round(measured[folder].rate + 0.05, 1))
        if budget > DONE:
            text += f'\n["{folder}"]\nbudget = {budget}\n'
    return text


def main(arguments: list[str]) -> None:
    measured, listed = measure(), budgets()
    if arguments == ["--lower"]:
        BUDGETS.write_text(lowered(measured, listed), "utf-8")
        return
    for folder in arguments or sorted(measured):
        if arguments:
            print(*measured[folder].hits, sep="\n")
        rate, budget = measured[folder].rate, listed.get(folder, DONE)
        print(f"{folder:32} {rate:5.1f} hits per 1,000 words; the budget is {budget}")


if __name__ == "__main__":
    main(sys.argv[1:])
