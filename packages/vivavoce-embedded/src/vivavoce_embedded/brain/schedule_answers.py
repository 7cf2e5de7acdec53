"""Questions about a programme: lists, first, next, now; and one event, by what was asked of it.

"What talks are on Tuesday?", "who is in room B this afternoon?", "what comes after the keynote?"
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import msgspec

from vivavoce.knowledge.chunks import ScheduleEvent
from vivavoce.knowledge.normalize import terms
from vivavoce.knowledge.schedule import day, hours, place, sentence, speakers, verb
from vivavoce.knowledge.search import KnowledgeIndex
from vivavoce.text import calendar
from vivavoce.text.clock import DAY, minutes, span

from .phrases import PHRASES
from .questions import asks_topic
from .results import shortened
from .schedule_query import ScheduleQuery, ScheduleQueryParser
from .utterance import UserUtterance

_THERE_ARE = {"en": "There are {n}", "it": "Ce ne sono {n}", "es": "Hay {n}"}
ABOUT = 0.6  # confidence from which an event is about a topic


class Programme:
    """The events of an assistant in one language."""

    def __init__(self, index: KnowledgeIndex) -> None:
        self.index = index
        known = (chunk.event for chunk in index.chunks if chunk.event)
        # A cancelled event is in no list. Its own chunk says that it is cancelled.
        self.events = sorted((event for event in known if not event.status), key=_order)
        self._wishes = ScheduleQueryParser(index, self.events)

    def answer(
        self, said: UserUtterance, earlier: Sequence[UserUtterance], now: dt.datetime
    ) -> str | None:
        """Return a list, or None if the question asks for none. `earlier`: the last questions."""
        if not self.events or asks_topic(said.folded):
            return None
        wish = self._wishes.read(said, now)
        if wish.changes:
            wish = self._continued(wish, earlier, now) or wish
        if wish.order in ("next", "now"):
            return self._next(wish, said.language, now)
        if wish.person and len(spoken := self._spoken_by(wish)) > 1:
            return self._say(spoken, wish, said.language, now)
        if not wish.listing or not (wish.narrow or wish.order or wish.topic or wish.count):
            return None
        found = self._found(wish, now)
        if not found:
            return None if wish.subject else PHRASES[said.language].nothing_on
        if wish.order:
            return sentence(found[0 if wish.order == "first" else -1], said.language, now)
        return self._say(found, wish, said.language, now)

    def _continued(
        self, wish: ScheduleQuery, earlier: Sequence[UserUtterance], now: dt.datetime
    ) -> ScheduleQuery | None:
        """Apply this change to the query of the last questions."""
        begun: ScheduleQuery | None = None
        for question in earlier:
            before = self._wishes.read(question, now)
            if before.listing:
                begun = before
            else:
                begun = begun.changed(before) if begun and before.changes else None
        return begun.changed(wish) if begun else None

    def _found(self, wish: ScheduleQuery, now: dt.datetime) -> list[ScheduleEvent]:
        found = _nearest([e for e in self.events if _fits(e, wish)], wish, now)
        if not wish.topic:
            return found
        hits = self.index.search(" ".join(wish.topic), limit=len(self.index.chunks))
        near = {hit.chunk.event for hit in hits if hit.confidence > ABOUT}
        return [event for event in found if event in near]

    def _spoken_by(self, wish: ScheduleQuery) -> list[ScheduleEvent]:
        """Return all events of one speaker: "When does she speak?" may have several answers."""
        language, topic = self.index.language, set(wish.topic)
        return [
            event
            for event in self.events
            if topic <= set(terms(event.speaker, language)) and _fits(event, wish)
        ]

    def _next(self, wish: ScheduleQuery, language: str, now: dt.datetime) -> str:
        """Return the events after an event, or at this moment, or next."""
        if wish.after is not None:
            later = self._following(wish.after)
        elif wish.order == "now":
            later = [event for event in self.events if _is_at(event, now)]
        else:
            later = [event for event in self.events if _is_to_come(event, now)]
        somewhere = msgspec.structs.replace(wish, between=None, at=None)
        later = [event for event in later if _fits(event, somewhere)]
        if wish.order == "next":
            later = [event for event in later if _order(event)[:3] == _order(later[0])[:3]]
        return self._say(later, wish, language, now) if later else PHRASES[language].nothing_on

    def _following(self, event: ScheduleEvent) -> list[ScheduleEvent]:
        """Return the rest of an event's day."""
        _, ends = span(event.start, event.end)
        same_day = [e for e in self.events if (e.date, e.weekday) == (event.date, event.weekday)]
        return [e for e in same_day if minutes(e.start) >= ends and e != event]

    def _say(
        self, found: Sequence[ScheduleEvent], wish: ScheduleQuery, language: str, now: dt.datetime
    ) -> str:
        if len(found) == 1:
            return sentence(found[0], language, now)
        one_day = len({(e.date, e.weekday) for e in found}) == 1
        entries = []
        for event in found:
            if what := speakers(event, language) if wish.who else event.title:
                on = "" if one_day else day(event, language, now)
                where = "" if wish.room else place(event, language)
                at = calendar.say_time(event.start, language)
                entries.append(" ".join(filter(None, (what, on, at, where))))
        said = shortened(entries, language)
        head = day(found[0], language, now) if one_day else ""
        if wish.count:
            head = f"{_THERE_ARE[language].format(n=len(found))} {head}".strip()
        return f"{head[:1].upper()}{head[1:]}: {said}." if head else f"{said}."


