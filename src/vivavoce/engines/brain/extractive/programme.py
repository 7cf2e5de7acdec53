"""Questions about a programme that are not about one of its events: lists, first, next, now.

"What talks are on Tuesday?", "who is in room B this afternoon?", "what comes after the keynote?"
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from ....knowledge import calendar
from ....knowledge.chunks import Event
from ....knowledge.programme import day, hours, place, sentence, speakers
from ....knowledge.search import Index
from ....knowledge.words import terms
from .dates import find_date, find_time, find_weekday, part_of_day
from .phrases import PHRASES
from .results import shortened
from .utterance import Utterance

_LISTING = re.compile(
    r"\b(talks|sessions|workshops|lectures|presentations|events|panels|programme?|agenda|schedule|"
    r"timetable|happening|happens|going on|what is on|what s on|what's on|what is there|"
    r"(interventi|sessioni|presentazioni|conferenze|relazioni|eventi|talk|workshop|programma|"
    r"in programma|che c'e|cosa c'e|cosa succede)|"
    r"(charlas|sesiones|ponencias|presentaciones|conferencias|talleres|eventos|programa|que hay|"
    r"que pasa))\b"
)
_FIRST = re.compile(r"\b(first|prim[oa]|primer)\b")
_LAST = re.compile(r"\b(last|final|ultim[oa])\b")
_NEXT = re.compile(
    r"\b(what('s| is| s|) next|(is|comes|what s|what's|happens) after|next (talk|session|event|"
    r"one)|prossim[oa]|cosa (c'e|viene) dopo|che (c'e|viene) dopo|dopo (il|la|lo|l'|i)|"
    r"siguiente|proxim[oa]|que (hay|viene) (despues|luego)|despues (de|del))\b"
)
_AFTER = re.compile(r"\b(?:after|dopo|despues (?:de|del))\b(.*)$")
_NOW = re.compile(
    r"\b(right now|now|at the moment|adesso|ora|in questo momento|ahora|en este momento)\b"
)
_COUNT = re.compile(r"\b(how many|quant[ie]|cuant[oa]s)\b")
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
    "hoy manana morning afternoon evening mattina pomeriggio sera tarde noche day giorno dia "
    "second third secondo terzo segundo tercer now adesso ora ahora right moment momento going "
    "number track"
)


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the events must be. None does not matter."""

    date: str | None = None
    weekday: int | None = None
    between: tuple[str, str] | None = None
    at: str | None = None
    room: str | None = None
    track: str | None = None
    topic: tuple[str, ...] = ()
    order: Literal["first", "last", "next", "now"] | None = None
    after: Event | None = None
    count: bool = False

    @property
    def narrow(self) -> bool:
        return any((self.date, self.weekday is not None, self.between, self.room, self.track))


