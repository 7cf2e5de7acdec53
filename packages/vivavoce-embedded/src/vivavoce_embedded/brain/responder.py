"""The rules of the embedded brain.

The brain answers from the assistant's knowledge, calls its tools, and says so if it does not know.
It has no language model and no state of a call: one responder serves all calls of an assistant.

The rules apply in this order:

1. Report the result of a tool.
2. Continue an open question of the assistant.
3. Take a yes or a no for a tool that waits for it.
4. Call a tool that must be called.
5. Answer small talk.
6. Choose the better of a tool and an answer from the knowledge.

If no rule applies, the brain says that it does not know.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from vivavoce.knowledge.chunks import Chunk
from vivavoce.knowledge.normalize import LANGUAGES
from vivavoce.knowledge.search import KnowledgeIndex
from vivavoce.text import calendar

from . import approvals, dialogue, phrases, preamble, questions, results, slot_filling, slots, tools
from .answers import Answers
from .budget import Budget
from .excerpt import Excerpt
from .language import detect
from .phrases import PHRASES
from .utterance import BrainReply, UserUtterance

EARLIER = 3  # questions that one may lean on,
EARLIER_CHARACTERS = 300  # and of each as much
KNOWN = 2  # subjects, named where the answer is not known
TOPICS = 3  # named in the answer to a request for help


class Responder:
    """`now` gives the local time, for "tomorrow" and "next"; `name` is how it calls itself.

    `fallback`: by language, the way to a person who knows more.
    """

    def __init__(
        self,
        chunks: Iterable[Chunk] = (),
        *,
        languages: Sequence[str] = ("en",),
        name: str = "",
        now: Callable[[], dt.datetime] = dt.datetime.now,
        fallback: Mapping[str, str] | None = None,
    ) -> None:
        known = tuple(chunks)
        bases = dict.fromkeys(language.split("-")[0] for language in languages)
        self._languages = tuple(base for base in bases if base in LANGUAGES) or ("en",)
        self._indexes = {lang: KnowledgeIndex(known, lang) for lang in self._languages}
        self._answers = {lang: Answers(index) for lang, index in self._indexes.items()}
        self._name = name
        self._now = now
        self._fallback = fallback or {}

    def reply(
        self, read: Excerpt, *, now: dt.datetime | None = None, budget: Budget | None = None
    ) -> BrainReply:
        """Return a text or a tool call for any request. It has no effects."""
        reply = self._ruled(read, now or self._now(), budget or Budget())
        return reply if read.forced else approvals.unrepeated(reply, read.waiting)

    def _ruled(self, read: Excerpt, now: dt.datetime, budget: Budget) -> BrainReply:
        talk = read.dialogue
        language = self._usual(read.language, talk)
        if talk.outputs:
            language = detect(talk.asked, self._indexes, language)
            if known := self._instead(talk, language, now):
                return known
            return BrainReply(kind="result", language=language, text=_told(read, language))
        if talk.pictured:
            return self._unseen(read, language, now, budget)
        if not talk.asked:
            words = PHRASES[language]
            unheard = words.still_there if talk.silent else words.again
            text = unheard if talk.unheard else words.hello
            return BrainReply(kind="small", language=language, text=text)
        asked = slot_filling.pending(talk, read.tools, self._languages, now.date(), budget)
        if asked is not None and not read.forced:
            return self._resumed(asked, talk, read.tools, now, budget)
        if reply := approvals.decided(read.waiting, talk.last_said, talk.asked, language):
            return reply
        said = UserUtterance(talk.asked, detect(talk.asked, self._indexes, language))
        if read.forced and (candidate := tools.best(read.tools, said, now.date(), budget)):
            given = asked.arguments if asked and asked.tool.name == candidate.tool.name else {}
            return _forced(candidate, given, said)
        reply = self._judged(said, talk, read.tools, now, budget)
        if not read.waiting:
            return reply
        before = [turn.text for turn in reversed(talk.before) if turn.role == "assistant"]
        bye = phrases.small_talk(said.folded) == "bye"
        return approvals.reminded(reply, read.waiting, before, bye=bye)

    def _unseen(self, read: Excerpt, language: str, now: dt.datetime, budget: Budget) -> BrainReply:
        """Say that images cannot be seen, unless the words beside the image ask for a tool."""
        talk = read.dialogue
        if talk.asked:
            said = UserUtterance(talk.asked, detect(talk.asked, self._indexes, language))
            language = said.language
            reply = self._judged(said, talk, read.tools, now, budget)
            if reply.kind in ("call", "ask"):
                return reply
        return BrainReply(kind="small", language=language, text=PHRASES[language].blind)

    def _resumed(
        self,
        asked: slot_filling.Asked,
        talk: dialogue.Dialogue,
        specs: Sequence[bytes],
        now: dt.datetime,
        budget: Budget,
    ) -> BrainReply:
        """Take an answer to the open question, or answer another one and ask again.

        Any text answers a question for a free text, except the phrase of another tool.
        """
        language = asked.tool.language
        said = UserUtterance(talk.asked, language)
        if slots.is_free(asked.tool.properties[asked.slot]):
            meant = tools.certain(specs, said, now.date(), budget)
            if meant and meant.tool.name != asked.tool.name:
                return slot_filling.call_or_ask(meant.tool, meant.arguments, meant.unsettled)
        if reply := slot_filling.resume(asked, said, now.date(), budget):
            return reply
        again = asked.question
        if questions.is_question(said.folded):
            other = UserUtterance(talk.asked, detect(talk.asked, self._indexes, language))
            answer = self._judged(other, talk, (), now, budget)
            return msgspec.structs.replace(
                answer, kind="ask", text=f"{answer.text} {again}", name=asked.tool.name
            )
        words = PHRASES[language]
        if asked.tries > slot_filling.TRIES:
            return BrainReply(kind="small", language=language, text=words.dropped)
        return BrainReply(
            kind="ask", language=language, text=f"{words.again} {again}", name=asked.tool.name
        )

    def _judged(
        self,
        said: UserUtterance,
        talk: dialogue.Dialogue,
        specs: Sequence[bytes],
        now: dt.datetime,
        budget: Budget,
    ) -> BrainReply:
        answers = self._answers[said.language]
        written = answers.index.asked(said.text)  # an author may say "who are you" differently
        if written is None and (reply := self._small_talk(said, talk, now)):
            return reply
        candidate = tools.best(specs, said, now.date(), budget)
        if candidate and candidate.score >= tools.ENOUGH and _callable(candidate.tool):
            hit = answers.find(said)
            share = 1.0 if questions.is_question(said.folded) else tools.ORDER
            if hit is None or candidate.score >= share * hit.confidence:
                return slot_filling.call_or_ask(
                    candidate.tool, candidate.arguments, candidate.unsettled
                )
        earlier = [
            UserUtterance(text[:EARLIER_CHARACTERS], said.language)
            for text in talk.earlier_asked(EARLIER)
        ]
        if phrases.MORE.match(said.folded):
            return answers.more(talk.last_said, said.language, now) or self._unknown(said)
        for asked in self._readings(said):
            if reply := answers.answer(asked, earlier, talk.last_said, now):
                return reply
        return self._unknown(said)

    def _readings(self, said: UserUtterance) -> Iterator[UserUtterance]:
        """Yield the question inside an utterance, if it has a subject, and then the whole."""
        inner = UserUtterance(preamble.inner(said.text), said.language)
        if (
            inner.text
            and inner.terms
            and not questions.leans(inner.folded)
            and not self._set(said, inner)
        ):
            yield inner
        yield said
        bare = UserUtterance(preamble.bare(said.text), said.language)
        if bare.terms and bare.folded not in (inner.folded, said.folded):
            yield bare

    def _set(self, said: UserUtterance, inner: UserUtterance) -> bool:
        """Return whether the words before a question set its subject: "I have a dog. May I …?"."""
        before = (word for word in said.terms if word not in inner.terms and not word.isdigit())
        return not inner.kinds and any(map(self._indexes[said.language].is_titled, before))

    def _instead(
        self, talk: dialogue.Dialogue, language: str, now: dt.datetime
    ) -> BrainReply | None:
        """Return what the knowledge answers where every tool has failed."""
        if not talk.asked or not all(map(results.is_failure, talk.outputs)):
            return None
        said = UserUtterance(talk.asked, language)
        readings = (self._answers[language].answer(r, (), "", now) for r in self._readings(said))
        return next((reply for reply in readings if reply), None)

    def _unknown(self, said: UserUtterance) -> BrainReply:
        """Say so, name two things that are known, and the way to a person."""
        words = PHRASES[said.language]
        text = words.unknown
        if known := self._answers[said.language].near(said, KNOWN):
            text += f" {words.help.format(topics=phrases.listed(known, words.or_))}"
        if way := self._fallback.get(said.language, ""):
            text += f" {way}"
        score = self._answers[said.language].score(said)
        return BrainReply(kind="unknown", language=said.language, text=text, score=score)

    def _small_talk(
        self, said: UserUtterance, talk: dialogue.Dialogue, now: dt.datetime
    ) -> BrainReply | None:
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
        return BrainReply(kind="small", language=said.language, text=text)

    def _help(self, language: str) -> str:
        words = PHRASES[language]
        topics = self._answers[language].titles(TOPICS)
        if not topics:
            return words.helpless
        return words.help.format(topics=phrases.listed(topics, words.or_))

    def _usual(self, given: str, talk: dialogue.Dialogue) -> str:
        """Return the call's language, or the language of the last message."""
        if given in self._languages:
            return given
        usual = self._languages[0]
        for text in filter(None, (talk.last_said, *talk.earlier_asked(1))):
            usual = detect(text, self._indexes, usual)
        return usual


def _told(read: Excerpt, language: str) -> str:
    """Speak the outputs of tools, and ask one question of the runs that wait for the user."""
    outputs = [each for each in read.dialogue.outputs if approvals.question_of(each) is None]
    said = [results.sentence(output, language) for output in outputs]
    said += [run.question for run in read.waiting[-1:]]
    return " ".join(said) or PHRASES[language].done


def _callable(tool: tools.CallableTool) -> bool:
    """Return whether a user can speak all required arguments of a tool."""
    return all(tool.properties[name].get("type") != "object" for name in tool.required)


def _forced(
    candidate: tools.Candidate, given: dict[str, object], said: UserUtterance
) -> BrainReply:
    """Fill in a call that the client requires: a free text gets the whole utterance."""
    arguments = given | candidate.unsettled | candidate.arguments
    for name in candidate.tool.required:
        if name not in arguments and slots.is_free(candidate.tool.properties[name]):
            arguments[name] = said.text
    return BrainReply(
        kind="call", language=said.language, name=candidate.tool.name, arguments=arguments
    )
