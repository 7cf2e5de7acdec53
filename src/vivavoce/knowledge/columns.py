"""Recognise the columns of a schedule by their headings, in four languages."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..text.folding import fold

REQUIRED = ("date", "start", "title")
_NAMES = {
    "date": "date day data giorno fecha dia datum tag start_date date_start",
    "start": (
        "start start_time time from begin begins starts begin_time starting_time ora inizio "
        "ora_inizio orario dalle hora inicio hora_inicio hora_de_inicio desde beginn anfang von "
        "uhrzeit zeit startzeit"
    ),
    "end": (
        "end end_time to until till ends finish fine ora_fine alle fin hora_fin hora_de_fin hasta "
        "ende bis endzeit"
    ),
    "end_date": "end_date date_end",
    "room": "room place location where hall venue stage sala aula luogo lugar raum saal ort",
    "title": (
        "title session talk event subject session_title talk_title event_title titolo sessione "
        "intervento evento titulo sesion charla ponencia titel vortrag veranstaltung"
    ),
    "speaker": (
        "speaker speakers who presenter presenters speaker_name relatore relatori relatrice "
        "ponente ponentes referent referentin referenten sprecher sprecherin"
    ),
    "track": "track theme topic tema thema percorso bloque",
    "kind": "kind type tipo art format",
    "also": "also also_asked",
    "about": "abstract description summary about descrizione descripcion beschreibung",
    "status": "status state stato estado",
}
_COLUMNS = {name: tuple(aliases.split()) for name, aliases in _NAMES.items()}
_PLURAL = re.compile(r"\((?:s|es|i|e|n|en|in|innen)\)")
_LANGUAGE = re.compile(r"_[a-z]{2}$")


def key(heading: str) -> str:
    """Spell a heading as our names are: "SPEAKER(S)" is speaker, "Start time:" is start_time."""
    return re.sub(r"[^a-z0-9]+", "_", _PLURAL.sub("", fold(heading))).strip("_")


class Columns:
    """The columns of one heading line."""

    def __init__(self, headings: Sequence[str]) -> None:
        self._headings = headings
        self._at: dict[str, int] = {}
        for number, heading in enumerate(headings):
            self._at.setdefault(key(heading), number)

    def find(self, name: str, language: str) -> tuple[int, ...]:
        """Return the places of a column; the one of this language is the first."""
        aliases = _COLUMNS[name]
        keys = [f"{alias}_{language}" for alias in aliases] + list(aliases)
        found = [self._at[each] for each in keys if each in self._at]
        if name == "title" and not found:  # only in other languages
            found = [at for each, at in self._at.items() if _LANGUAGE.sub("", each) in aliases]
        return tuple(dict.fromkeys(found))

    def missing(self) -> list[str]:
        """Return which of the required columns a schedule would lack."""
        return [name for name in REQUIRED if not self.find(name, "")]

    def unknown(self) -> list[str]:
        """Return the headings that no name of ours explains, in any language."""
        known = {alias for aliases in _COLUMNS.values() for alias in aliases}
        keys = ((heading, key(heading)) for heading in self._headings)
        return [h for h, k in keys if k and k not in known and _LANGUAGE.sub("", k) not in known]