class Programme:
    """The events of an assistant in one language."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.events = sorted((chunk.event for chunk in index.chunks if chunk.event), key=_order)
        self._rooms = {e.room: frozenset(terms(e.room, index.language)) for e in self.events}
        self._tracks = {e.track: frozenset(terms(e.track, index.language)) for e in self.events}
        self._days = list(dict.fromkeys((e.date, e.weekday) for e in self.events))
        self._list_words = frozenset(terms(_LIST_WORDS, index.language))

    def answer(self, said: Utterance, earlier: Utterance | None, now: dt.datetime) -> str | None:
        """A list, or None if the question is not for one. `earlier`: the question it leans on."""
        if not self.events:
            return None
        wish, left, listing = self.wish(said, now)
        if earlier is not None and (wish.narrow or wish.at) and not left and not listing:
            old, _, was_listing = self.wish(earlier, now)
            if was_listing:
                changed = {f: getattr(wish, f) or getattr(old, f) for f in Wish.__struct_fields__}
                if wish.date or wish.weekday is not None:
                    changed |= {"date": wish.date, "weekday": wish.weekday}
                wish, listing = Wish(**changed), True
        if wish.order in ("next", "now"):
            return self._next(wish, said.language, now)
        if not listing or not (wish.narrow or wish.at or wish.order or wish.topic or wish.count):
            return None
        found = self._found(wish)
        if not found:
            return None if left else PHRASES[said.language].nothing_on
        if wish.order:
            return sentence(found[0 if wish.order == "first" else -1], said.language)
        return self._say(found, wish, said.language)

    def wish(self, said: Utterance, now: dt.datetime) -> tuple[Wish, list[str], bool]:
        """What a question wants; its words that say neither what nor when; does it want a list?"""
        text, language = said.digits, said.language
        asked = frozenset(said.terms)
        room = _named(self._rooms, asked)
        nth = self._nth_day(text)
        weekday = find_weekday(text, language)
        date = None if weekday is not None else find_date(text, language, now.date())
        if nth:
            date_iso, weekday = nth[0] or None, None if nth[0] else nth[1]
        else:
            date_iso = str(date.value) if date else None
        time = find_time(text)
        listing = bool(_LISTING.search(text))
        track = _named(self._tracks, asked) if listing else None
        left = self._left(asked, text, room, track)
        known = tuple(word for word in left if word in self.index)
        first, last = bool(_FIRST.search(text)) and not nth, bool(_LAST.search(text)) and not nth
        wish = Wish(
            date=date_iso,
            weekday=weekday,
            between=part_of_day(text) if not time else None,
            at=str(time.value) if time else None,
            room=room,
            track=track,
            topic=known,
            order="first" if first else "last" if last else None,
            count=bool(_COUNT.search(text)),
        )
        if _NEXT.search(text):
            wish = self._after(wish, text)
        elif _NOW.search(text) and (listing or not left):
            wish = msgspec.structs.replace(wish, order="now")
        bare = not left and wish.narrow
        return wish, left, (listing and len(known) == len(left)) or (
            bare and bool(re.search(r"\b(what|which|che|cosa|quali|que|cuales|who|chi)\b", text))
            and not re.search(r"\b(where|when|dove|quando|donde|cuando)\b", text)
        )  # fmt: skip

    def _left(
        self, asked: frozenset[str], text: str, room: str | None, track: str | None
    ) -> list[str]:
        used = self._rooms.get(room or "", frozenset()) | self._tracks.get(track or "", frozenset())
        days = terms(" ".join((*calendar.WEEKDAYS[self.index.language],)), self.index.language)
        months = terms(" ".join(calendar.MONTHS[self.index.language]), self.index.language)
        out = used | self._list_words | frozenset(days) | frozenset(months)
        clock = frozenset(terms(text, self.index.language))  # spoken numbers are digits there
        return [w for w in sorted(asked - out) if w in clock and not w.isdigit()]

    def _nth_day(self, text: str) -> tuple[str, int] | None:
        match = _NTH_DAY.search(text)
        if not match:
            return None
        word = next(group for group in match.groups() if group)
        number = int(word) - 1 if word.isdigit() else _NTH.get(word, _NTH.get(word[:-1], 1))
        return self._days[number] if -1 <= number < len(self._days) else None

    def _after(self, wish: Wish, text: str) -> Wish:
        event = None
        if (match := _AFTER.search(text)) and match[1].strip():
            hits = [h for h in self.index.search(match[1]) if h.chunk.event and h.confidence > 0.5]
            if not hits:
                return wish
            event = hits[0].chunk.event
        return msgspec.structs.replace(wish, order="next", after=event)

    def _found(self, wish: Wish) -> list[Event]:
        found = [event for event in self.events if _fits(event, wish)]
        if wish.topic:
            language = self.index.language
            hits = self.index.search(" ".join(wish.topic), limit=len(self.index.chunks))
            near = {h.chunk.event for h in hits if h.chunk.event and h.confidence > 0.6}
            return [
                e for e in found
                if e in near or set(wish.topic) <= set(terms(f"{e.title} {e.speaker}", language))
            ]  # fmt: skip
        return found

    def _next(self, wish: Wish, language: str, now: dt.datetime) -> str | None:
        """What follows an event, or what is on at this moment or next."""
        today, clock = now.date().isoformat(), now.strftime("%H:%M")
        if wish.after is not None:
            day_, clock = (wish.after.date, wish.after.weekday), wish.after.end or wish.after.start
            later = [e for e in self.events if (e.date, e.weekday) == day_ and e.start >= clock]
            later = [e for e in later if e != wish.after]
        elif wish.order == "now":
            later = [e for e in self.events if _is_on(e, today, now.weekday())
                     and e.start <= clock < (e.end or e.start)]  # fmt: skip
            return self._say(later, wish, language) if later else PHRASES[language].nothing_on
        else:
            later = [e for e in self.events if (_is_on(e, today, now.weekday()) and e.start > clock)
                     or e.date > today]  # fmt: skip
        later = [e for e in later if _fits(e, msgspec.structs.replace(wish, between=None, at=None))]
        if not later:
            return PHRASES[language].nothing_on
        first = later[0]
        same = [e for e in later if (e.date, e.weekday, e.start) == _order(first)[:3]]
        return self._say(same, wish, language)

    def _say(self, found: Sequence[Event], wish: Wish, language: str) -> str:
        if len(found) == 1:
            return sentence(found[0], language)
        one_day = len({(e.date, e.weekday) for e in found}) == 1
        when: Callable[[Event], str] = lambda e: calendar.say_time(e.start, language)  # noqa: E731
        entries = []
        for e in found:
            where = "" if wish.room else place(e, language)
            on = "" if one_day else day(e, language)
            entries.append(" ".join(filter(None, (e.title, on, when(e), where))))
        said = shortened(entries, language)
        head = day(found[0], language) if one_day else ""
        if wish.count:
            number = {"en": "There are {n}", "it": "Ce ne sono {n}", "es": "Hay {n}"}[language]
            head = f"{number.format(n=len(found))} {head}".strip()
        return f"{head[:1].upper()}{head[1:]}: {said}." if head else f"{said}."


def about(event: Event, kinds: Sequence[str], language: str) -> str:
    """One event, and of it what was asked for."""
    title, who = event.title, speakers(event, language)
    is_ = {"en": "is", "it": "è", "es": "es"}[language]
    match kinds[0] if kinds else "":
        case "who" if who:
            several = who != event.speaker.strip()
            by = {
                "en": "The speakers of {t} are {w}" if several else "The speaker of {t} is {w}",
                "it": "{t}: parlano {w}" if several else "{t}: parla {w}",
                "es": "{t}: hablan {w}" if several else "{t}: habla {w}",
            }[language]
            start = f"{day(event, language)} {calendar.say_time(event.start, language)}"
            return f"{by.format(t=title, w=who)}, {start}."
        case "where" if event.room:
            start = f"{day(event, language)} {calendar.say_time(event.start, language)}"
            return f"{title} {is_} {place(event, language)}, {start}."
        case "when" | "end":
            where = place(event, language)
            return f"{title} {is_} {' '.join(filter(None, (hours(event, language), where)))}."
        case "who" | "where" | "cost":
            return ""
        case _:
            return sentence(event, language)


def _order(event: Event) -> tuple[str, int, str, str, str]:
    return event.date, event.weekday, event.start, event.room, event.title


def _is_on(event: Event, today: str, weekday: int) -> bool:
    return event.date == today if event.date else event.weekday == weekday


def _fits(event: Event, wish: Wish) -> bool:
    if wish.date is not None:
        weekday = dt.date.fromisoformat(wish.date).weekday()
        if not _is_on(event, wish.date, weekday):
            return False
    if wish.weekday is not None and event.weekday != wish.weekday:
        return False
    if wish.between and not wish.between[0] <= event.start < wish.between[1]:
        return False
    if wish.at and not event.start <= wish.at < (event.end or f"{event.start}~"):
        return False
    return wish.room in (None, event.room) and wish.track in (None, event.track)


def _named(names: dict[str, frozenset[str]], asked: frozenset[str]) -> str | None:
    """The name whose words were all said; of several the longest."""
    fitting = [name for name, words in names.items() if words and words <= asked]
    return max(fitting, key=lambda name: (len(names[name]), name), default=None)
