#!/usr/bin/env python3
"""Check a commit message: `area: imperative`, at most 72 characters, the reason in the body.

pre-commit runs it at the stage commit-msg with the file that holds the message.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

LENGTH = 72
SUBJECT = re.compile(r"(?P<area>[a-z0-9][\w./+-]*(?:, [a-z0-9][\w./+-]*)*): (?P<verb>\S+)(?: .+)?")
GIT_WRITES = ("fixup! ", "squash! ", "amend! ", "Revert ")  # rebase and revert need these subjects
NOT_IMPERATIVE = re.compile(
    r"(?:add|chang|fix|improv|mak|mov|refus|remov|renam|report|return|rewrit|updat|us)(?:e?s|ed|ing)"
)
SCISSORS = "# ------------------------ >8 ------------------------"  # git commit --verbose


def problems(message: str) -> list[str]:
    """Return one sentence for each rule that the message breaks."""
    lines = [line.rstrip() for line in message.partition(SCISSORS)[0].splitlines()]
    lines = [line for line in lines if not line.startswith("#")]
    while lines and not lines[0]:
        del lines[0]
    if not lines:
        return []  # git itself refuses an empty message
    subject, *body = lines
    if subject.startswith("Merge "):
        return ["Rebase the branch instead of merging."]
    if subject.startswith(GIT_WRITES):
        return []
    return [*_subject(subject), *_body(body)]


def _subject(subject: str) -> list[str]:
    found = []
    if len(subject) > LENGTH:
        found.append(f"The subject has {len(subject)} characters; the maximum is {LENGTH}.")
    if (match := SUBJECT.fullmatch(subject)) is None:
        found.append("The subject must be `area: imperative`, such as `store: add an index`.")
    else:
        verb = match["verb"]
        if verb[0].isupper() and not verb.isupper():
            found.append(f"Write `{verb[0].lower()}{verb[1:]}` in lower case after the area.")
        if NOT_IMPERATIVE.fullmatch(verb.lower()):
            found.append(f"`{verb}` is not an imperative: write what the commit does, `add …`.")
        if match["area"] == "wip" or verb.lower() == "wip":
            found.append("Describe the change instead of `wip`.")
    if subject.endswith("."):
        found.append("The subject does not end with a full stop.")
    if ";" in subject:
        found.append("One commit is one change: the subject has no semicolon.")
    return found


def _body(body: list[str]) -> list[str]:
    if body and body[0]:
        return ["An empty line must separate the subject from the body."]
    return []


def main(path: str) -> int:
    found = problems(Path(path).read_text("utf-8"))
    for problem in found:
        print(f"commit message: {problem}", file=sys.stderr)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
