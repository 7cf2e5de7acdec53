"""Make a sentence of the output of a tool."""

from __future__ import annotations

import json
import math
from itertools import islice

from .dialogue import OUTPUT_CHARACTERS
from .phrases import PHRASES, listed

SAID = ("message", "text", "spoken", "summary", "answer")  # keys that hold a sentence
ENTRIES = 3  # of a list or an object, that are spoken
CHARACTERS = 600  # of one output, that are spoken


def sentence(output: str, language: str) -> str:
    """Speak a text as it is, and JSON by its message or as key: value."""
    phrases = PHRASES[language]
    text = output.strip()
    whole = len(output) < OUTPUT_CHARACTERS
    try:
        value: object = json.loads(text)
    except ValueError:
        value = text
    except RecursionError:
        value, whole = text, False
    if isinstance(value, dict):
        said = _of_object(value, language)
    elif value is text and not whole and text[:1] in ("{", "["):
        said = phrases.done  # cut JSON: its brackets are not for a voice
    elif value is True or value in ("", "ok", "OK", "null", None):
        said = phrases.done
    elif value == [] or value is False:
        said = phrases.empty
    else:
        said = _read(value, language)
    said = said.encode("utf-8", "replace").decode()  # JSON can spell half a surrogate pair
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
        return _several(value, language, depth)
    return "" if isinstance(value, (dict, list)) or value is None else str(value)[:CHARACTERS]


def _several(value: dict[str, object] | list[object], language: str, depth: int) -> str:
    """List the first of them, and count the others."""
    if isinstance(value, dict):
        entries = [
            f"{k[:CHARACTERS].replace('_', ' ')}: {_read(v, language, depth + 1)}"
            for k, v in islice(value.items(), ENTRIES)
        ]
    else:
        entries = [_read(v, language, depth + 1) for v in value[:ENTRIES]]
    return shortened(entries, language, among=len(value))


def shortened(entries: list[str], language: str, most: int = ENTRIES, among: int = 0) -> str:
    """As many as one can listen to, "and 4 more". `among`: how many there are, if not all came."""
    phrases = PHRASES[language]
    among = among or len(entries)
    if among <= most:
        return listed(entries, phrases.and_)
    return f"{', '.join(entries[:most])} {phrases.more.format(n=among - most)}"
