"""Recognise an environment variable whose name is a misspelled setting's.

Other programs use our prefix too: Kubernetes sets `VIVAVOCE_SERVER_PORT=tcp://10.0.0.1:80` for a
service named `vivavoce-server`. So only a name that resembles a setting's is a mistake.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

OURS = frozenset({"VIVAVOCE_DATA_DIR", "VIVAVOCE_API_KEY"})
"""The variables that are no settings."""
SIMILAR = 0.85  # of difflib's ratio, which is 1 for equal words
_KUBERNETES_VALUE = re.compile(r"(tcp|udp|sctp)://")
_KUBERNETES_NAME = re.compile(r"_SERVICE_(HOST|PORT)")
_PREFIX = "vivavoce"


def misspelled_setting(name: str, value: str, settings: Iterable[str]) -> str | None:
    """Return the setting that a variable without `__` behind its section means.

    `settings` are names such as `SERVER__PORT`. None: the variable belongs to another program.
    """
    word = _squash(name)
    if name in OURS or not word.startswith(_PREFIX):
        return None
    if _KUBERNETES_NAME.search(name) or _KUBERNETES_VALUE.match(value):
        return None
    word = word.removeprefix(_PREFIX)
    names = {_squash(full): full for full in _with_files(settings)}
    if found := difflib.get_close_matches(word, names, n=1, cutoff=SIMILAR):
        return names[found[0]]
    keys: dict[str, list[str]] = {}
    for full in names.values():
        keys.setdefault(_squash(full.partition("__")[2]), []).append(full)
    meant = keys.get(word, [])
    return meant[0] if len(meant) == 1 else None


def _with_files(settings: Iterable[str]) -> Iterable[str]:
    for full in settings:
        yield full
        yield f"{full}_FILE"


def _squash(name: str) -> str:
    """Leave out what a person confuses: underscores, hyphens, capitals."""
    return re.sub(r"[_.-]", "", name).lower()