def about(event: ScheduleEvent, wanted: Sequence[str], language: str, now: dt.datetime) -> str:
    """One event, and of it what was asked for."""
    if event.status:
        return sentence(event, language, now)
    if "date" in wanted and event.date:
        on = dt.date.fromisoformat(event.date)
        at = calendar.say_time(event.start, language)
        said = calendar.say_date(on, language, year=on.year != now.year)
        parts = (event.title, verb(event, language, now), said, at, place(event, language))
        return f"{' '.join(filter(None, parts))}."
    title, who = event.title, speakers(event, language)
    is_ = verb(event, language, now)
    match wanted[0] if wanted else "":
        case "who" if who:
            several = who != event.speaker.strip()
            by = {
                "en": "The speakers of {t} are {w}" if several else "The speaker of {t} is {w}",
                "it": "{t}: parlano {w}" if several else "{t}: parla {w}",
                "es": "{t}: hablan {w}" if several else "{t}: habla {w}",
            }[language]
            start = f"{day(event, language, now)} {calendar.say_time(event.start, language)}"
            return f"{by.format(t=title, w=who)}, {start}."
        case "where" if event.room:
            start = f"{day(event, language, now)} {calendar.say_time(event.start, language)}"
            return f"{title} {is_} {place(event, language)}, {start}."
        case "when" | "end":
            where = place(event, language)
            return f"{title} {is_} {' '.join(filter(None, (hours(event, language, now), where)))}."
        case "who" | "where" | "cost":
            return ""
        case _:
            return sentence(event, language, now)


def _nearest(
    events: list[ScheduleEvent], wish: ScheduleQuery, now: dt.datetime
) -> list[ScheduleEvent]:
    """Keep the next Wednesday with events, otherwise the last one; "Wednesdays" keeps all."""
    dates = {event.date for event in events}
    if wish.weekday is None or wish.every or len(dates) < 2 or "" in dates:
        return events
    today = now.date().isoformat()
    wanted = min((date for date in dates if date >= today), default=max(dates))
    return [event for event in events if event.date == wanted]


def _order(event: ScheduleEvent) -> tuple[str, int, str, str, str]:
    return event.date, event.weekday, event.start, event.room, event.title


def _is_on(event: ScheduleEvent, today: str, weekday: int) -> bool:
    return event.date == today if event.date else event.weekday == weekday


def _is_at(event: ScheduleEvent, now: dt.datetime) -> bool:
    """Return whether an event takes place now. It may have begun the evening before."""
    begins, ends = span(event.start, event.end)
    minute = now.hour * 60 + now.minute
    return any(
        begins <= minute + days * DAY < ends and _is_on(event, day.isoformat(), day.weekday())
        for days in (0, 1)
        for day in [now.date() - dt.timedelta(days)]
    )


def _is_to_come(event: ScheduleEvent, now: dt.datetime) -> bool:
    today = now.date().isoformat()
    if event.date > today:
        return True
    minute = now.hour * 60 + now.minute
    return _is_on(event, today, now.weekday()) and minutes(event.start) > minute


def _fits(event: ScheduleEvent, wish: ScheduleQuery) -> bool:
    if not _fits_day(event, wish):
        return False
    if wish.between:
        first, last = map(minutes, wish.between)
        if not first <= minutes(event.start) < last:
            return False
    exact = ((wish.room, event.room), (wish.track, event.track), (wish.kind, event.kind))
    return all(wanted in (None, is_) for wanted, is_ in exact)


def _fits_day(event: ScheduleEvent, wish: ScheduleQuery) -> bool:
    """Compare day and time. At half past midnight, an event of the evening before may go on."""
    if not wish.at:
        return _is_wanted(event, wish, 0)
    begins, ends = span(event.start, event.end)
    at = minutes(wish.at)
    ends = max(ends, begins + 1)  # without an end, only at its start
    return any(
        begins <= at + days * DAY < ends and _is_wanted(event, wish, days) for days in (0, 1)
    )


def _is_wanted(event: ScheduleEvent, wish: ScheduleQuery, days: int) -> bool:
    """Return whether the day is right, `days` after the event began."""
    if wish.date is not None:
        day = dt.date.fromisoformat(wish.date) - dt.timedelta(days)
        if not _is_on(event, day.isoformat(), day.weekday()):
            return False
    return wish.weekday is None or (event.weekday + days) % 7 == wish.weekday
