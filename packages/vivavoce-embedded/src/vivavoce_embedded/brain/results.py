"""Make a sentence of the output of a tool.

A key that holds a sentence is spoken alone, without its name. So is the only value of an object,
such as a `result`. An entry with a name begins with it. Ids are for programs and are not spoken.
"""

from __future__ import annotations

import json
import math
import re
from itertools import islice

from .dialogue import OUTPUT_CHARACTERS
from .phrases import PHRASES, listed

SAID = ("spoken", "message", "text", "summary", "answer")  # keys that hold a sentence
NAMES = ("name", "title", "label")  # keys of what an entry is called
STATUS = ("ok", "success", "status", "type")  # keys that say how it went, and not what
UNWRAPPED = 4  # objects with one value inside of each other
_ID = re.compile(r"(?:^|[_-])(?:id|uuid|href|etag)$|[a-z](?:Id|Uuid)$")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
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


def is_failure(output: str) -> bool:
    """Return whether a tool says that it has failed: with an `error`, or without success."""
    try:
        value: object = json.loads(output)
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict):
        return False
    return bool(value.get("error")) or value.get("ok") is False or value.get("success") is False


def _of_object(value: dict[str, object], language: str) -> str:
    phrases = PHRASES[language]
    spoken, failure = value.get("spoken"), value.get("error")
    if isinstance(spoken, str) and spoken.strip():
        return spoken.strip()
    if value.get("state") == "unknown" and "message" in value:  # the server's words for a model
        return phrases.perhaps_done
    if failure:
        why = failure.get("message") if isinstance(failure, dict) else failure
        return phrases.failed.format(why=_read(why, language))
    if text := _sentence_of(value):
        return text
    facts = _facts(value)
    for _ in range(UNWRAPPED):
        if len(facts) != 1:
            break
        (only,) = facts.values()
        if not isinstance(only, dict):
            return phrases.empty if only == [] else _read(only, language) or phrases.done
        if text := _sentence_of(only):
            return text
        facts = _facts(only)
    if not facts:
        failed = value.get("success") is False or value.get("ok") is False
        return phrases.failed.format(why=phrases.no) if failed else phrases.done
    return _read(facts, language)


def _sentence_of(value: dict[str, object]) -> str:
    """Return the sentence that an object holds, or ""."""
    texts = (value.get(key) for key in SAID)
    return next((t.strip() for t in texts if isinstance(t, str) and t.strip()), "")


def _facts(value: dict[str, object]) -> dict[str, object]:
    """Return what an object says, without ids and whether it went well."""
    facts = {k: v for k, v in value.items() if k not in STATUS and v not in ("", None)}
    told = {k: v for k, v in facts.items() if not _ID.search(k)}
    return told or facts


def _spelled(key: str) -> str:
    """Return a key in words: `opening_time` and `openingTime` are opening time."""
    parted = _HUMP.sub(" ", key[:CHARACTERS])
    words = re.sub(r"[_-]+", " ", parted).strip()
    return words.lower() if words != key else words


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
        if text := _sentence_of(value):
            return text
        facts = _facts(value)
        name = next((k for k in NAMES if isinstance(facts.get(k), str)), None)
        said = [str(facts.pop(name))[:CHARACTERS]] if name and depth else []
        entries = said + [
            f"{_spelled(k)}: {_read(v, language, depth + 1)}"
            for k, v in islice(facts.items(), ENTRIES - len(said))
        ]
        if said:
            return ", ".join(entries)
        value = facts
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
