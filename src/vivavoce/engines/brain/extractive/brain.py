"""The embedded brain: answers from what the assistant knows, calls its tools, and says so when it
does not know. No language model, no state of a call: one brain serves all calls of an assistant.

The order of judgement: a tool's result is told; a question of ours that is open comes first; a
tool that must be called is called; small talk is answered; then the better of a tool and an answer
wins, and with neither the brain says that it does not know.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence

import msgspec

from ....core.values import ToolSpec
from ....knowledge import calendar
from ....knowledge.chunks import Chunk
from ....knowledge.search import Index
from ....knowledge.words import LANGUAGES
from ....protocol.items import FunctionCall
from ...base import Cut, Question, Thought
from . import asking, dialogue, phrases, questions, results, tools
from .answers import Answers, titles
from .language import detect
from .phrases import PHRASES
from .usage import tokens, usage
from .utterance import Reply, Utterance

TOOLS = 64  # that are looked at; more are passed over
EARLIER = 3  # questions that one may lean on
TOPICS = 3  # named when somebody asks for help

_PIECE = re.compile(r"\S+\s*")


class ExtractiveBrain:
    """`now` gives the local time, for "tomorrow" and "next"; `name` is how it calls itself."""

    def __init__(
        self,
        chunks: Iterable[Chunk] = (),
        *,
        languages: Sequence[str] = ("en",),
        name: str = "",
        now: Callable[[], dt.datetime] = dt.datetime.now,
    ) -> None:
        known = tuple(chunks)
        bases = dict.fromkeys(language.split("-")[0] for language in languages)
        self._languages = tuple(base for base in bases if base in LANGUAGES) or ("en",)
        self._indexes = {lang: Index(known, lang) for lang in self._languages}
        self._answers = {lang: Answers(index) for lang, index in self._indexes.items()}
        self._name = name
        self._now = now

    async def generate(self, question: Question) -> AsyncGenerator[Thought, None]:
        """Word by word. A limit on output tokens cuts the text, never a tool call."""
        reply = self.reply(question)
        said = ""
        if reply.kind == "call":
            arguments = msgspec.json.encode(reply.arguments).decode()
            call_id = f"call_{secrets.token_hex(8)}"
            yield FunctionCall(name=reply.name, call_id=call_id, arguments=arguments)
            said = f"{reply.name} {arguments}"
        for piece in _PIECE.findall(reply.text):
            most = question.max_output_tokens
            if most is not None and tokens(said + piece) > most:
                yield Cut("max_output_tokens")
                break
            said += piece
            yield piece
        yield usage(question, said)

    def reply(self, question: Question) -> Reply:
        """What to say or to call. Pure but for the clock."""
        talk = dialogue.read(question.history)
        language = self._usual(question, talk)
        if talk.outputs:
            language = detect(talk.asked, self._indexes, language)
            text = " ".join(results.sentence(output, language) for _, output in talk.outputs)
            return Reply(kind="result", language=language, text=text)
        if not talk.asked:
            words = PHRASES[language]
            text = words.again if talk.unheard else words.hello
            return Reply(kind="small", language=language, text=text)
        now = self._now()
        specs, forced = _choice(question)
        asked = asking.pending(talk, specs, self._languages, now.date())
        if asked is not None and not forced:
            return self._resumed(asked, talk, now)
        said = Utterance(talk.asked, detect(talk.asked, self._indexes, language))
        if forced and (candidate := tools.best(specs, said, now.date())):
            given = asked.arguments if asked and asked.tool.name == candidate.tool.name else {}
            return _forced(candidate, given, said)
        return self._judged(said, talk, specs, now)

    def _resumed(self, asked: asking.Asked, talk: dialogue.Dialogue, now: dt.datetime) -> Reply:
        """An answer to our question; or another question: answer it, then ask ours again."""
        language = asked.tool.language
        said = Utterance(talk.asked, language)
        if reply := asking.resume(asked, said, now.date()):
            return reply
        again = asking.ask(asked.tool, asked.slot)
        if questions.is_question(said.folded):
            other = Utterance(talk.asked, detect(talk.asked, self._indexes, language))
            answer = self._judged(other, talk, (), now)
            return msgspec.structs.replace(
                answer, kind="ask", text=f"{answer.text} {again}", name=asked.tool.name
            )
        words = PHRASES[language]
        if asked.tries > asking.TRIES:
            return Reply(kind="small", language=language, text=words.dropped)
        return Reply(
            kind="ask", language=language, text=f"{words.again} {again}", name=asked.tool.name
        )

    def _judged(
        self,
        said: Utterance,
        talk: dialogue.Dialogue,
        specs: tuple[ToolSpec, ...],
        now: dt.datetime,
    ) -> Reply:
        answers = self._answers[said.language]
        written = answers.index.asked(said.text)  # an author may say "who are you" differently
        if written is None and (reply := self._small_talk(said, talk, now)):
            return reply
        candidate = tools.best(specs, said, now.date())
        if candidate and candidate.score >= tools.ENOUGH and _callable(candidate.tool):
            hit = answers.find(said)
            share = 1.0 if questions.is_question(said.folded) else tools.ORDER
            if hit is None or candidate.score >= share * hit.confidence:
                return asking.call_or_ask(candidate.tool, candidate.arguments)
        earlier = [Utterance(text, said.language) for text in talk.earlier_asked(EARLIER)]
        if phrases.MORE.match(said.folded):
            reply = answers.more(talk.last_said, said.language)
        else:
            reply = answers.answer(said, earlier, talk.last_said, now)
        if reply is None:
            text = PHRASES[said.language].unknown
            return Reply(kind="unknown", language=said.language, text=text)
        return reply

    def _small_talk(
        self, said: Utterance, talk: dialogue.Dialogue, now: dt.datetime
    ) -> Reply | None:
        words = PHRASES[said.language]
        match phrases.small_talk(said.folded):
            case None:
                return None
            case "repeat":
                text = talk.last_said or words.nothing_said
            case "name":
                name = words.name.format(name=self._name) if self._name else words.nameless
                text = f"{name} {self._help(said.language)}"
            case "clock":
                text = words.it_is.format(what=calendar.clock(f"{now:%H:%M}", said.language))
            case "today":
                date = calendar.say_date(now.date(), said.language)
                text = words.it_is.format(what=date.removeprefix("on ").removeprefix("el "))
            case "help":
                text = self._help(said.language)
            case kind:
                text = str(getattr(words, kind))
        return Reply(kind="small", language=said.language, text=text)

    def _help(self, language: str) -> str:
        words = PHRASES[language]
        topics = titles(self._indexes[language], TOPICS)
        if not topics:
            return words.helpless
        return words.help.format(topics=phrases.listed(topics, words.or_))

    def _usual(self, question: Question, talk: dialogue.Dialogue) -> str:
        """The call's language; without one, what was spoken last."""
        given = (question.language or "").split("-")[0].lower()
        if given in self._languages:
            return given
        usual = self._languages[0]
        for text in (talk.last_said, *talk.earlier_asked(1)):
            usual = detect(text, self._indexes, usual)
        return usual


def _choice(question: Question) -> tuple[tuple[ToolSpec, ...], bool]:
    """The tools that may be called, and whether one must be (`tool_choice` of the protocol)."""
    specs, choice = question.tools[:TOOLS], question.tool_choice
    if isinstance(choice, dict):
        inner = choice.get("function")
        name = choice.get("name") or (inner.get("name") if isinstance(inner, dict) else None)
        named = tuple(spec for spec in specs if spec.name == name)
        return (named, True) if named else (specs, False)
    return ((), False) if choice == "none" else (specs, choice == "required" and bool(specs))


def _callable(tool: tools.Tool) -> bool:
    """Could its required arguments be spoken at all?"""
    return all(tool.properties[name].get("type") != "object" for name in tool.required)


def _forced(candidate: tools.Candidate, given: dict[str, object], said: Utterance) -> Reply:
    """The client wants a call, no question: free text gets what was said, the rest is left out."""
    arguments = given | candidate.arguments
    for name in candidate.tool.required:
        if name not in arguments and tools.is_free(candidate.tool.properties[name]):
            arguments[name] = said.text
    return Reply(kind="call", language=said.language, name=candidate.tool.name, arguments=arguments)
