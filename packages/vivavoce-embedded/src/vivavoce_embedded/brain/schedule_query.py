"""Read a question about a programme: which day, which room, what order.

"What talks are on Tuesday morning?" is a wish for a list; "and on Wednesday?" changes it.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Literal

import msgspec

from vivavoce.knowledge.chunks import ScheduleEvent
from vivavoce.knowledge.normalize import terms
from vivavoce.knowledge.search import KnowledgeIndex
from vivavoce.text.calendar import MONTHS, WEEKDAYS
from vivavoce.text.clock import DAY, minutes, span

from .dates import Found, find_date, find_time, find_weekday, part_of_day
from .utterance import UserUtterance

_LISTING = re.compile(
    r"\b(talks|sessions|workshops|keynotes|lectures|presentations|events|panels|programme?|agenda|schedule|"
    r"timetable|happening|happens|going on|what is on|what s on|what's on|what is there|"
    r"(interventi|sessioni|presentazioni|conferenze|relazioni|eventi|talk|workshop|laboratori|"
    r"programma|in programma|che c'e|cosa c'e|cosa succede)|"
    r"(charlas|sesiones|ponencias|presentaciones|conferencias|talleres|eventos|programa|que hay|"
    r"que pasa))\b"
)
_ONE = re.compile(
    r"\b(intervento|sessione|conferenza|evento|charla|ponencia|sesion|session|event)\b"
)
_FIRST = re.compile(r"\b(first|prim[oa]|primer)\b")
_LAST = re.compile(r"\b(last|final|ultim[oa])\b")
_NEXT = re.compile(
    r"\b(what('s| is| s|) next|(is|comes|what s|what's|happens) after|next \w+|"
    r"prossim[oa]|cosa (c'e|viene) dopo|che (c'e|viene) dopo|dopo (il|la|lo|l'|i)|"
    r"siguiente|proxim[oa]|que (hay|viene) (despues|luego)|despues (de|del))\b"
)
_AFTER = re.compile(r"\b(?:after|dopo|despues (?:de|del))\b(.*)$")
_NOW = re.compile(
    r"\b(right now|now|at the moment|adesso|ora|in questo momento|ahora|en este momento)\b"
)
_WHO = re.compile(r"\b(who|chi|quien(es)?|speakers|relatori|ponentes)\b")
_COUNT = re.compile(r"\b(how many|quant[ie]|cuant[oa]s)\b")
_EVERY = re.compile(r"\b\w+days\b|\b(every|each|ogni|tutti i|tutte le|todos los|cada)\b")
_WORDS = re.compile(r"\D+(?=\d)|(?<=\d)\D+")
_DAY_NUMBER = re.compile(r"\d+(?:st|nd|rd|th)?")
_NTH_DAY = re.compile(
    r"\b(first|second|third|last) day\b|\b(prim[oa]|second[oa]|terz[oa]|ultim[oa]) giorn[oa]\b|"
    r"\b(primer|segundo|tercer|ultimo) dia\b|\b(?:day|giorno|dia) (\d)\b"
)
_NTH = {"first": 0, "second": 1, "third": 2, "last": -1, "prim": 0, "terz": 2, "ultim": -1,
        "segundo": 1, "tercer": 2}  # fmt: skip
_LIST_WORDS = (
    "talk session workshop lecture presentation event programme program agenda schedule timetable "
    "first last next after intervento interventi sessione sessioni presentazione presentazioni "
    "conferenza relazioni eventi programma primo prima ultimo ultima prossimo prossima dopo charla "
    "charlas sesion sesiones ponencia ponencias presentaciones conferencias evento eventos "
    "programa primer primera ultima siguiente proximo proxima despues today tomorrow oggi domani "
    "hoy manana dopodomani pasado tonight stasera stamattina stanotte "
    "morning afternoon evening mattina pomeriggio sera tarde noche day giorno dia "
    "second third secondo terzo segundo tercer now adesso ora ahora right moment momento going "
    "number track speak speaker parla parlano relatore relatori habla hablan ponente ponentes"
)


_KINDS = {
    "keynote": re.compile(r"\bkeynotes?\b"),
    "workshop": re.compile(r"\b(workshops?|laborator[io]+|taller(es)?)\b"),
    "panel": re.compile(r"\b(panels?|tavol[ae] rotond[ae]|mesas? redondas?)\b"),
}
_ON = re.compile(r"\b(about|on|regarding|by|su|sul|sulla|sull'|sui|sugli|sulle|sobre|acerca)\b")
_OPEN = re.compile(r"\b(what|which|che|cosa|quali|que|cuales|who|chi)\b")
_PLACED = re.compile(r"\b(where|when|dove|quando|donde|cuando)\b")


class ScheduleQuery(msgspec.Struct, frozen=True, kw_only=True):
    """The properties that the events must have. None: any."""

    date: str | None = None
    weekday: int | None = None
    every: bool = False  # that weekday of each week
    between: tuple[str, str] | None = None
    at: str | None = None
    room: str | None = None
    track: str | None = None
    kind: str | None = None
    topic: tuple[str, ...] = ()  # stems that the knowledge has
    order: Literal["first", "last", "next", "now"] | None = None
    after: ScheduleEvent | None = None
    count: bool = False
    who: bool = False  # the speakers rather than the titles
    listing: bool = False  # it is a wish for events, not a question about one
    person: bool = False  # the topic is a speaker, and nothing else
    subject: bool = False  # it says more than what, where and when

    @property
    def narrow(self) -> bool:
        """True if the query names a time or a place."""
        some = (self.date, self.between, self.at, self.room, self.track, self.kind)
        return self.weekday is not None or any(some)

    @property
    def changes(self) -> bool:
        """True if the query may continue an earlier one, such as "and on Wednesday"."""
        return self.narrow and not self.subject and not self.listing

    def changed(self, later: ScheduleQuery) -> ScheduleQuery:
        """Return this query with the changes of a later one. A day replaces a day."""
        new = {
            name: value
            for name in ("between", "at", "room", "track", "kind")
            if (value := getattr(later, name)) is not None
        }
        if later.date or later.weekday is not None:
            new |= {"date": later.date, "weekday": later.weekday, "every": later.every}
        return msgspec.structs.replace(self, **new)


class ScheduleQueryParser:
    """Finds the wish in a question about the events of one index."""

    def __init__(self, index: KnowledgeIndex, events: list[ScheduleEvent]) -> None:
        language = index.language
        self._index = index
        self._rooms = {e.room: frozenset(terms(e.room, language)) for e in events}
        self._tracks = {e.track: frozenset(terms(e.track, language)) for e in events}
        self._kinds = {e.kind for e in events}
        self._people = [frozenset(terms(e.speaker, language)) for e in events if e.speaker]
        self._spans = {span(e.start, e.end) for e in events}
        self._days = list(dict.fromkeys((e.date, e.weekday) for e in events))
        names = " ".join((_LIST_WORDS, *WEEKDAYS[language], *MONTHS[language]))
        self._list_words = frozenset(terms(names, language))

    def read(self, said: UserUtterance, now: dt.datetime) -> ScheduleQuery:
        text = said.digits
        asked = frozenset(said.terms)
        order = _order(text)
        listing = bool(_LISTING.search(text) or (order and _ONE.search(text)))
        room = _named(self._rooms, asked)
        track = _named(self._tracks, asked) if listing else None
        date, weekday, day_said = self._day(text, now)
        every = weekday is not None and bool(_EVERY.search(text))
        time = find_time(text)
        left = self._left(asked, text.replace(day_said, " ", 1) if day_said else "", room, track)
        topic = tuple(word for word in left if word in self._index)
        wish = ScheduleQuery(
            date=date,
            weekday=weekday,
            every=every,
            between=None if time else part_of_day(text),
            at=self._hour(time) if time else None,
            room=room,
            track=track,
            kind=self._kind(text) if listing else None,
            topic=topic,
            order=order,
            count=bool(_COUNT.search(text)),
            who=bool(_WHO.search(text)),
            subject=bool(left),
        )
        bare = not left and wish.narrow and _OPEN.search(text) and not _PLACED.search(text)
        known = len(topic) == len(left) and (not topic or self._is_topic(text, topic))
        listing = bool(bare) or (listing and known)
        person = bool(topic) and len(topic) == len(left) and self._is_person(topic)
        wish = msgspec.structs.replace(wish, listing=listing, person=person)
        if _NEXT.search(text):
            return self._after(wish, text)
        if _NOW.search(text) and (listing or not left):
            return msgspec.structs.replace(wish, order="now")
        return wish

    def _hour(self, time: Found) -> str:
        """Return the hour in the half of the day that has events: "at three" may be 15:00."""
        at = minutes(str(time.value))
        if time.settled or any(begins <= at < ends for begins, ends in self._spans):
            return str(time.value)
        later = at + DAY // 2
        if any(begins <= later < ends for begins, ends in self._spans):
            return f"{later // 60:02d}:{later % 60:02d}"
        return str(time.value)

    def _day(self, text: str, now: dt.datetime) -> tuple[str | None, int | None, str]:
        """Return a date or a weekday, and the words of a date."""
        if match := _NTH_DAY.search(text):
            word = next(group for group in match.groups() if group)
            number = int(word) - 1 if word.isdigit() else _NTH.get(word, _NTH.get(word[:-1], 1))
            if -1 <= number < len(self._days):
                date, on = self._days[number]
                return (date, None, "") if date else (None, on, "")
        if found := find_date(text, self._index.language, now.date(), weekdays=False):
            return self._dated(str(found.value), found.said), None, found.said
        return None, find_weekday(text, self._index.language), ""

    def _dated(self, date: str, said: str) -> str:
        """Return the programme's own day for a date without a year."""
        if str(date[:4]) in said or not any(word.isdigit() for word in _WORDS.split(said)):
            return date
        same = [d for d, _ in self._days if d and d[5:] == date[5:]]
        return same[0] if same else date

    def _is_topic(self, text: str, topic: tuple[str, ...]) -> bool:
        """Energy, in "talks about energy", or a speaker; not "the language of the talks"."""
        return bool(_ON.search(text)) or self._is_person(topic)

    def _is_person(self, topic: tuple[str, ...]) -> bool:
        return any(set(topic) <= people for people in self._people)

    def _kind(self, text: str) -> str | None:
        """Return the kind of event that the utterance names, if the schedule has it."""
        named = (kind for kind, pattern in _KINDS.items() if pattern.search(text))
        return next((kind for kind in named if kind in self._kinds), None)

    def _left(
        self, asked: frozenset[str], text: str, room: str | None, track: str | None
    ) -> list[str]:
        """Return the stems that name no subject, place or time.

        `text`: the utterance without its date, "" if it has none.
        """
        used = self._rooms.get(room or "", frozenset()) | self._tracks.get(track or "", frozenset())
        # The words of a date are in no topic. Spoken numbers are digits there.
        kept = asked & frozenset(terms(text, self._index.language)) if text else asked
        return sorted(w for w in kept - used - self._list_words if not _DAY_NUMBER.fullmatch(w))

    def _after(self, wish: ScheduleQuery, text: str) -> ScheduleQuery:
        """Return the query for the events after a named event, or after this moment."""
        event = None
        if wish.subject and not _AFTER.search(text):
            return wish  # "the next congress"
        if (match := _AFTER.search(text)) and match[1].strip():
            hits = [h for h in self._index.search(match[1]) if h.chunk.event and h.confidence > 0.5]
            if not hits:
                return wish
            event = hits[0].chunk.event
            wish = msgspec.structs.replace(wish, kind=None)  # that was the event's
        return msgspec.structs.replace(wish, order="next", after=event)


def _order(text: str) -> Literal["first", "last"] | None:
    if _NTH_DAY.search(text):
        return None
    return "first" if _FIRST.search(text) else "last" if _LAST.search(text) else None


def _named(names: dict[str, frozenset[str]], asked: frozenset[str]) -> str | None:
    """Return the longest name whose words all occur."""
    fitting = [name for name, words in names.items() if words and words <= asked]
    return max(fitting, key=lambda name: (len(names[name]), name), default=None)
