r"""Read the transcripts and answers of the scripted engine from a TOML or JSON file.

heard = ["when does the keynote start"]       # the transcripts of speech, in turn

[[rules]]                                     # the first that fits is used.
when = "keynote"                              # part of what the user said, in any case
say = "It starts at nine."

[[rules]]
pattern = "book (?P<room>\w+)"               # or a regular expression
calls = [{ name = "book", arguments = { room = "{room}" } }]

[[rules]]
when = "overloaded"
fail = "rate_limit_exceeded"                  # the code of an error, before the first word …
after = 2                                     # … or after 2 words
times = 1                                     # and only once
stage = "brain"                               # the stage that fails; or "stt", "tts"
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import msgspec

from ...core.types import JsonObject
from ...errors import ConfigError, Mistake
from ...file_reading import FolderFile, UnreadableFileError, read_text
from ...toml import read_toml

FILE_BYTES = 64 * 1024

Stage = Literal["stt", "brain", "tts"]


class ScriptedCall(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    arguments: JsonObject = {}


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`{text}` in `say` and in arguments is what the user said, `{name}` a group of `pattern`."""

    when: str = ""
    pattern: str = ""
    say: str = ""
    calls: tuple[ScriptedCall, ...] = ()
    delay_s: float = 0.0  # before the first word
    pace_s: float = 0.0  # after each word
    fail: str = ""
    after: int = 0
    times: int | None = None
    stage: Stage = "brain"

    def fits(self, text: str) -> dict[str, str] | None:
        if self.pattern:
            match = re.search(self.pattern, text, re.IGNORECASE)
            return {"text": text, **match.groupdict("")} if match else None
        return {"text": text} if self.when.casefold() in text.casefold() else None


ECHO = Rule(say="You said: {text}")


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    heard: tuple[str, ...] = ("hello",)
    rules: tuple[Rule, ...] = ()


class RuleMatcher:
    """One stage following the script: it counts how often each rule was used."""

    def __init__(self, script: Script, stage: Stage) -> None:
        self._rules = [rule for rule in script.rules if rule.stage == stage]
        self._used = [0] * len(self._rules)

    def find(self, text: str) -> tuple[Rule, dict[str, str]]:
        """Return the first rule that fits a text, and the words that fill its gaps."""
        for index, rule in enumerate(self._rules):
            if rule.times is not None and self._used[index] >= rule.times:
                continue
            if (words := rule.fits(text)) is not None:
                self._used[index] += 1
                return rule, words
        return ECHO, {"text": text}


def fill(value: object, words: dict[str, str]) -> object:
    """Return the value with every `{name}` in its strings replaced."""
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda m: words.get(m[1], m[0]), value)
    if isinstance(value, dict):
        return {key: fill(inner, words) for key, inner in value.items()}
    if isinstance(value, list):
        return [fill(inner, words) for inner in value]
    return value


def load(file: Path | FolderFile) -> Script:
    """Read a script. Raises `ConfigError`. A `Path` is the operator's, and may be anywhere."""
    path = str(file)
    try:
        if path.endswith(".json"):
            script = msgspec.json.decode(read_text(file, FILE_BYTES), type=Script)
        else:
            script = msgspec.convert(read_toml(file, FILE_BYTES).data, Script)
        for rule in script.rules:
            re.compile(rule.pattern)
    except UnreadableFileError as error:
        raise ConfigError([Mistake(path, "", error.line, error.reason)]) from None
    except (ValueError, re.error, RecursionError, msgspec.DecodeError) as error:
        raise ConfigError([Mistake(path, "", None, str(error))]) from None
    return script
