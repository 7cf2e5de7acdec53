"""Answer questions of arithmetic: "What is 12 times 3?", or 12*3# on the keys of a telephone."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator

from vivavoce.api import (
    AdapterRequest,
    AdapterSpec,
    Brain,
    GenerateOutput,
    GenerateRequest,
    GenerationCut,
    Item,
    Message,
    Usage,
)

SIGNS = {"plus": "+", "minus": "-", "times": "*", "x": "*", "divided by": "/", "over": "/"}
NAMES = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}
QUESTION = re.compile(r"(\d{1,15})\s*([-+*/])\s*(\d{1,15})")
UNKNOWN = "Ask me for a sum, such as 12 times 3."


class Sums:
    """Answer the user's last message."""

    async def generate(self, question: GenerateRequest) -> AsyncGenerator[GenerateOutput, None]:
        """Yield the answer word by word, and its usage last."""
        asked = last_user_text(question.history)
        words = re.findall(r"\S+\s*", answer(asked))
        allowed = words[: question.max_output_tokens]
        for word in allowed:
            yield word
        if len(allowed) < len(words):
            yield GenerationCut("max_output_tokens")
        read, written = len(asked.split()), len(allowed)
        yield Usage(total_tokens=read + written, input_tokens=read, output_tokens=written)


def last_user_text(history: tuple[Item, ...]) -> str:
    """Return what the user typed or said last. A spoken part has a transcript."""
    for item in reversed(history):
        if isinstance(item, Message) and item.role == "user":
            texts = [part.text or part.transcript or "" for part in item.content]
            return " ".join(text for text in texts if isinstance(text, str))
    return ""


def answer(asked: str) -> str:
    """Return the result as a sentence."""
    text = asked.lower()
    for name, sign in SIGNS.items():
        text = re.sub(rf"(?<![a-z]){name}(?![a-z])", sign, text)
    found = QUESTION.search(text)
    if found is None:
        return UNKNOWN
    left, sign, right = int(found[1]), found[2], int(found[3])
    if sign == "/" and right == 0:
        return "Nothing can be divided by zero."
    results = {"+": left + right, "-": left - right, "*": left * right}
    result = f"{left / right:.6g}" if sign == "/" else results[sign]
    return f"{left} {NAMES[sign]} {right} is {result}."


async def make(_: AdapterRequest) -> Brain:
    """Make the brain of one call."""
    return Sums()


sums = AdapterSpec(kind="brain", name="sums", make=make, languages=frozenset({"en"}))
