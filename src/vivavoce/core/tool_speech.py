"""Say words while tools of the server run: the filler, and the texts of tools.

A tool may keep the user waiting. When nothing was heard for its `say_after_s`, the assistant says
the filler of the tool, once for all tools of a response. A silence counts from the end of the
user's turn or of the assistant's voice, whichever was later. It never lasts longer than
`SILENCE_S` before a filler of the usual time, even if the brain called the tool late.

While the tools go on, the assistant speaks again after each of the `GAPS_S`: the newest progress
that a tool has reported, otherwise that the work goes on.

The machine knows who speaks. This part keeps the times and the words.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..protocol.items import FunctionCall
from .types import DEFAULT_RULES, NEVER, ToolRules

SILENCE_S = 1.0
"""The silence before a filler. A voice needs up to 0.2 s more, which makes 1.2 s."""

VOICE_S = 0.2  # that a voice needs at most

GAPS_S = (4.0, 6.0, 9.0, 12.0)
"""The silences after the first words, until the next words are heard. The last one repeats."""

SAYINGS = 8  # texts of tools that wait
PROGRESS_CHARACTERS = 200  # of a report, that are spoken
FAREWELL_S = 30.0  # for the rest of the conversation after a tool hung up

ONE_MOMENT: Mapping[str, str] = {
    "en": "One moment, please.",
    "it": "Un momento, per favore.",
    "es": "Un momento, por favor.",
    "de": "Einen Moment, bitte.",
    "fr": "Un instant, s'il vous plaît.",
    "pt": "Um momento, por favor.",
}
"""A filler for tools whose author wrote none, by language."""

STILL_WORKING: Mapping[str, tuple[str, ...]] = {
    "en": ("I'm still working on it.", "It takes a little longer.", "Thank you for waiting."),
    "it": ("Ci sto ancora lavorando.", "Ci vuole ancora un po'.", "Grazie per l'attesa."),
    "es": ("Sigo en ello.", "Tarda un poco más.", "Gracias por esperar."),
    "de": ("Ich bin noch dabei.", "Es dauert noch etwas.", "Danke, dass Sie warten."),
    "fr": ("J'y travaille encore.", "Cela prend encore un peu de temps.", "Merci de patienter."),
    "pt": ("Ainda estou a tratar disso.", "Demora mais um pouco.", "Obrigado por esperar."),
}
"""What is said while tools go on, by language, one after the other."""


@dataclass(frozen=True, slots=True)
class _Running:
    rules: ToolRules
    began: float  # on the machine's clock


class ToolSpeech:
    """The words of one call's tools, and when they are due."""

    def __init__(self, rules: Mapping[str, ToolRules], language: str | None, now: float) -> None:
        """`rules`: of the server's tools, by name. `language`: of the call."""
        self._rules = rules
        self.language = language or ""  # the machine changes it with the call's
        self._running: dict[str, _Running] = {}  # by the id of the tool call
        self._said = 0  # fillers and texts of tools since the last of them began
        self._said_at = now
        self._progress: str | None = None  # the newest report that was not said
        self._user_until = now
        self._voice_until = now
        self._sayings: deque[str] = deque()
        self._farewell_until: float | None = None  # set when a tool hangs up

    # Times

    def begin(self, calls: Sequence[FunctionCall], now: float) -> None:
        """Note that the tools of a response begin. They may have a filler again."""
        for call in calls:
            self._running[call.call_id] = _Running(self._rules.get(call.name, DEFAULT_RULES), now)
        if calls:
            self._said, self._progress = 0, None

    def end(self, call_id: str) -> None:
        """Note that a tool has returned."""
        self._running.pop(call_id, None)
        if not self._running:
            self._progress = None

    def user_acted(self, now: float) -> None:
        """Note the end of the user's turn, from which a silence counts."""
        self._user_until = now

    def voice_until(self, at: float) -> None:
        """Note when the audio of the assistant has been played, or will have been."""
        self._voice_until = at

    def voice_stopped(self, now: float) -> None:
        """Note that no more of the assistant's audio is played."""
        self._voice_until = min(self._voice_until, now)

    def interrupt(self, now: float) -> list[str]:
        """Forget the waiting texts: the user speaks. Return the ids of calls to cancel."""
        self.voice_stopped(now)
        self._sayings.clear()
        return [id for id, each in self._running.items() if each.rules.interrupt == "cancel"]

    # The filler

    def due(self) -> float:
        """Return the time of the next filler, if user and assistant are silent until then."""
        if not self._running:
            return NEVER
        if self._said == 0:
            return min(self._due(each) for each in self._running.values())
        if self._still_working() is None:
            return NEVER
        gap = GAPS_S[min(self._said, len(GAPS_S)) - 1]
        return max(self._user_until, self._voice_until, self._said_at) + gap - VOICE_S

    def filler(self, now: float) -> str:
        """Return the filler that is due."""
        if self._said:
            text = self._still_working() or ""
        else:
            first = min(self._running.values(), key=self._due)
            text = filler_text(first.rules, self.language) or ""
        self._note_words(now)
        return text

    def _note_words(self, now: float) -> None:
        self._said += 1
        self._said_at = now
        self._progress = None

    def _still_working(self) -> str | None:
        """Return what to say while tools go on. None: no tool speaks this language."""
        fillers = (filler_text(each.rules, self.language) for each in self._running.values())
        first = next(filter(None, fillers), None)
        if first is None or self._progress is not None:
            return first and self._progress
        texts = STILL_WORKING.get(self.language.partition("-")[0], (first,))
        return texts[(self._said - 1) % len(texts)]

    def _due(self, running: _Running) -> float:
        if filler_text(running.rules, self.language) is None:
            return NEVER
        silent = max(self._user_until, self._voice_until)
        after = running.rules.say_after_s
        late = silent + max(after, SILENCE_S)
        return max(running.began, min(max(running.began, silent) + after, late))

    # The words of tools

    def say(self, call_id: str, text: str) -> None:
        """Take a text of a running tool for the user. The oldest gives way to the newest."""
        if call_id in self._running and text.strip():
            self._sayings.append(text)
            if len(self._sayings) > SAYINGS:
                self._sayings.popleft()

    def report(self, call_id: str, text: str) -> None:
        """Take the progress of a running tool. The second filler and later ones say it."""
        running = self._running.get(call_id)
        if running and running.rules.show and running.rules.say and text.strip():
            self._progress = text.strip()[:PROGRESS_CHARACTERS]

    def next_saying(self, now: float) -> str | None:
        """Return the text to say now. The user is not waiting in silence then."""
        if not self._sayings:
            return None
        self._note_words(now)
        return self._sayings.popleft()

    # The end of the call

    def hang_up(self, call_id: str, now: float) -> None:
        """Note that a running tool ends the call."""
        if call_id in self._running and self._farewell_until is None:
            self._farewell_until = now + FAREWELL_S

    @property
    def hangs_up(self) -> bool:
        """True if a tool ends the call, now or after the words that follow."""
        return self._farewell_until is not None

    def ends_at(self, *, busy: bool) -> float:
        """Return when the call ends because a tool hung up. `busy`: more words follow."""
        if self._farewell_until is None:
            return NEVER
        if busy or self._running or self._sayings:
            return self._farewell_until
        return min(self._voice_until, self._farewell_until)


def filler_text(rules: ToolRules, language: str) -> str | None:
    """Return the filler of a tool in this language. None: it has none that the user understands."""
    if not rules.say:
        return None
    base = language.partition("-")[0]
    for table in (rules.say, ONE_MOMENT):
        for key in (language, base, "*"):
            if text := table.get(key):
                return text
    return None
