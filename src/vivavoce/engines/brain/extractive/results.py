"""What a tool answered, as a sentence."""

from __future__ import annotations

import json
import math

from .phrases import PHRASES, listed

SAID = ("message", "text", "spoken", "summary", "answer")  # keys that hold a sentence
ENTRIES = 3  # of a list or an object, that are said
CHARACTERS = 600  # of one output, that are said


def sentence(output: str, language: str) -> str:
    """Text is said as it is, JSON by its message or else as key: value."""
    phrases = PHRASES[language]
    text = output.strip()
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    if isinstance(value, dict):
        said = _of_object(value, language)
    elif value is True or value in ("", "ok", "OK", "null", None):
        said = phrases.done
    elif value == [] or value is False:
        said = phrases.empty
    else:
        said = _read(value, language)
    said = said if len(said) <= CHARACTERS else f"{said[:CHARACTERS].rsplit(' ', 1)[0]} …"
    return said if said.endswith((".", "!", "?", "…")) else f"{said}."


def _of_object(value: dict[str, object], language: str) -> str:
    phrases = PHRASES[language]
    failure = value.get("error")
    if failure:
        why = failure.get("message") if isinstance(failure, dict) else failure
        return phrases.failed.format(why=_read(why, language))
    for key in SAID:
        if isinstance(text := value.get(key), str) and text.strip():
            return text.strip()
    facts = {k: v for k, v in value.items() if k not in ("ok", "success", "status") and v != ""}
    if not facts:
        failed = value.get("success") is False or value.get("ok") is False
        return phrases.failed.format(why=phrases.no) if failed else phrases.done
    return _read(facts, language)


def _read(value: object, language: str, depth: int = 0) -> str:
    phrases = PHRASES[language]
    if isinstance(value, bool):
        return phrases.yes if value else phrases.no
    if isinstance(value, float) and math.isfinite(value):
        said = f"{value:g}"
        return said if language == "en" else said.replace(".", ",")
    if depth < 3 and isinstance(value, (dict, list)):
        entries = (
            [f"{str(k).replace('_', ' ')}: {_read(v, language, depth + 1)}"
             for k, v in value.items()]
            if isinstance(value, dict)
            else [_read(v, language, depth + 1) for v in value]
        )  # fmt: skip
        return shortened(entries, language)
    return "" if isinstance(value, (dict, list)) or value is None else str(value)


def shortened(entries: list[str], language: str, most: int = ENTRIES) -> str:
    """As many as one can listen to, "and 4 more"."""
    phrases = PHRASES[language]
    if len(entries) <= most:
        return listed(entries, phrases.and_)
    return f"{', '.join(entries[:most])} {phrases.more.format(n=len(entries) - most)}"
