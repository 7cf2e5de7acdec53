from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import msgspec
import pytest

from vivavoce.core.effects import Listen, Respond
from vivavoce.core.inputs import CutShort, OutputChunk, ToolRequested
from vivavoce.core.types import ToolSpec
from vivavoce.engines.base import (
    AudioChunk,
    Brain,
    GenerateOutput,
    GenerateRequest,
    GenerationCut,
    TextToSpeech,
    VoiceRequest,
)
from vivavoce.engines.cascade import SENTENCES_AHEAD, Cascade
from vivavoce.engines.passages import PassageSearch
from vivavoce.errors import EngineError
from vivavoce.knowledge.base import KnowledgeUse, Passage
from vivavoce.protocol.config import ChosenFunction, FunctionTool, McpTool, SessionConfig
from vivavoce.protocol.items import FunctionCall, Item, Message, Part
from vivavoce.protocol.server import Usage

from ..support.fakes import FakeBrain, FakeStt, FakeTts, now
from ..support.virtual_time import live

REQUEST = Respond("resp_1", SessionConfig(), ())
TEXT = Respond("resp_1", SessionConfig(output_modalities=("text",)), ())
CALL = FunctionCall(call_id="c1", name="lookup", arguments="{}")

Emitted = list[tuple[float, OutputChunk | ToolRequested | CutShort]]


@dataclass
class Thinker:
    """Thinks of one thing after the other, each after a while."""

    thoughts: Sequence[GenerateOutput]
    each_s: float = 0.0
    asked: list[GenerateRequest] = field(default_factory=list)

    async def generate(self, question: GenerateRequest) -> AsyncGenerator[GenerateOutput, None]:
        self.asked.append(question)
        for thought in self.thoughts:
            await asyncio.sleep(self.each_s)
            yield thought


def emitted(
    brain: Brain,
    tts: TextToSpeech | None = None,
    request: Respond = REQUEST,
    *,
    cascade: Cascade | None = None,
) -> tuple[Emitted, Usage]:
    events: Emitted = []

    async def emit(event: OutputChunk | ToolRequested | CutShort) -> None:
        events.append((now(), event))

    cascade = cascade or Cascade(FakeStt(), brain, tts or FakeTts())
    usage = live(cascade.respond(request, emit))
    return events, usage


def respond(brain: Brain, tts: TextToSpeech) -> list[OutputChunk | ToolRequested | CutShort]:
    return [event for _, event in emitted(brain, tts)[0]]


def test_every_word_is_spoken_once_and_in_order() -> None:
    events = respond(FakeBrain(["It is ", "noon. ", "Time for lunch"]), FakeTts(chunks=3))
    assert [e.text for e in events if isinstance(e, OutputChunk) and e.text] == [
        "It is noon. ",
        "Time for lunch",
    ]


def test_the_brain_is_only_a_few_sentences_ahead_of_the_voice() -> None:
    written = 0

    class Chatterbox(FakeBrain):
        async def generate(
            self, question: GenerateRequest
        ) -> AsyncGenerator[str | FunctionCall | Usage, None]:
            nonlocal written
            for _ in range(50):
                written += 1
                yield "And another thing. "

    tts = FakeTts(chunks=1)
    ahead: list[int] = []

    async def emit(event: OutputChunk | ToolRequested | CutShort) -> None:
        ahead.append(written - tts.made)

    live(Cascade(FakeStt(), Chatterbox([]), tts).respond(REQUEST, emit))
    assert max(ahead) <= SENTENCES_AHEAD + 3  # one at the client, one in the voice, one between


def test_the_first_sentence_is_spoken_before_the_last_is_written() -> None:
    brain = Thinker(["One. ", "Two. ", "Three. "], each_s=1.0)
    events, _ = emitted(brain, FakeTts(first_audio_s=0.1, chunks=1))
    assert [at for at, _ in events] == pytest.approx([1.1, 2.1, 3.1])


def test_the_next_sentence_is_ready_when_one_has_been_spoken() -> None:
    """A voice that takes a second to begin is waited for once."""
    tts = FakeTts(first_audio_s=1.0, chunks=1)
    events, _ = emitted(Thinker(["One. Two. Three. "]), tts)
    assert [at for at, _ in events] == pytest.approx([1.0, 1.0, 2.0], abs=0.1)


def test_without_a_voice_text_goes_out_as_it_comes_to_mind() -> None:
    tts = FakeTts()
    events, _ = emitted(Thinker(["It ", "is no", "on."], each_s=0.1), tts, TEXT)
    assert events == [
        (0.1, OutputChunk("resp_1", "It ")),
        (0.2, OutputChunk("resp_1", "is no")),
        (0.3, OutputChunk("resp_1", "on.")),
    ]
    assert tts.made == 0


@pytest.mark.parametrize("request_", [REQUEST, TEXT], ids=["aloud", "in text"])
def test_calls_keep_their_place_among_the_words(request_: Respond) -> None:
    events, _ = emitted(Thinker(["Let me see", CALL, "There."]), FakeTts(chunks=1), request_)
    assert [e.text if isinstance(e, OutputChunk) else e for _, e in events] == [
        "Let me see",
        ToolRequested("resp_1", CALL),
        "There.",
    ]


def test_a_greeting_is_spoken_without_a_thought() -> None:
    brain = Thinker(["never"])
    request = Respond("resp_1", SessionConfig(), (), verbatim="Hello. How can I help?")
    events, usage = emitted(brain, FakeTts(chunks=1), request)
    assert [e.text for _, e in events if isinstance(e, OutputChunk)] == [
        "Hello. ",
        "How can I help?",
    ]
    assert (brain.asked, usage) == ([], Usage())


def test_a_brain_is_asked_what_the_response_says() -> None:
    brain = Thinker([])
    config = SessionConfig(
        instructions="Be brief.",
        tools=(FunctionTool(name="lookup", description="Looks up"), McpTool(server_label="docs")),
        tool_choice=ChosenFunction(name="lookup"),
        parallel_tool_calls=False,
        max_output_tokens=50,
    )
    cascade = Cascade(FakeStt(), brain, FakeTts(), language="it")
    emitted(brain, request=Respond("resp_1", config, ()), cascade=cascade)
    emitted(brain, request=REQUEST, cascade=cascade)
    assert brain.asked[0] == GenerateRequest(
        instructions="Be brief.",
        history=(),
        tools=(ToolSpec(name="lookup", description="Looks up"),),
        tool_choice={"type": "function", "name": "lookup"},
        parallel_tool_calls=False,
        max_output_tokens=50,
        language="it",
    )
    plain = brain.asked[1]
    assert (plain.tool_choice, plain.parallel_tool_calls, plain.max_output_tokens) == (
        "auto",
        None,
        None,
    )


@pytest.mark.parametrize("request_", [REQUEST, TEXT], ids=["aloud", "in text"])
def test_a_brain_that_had_to_stop_gives_the_reason_after_the_last_word(request_: Respond) -> None:
    usage = Usage(total_tokens=3, input_tokens=1, output_tokens=2)
    brain = Thinker(["I must", GenerationCut("content_filter"), usage])
    events, returned = emitted(brain, FakeTts(chunks=1), request_)
    assert events[-1][1] == CutShort("resp_1", "content_filter", usage)
    assert returned == usage


def test_every_stage_says_how_long_it_took() -> None:
    stages: list[tuple[str, float]] = []
    cascade = Cascade(
        FakeStt(takes_s=0.2),
        Thinker(["One", ". ", "Two."], each_s=0.3),
        FakeTts(first_audio_s=0.1),
        on_stage=lambda name, ms: stages.append((name, round(ms))),
    )

    async def sound() -> AsyncIterator[bytes]:
        await asyncio.sleep(5)
        yield bytes(48)

    async def stable(text: str, guess: str = "", logprobs: object = ()) -> None:
        pass

    live(cascade.listen(Listen("item_1", b""), sound(), stable))
    emitted(Thinker([]), cascade=cascade)
    assert stages == [("stt", 200), ("brain", 600), ("tts", 100)]


def test_an_interruption_leaves_no_voice_behind() -> None:
    """`live` insists that no task is left."""
    tts = FakeTts(chunks=1000)

    async def story() -> None:
        async def emit(event: OutputChunk | ToolRequested | CutShort) -> None:
            pass

        brain = Thinker(["One. ", "Two. ", "Three. "])
        task = asyncio.create_task(Cascade(FakeStt(), brain, tts).respond(REQUEST, emit))
        await asyncio.sleep(0.5)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    live(story())
    assert len(tts.stopped_at) >= 1
    assert set(tts.stopped_at) == {0.5}


def test_a_voice_that_breaks_breaks_the_response() -> None:
    class Hoarse(FakeTts):
        async def speak(self, text: str, voice: VoiceRequest) -> AsyncGenerator[AudioChunk, None]:
            if "Two" in text:
                raise EngineError("hoarse")
            async for piece in super().speak(text, voice):
                yield piece

    with pytest.raises(ExceptionGroup) as caught:
        emitted(Thinker(["One. ", "Two. "]), Hoarse())
    assert caught.group_contains(EngineError)


def searching(shelf: Shelf) -> PassageSearch:
    return PassageSearch(shelf, "en", revision=lambda: 1)


class Shelf:
    """A retriever that remembers its queries."""

    def __init__(self, *failures: Exception) -> None:
        self.asked: list[tuple[str, str, int]] = []
        self._failures = failures

    async def search(
        self, query: str, language: str, k: int, *, within_s: float | None = None
    ) -> tuple[Passage, ...]:
        self.asked.append((query, language, k))
        for failure in self._failures:
            raise failure
        return (PASSAGE,)


PASSAGE = Passage(text="At nine.", source="programme.md", revision="1", score=0.8)
TYPED = Message(role="user", content=(Part(type="input_text", text="When?"),))
SPOKEN = Message(
    role="user",
    content=(Part(type="input_audio", transcript="and where"), Part(type="input_audio")),
)
SAID = Message(role="assistant", content=(Part(type="output_text", text="At nine."),))


@pytest.mark.parametrize(
    ("history", "query"),
    [((TYPED,), "When?"), ((TYPED, SAID, SPOKEN), "and where"), ((SPOKEN, TYPED, SAID), "When?")],
)
def test_the_brain_gets_passages_about_the_latest_user_message(
    history: tuple[Item, ...], query: str
) -> None:
    thinker, shelf = Thinker(["At nine."]), Shelf()
    cascade = Cascade(FakeStt(), thinker, FakeTts(), language="en", knowledge=searching(shelf))
    emitted(thinker, request=replace(TEXT, history=history), cascade=cascade)
    assert shelf.asked == [(query, "en", 4)]
    assert thinker.asked[0].passages == (PASSAGE,)


def test_a_greeting_or_an_unknown_message_searches_nothing() -> None:
    thinker, shelf = Thinker(["Hello."]), Shelf()
    cascade = Cascade(FakeStt(), thinker, FakeTts(), language="en", knowledge=searching(shelf))
    emitted(thinker, request=replace(TEXT, verbatim="Welcome."), cascade=cascade)
    emitted(thinker, request=TEXT, cascade=cascade)
    assert shelf.asked == []
    assert thinker.asked[0].passages == ()


def test_a_retriever_that_fails_fails_the_response() -> None:
    for failure in (EngineError("the database is away"), KeyError("somebody's words")):
        thinker = Thinker(["At nine."])
        cascade = Cascade(FakeStt(), thinker, FakeTts(), knowledge=searching(Shelf(failure)))
        with pytest.raises(EngineError):
            emitted(thinker, request=replace(TEXT, history=(TYPED,)), cascade=cascade)
        assert thinker.asked == []


MARKS = "<think>It is 12. Say so.</think>**Noon**, see https://example.org/a/b! 👋\n---\n...\nBye."


def test_S1_a_voice_gets_words_and_the_transcript_stays_as_it_was_written() -> None:
    tts = FakeTts(chunks=2)
    events = respond(FakeBrain([MARKS[:9], MARKS[9:]]), tts)
    said = [e for e in events if isinstance(e, OutputChunk)]
    assert [text.strip() for text in tts.spoken] == ["Noon, see example.org!", "Bye."]
    assert "".join(e.text for e in said) == MARKS
    assert "".join(word.text for e in said for word in e.words) == MARKS


def test_S4_voice_that_cannot_read_numbers_gets_words() -> None:
    text = "It is 8:00. It costs $3.50."
    tts = FakeTts(chunks=2)
    cascade = Cascade(FakeStt(), FakeBrain([text]), tts, language="en", numbers_as_words=True)
    said = [
        e for _, e in emitted(FakeBrain([text]), cascade=cascade)[0] if isinstance(e, OutputChunk)
    ]
    assert [each.strip() for each in tts.spoken] == [
        "It is eight o'clock.", "It costs three dollars and fifty cents.",
    ]  # fmt: skip
    assert "".join(e.text for e in said) == text
    assert "".join(word.text for e in said for word in e.words) == text


def test_S2_a_piece_without_a_letter_or_digit_is_no_request() -> None:
    class Strict(FakeTts):
        async def speak(self, text: str, voice: VoiceRequest) -> AsyncGenerator[AudioChunk, None]:
            if not any(map(str.isalnum, text)):
                raise EngineError("400: nothing to say")
            async for piece in super().speak(text, voice):
                yield piece

    for text in ("👋", "---\n...\n👋", "Hi! 👋", "***\n\nHi."):
        events = respond(FakeBrain([text]), Strict())
        assert "".join(e.text for e in events if isinstance(e, OutputChunk)) == text


def test_S3_an_abbreviation_is_not_a_sentence_of_its_own() -> None:
    tts = FakeTts()
    respond(FakeBrain(["Am 3. Mai ist z. B. ", "No. 5 offen, ca. a Stunde. ", "Gut."]), tts)
    assert [text.strip() for text in tts.spoken] == [
        "Am 3. Mai ist z. B. No. 5 offen, ca. a Stunde.", "Gut.",
    ]  # fmt: skip


def test_what_the_knowledge_had_for_a_response_is_reported_with_the_words_of_the_user() -> None:
    uses: list[tuple[str, KnowledgeUse]] = []
    asked = msgspec.structs.replace(TYPED, id="item_1")
    found = KnowledgeUse(passages=(PASSAGE,), answered=True, score=0.8)
    whole = msgspec.structs.replace(found, question="When?", item_id="item_1")
    own = Thinker([found, "At nine."])
    for thinker, knowledge in ((Thinker(["At nine."]), searching(Shelf())), (own, None)):
        cascade = Cascade(
            FakeStt(), thinker, FakeTts(), knowledge=knowledge,
            on_knowledge=lambda response_id, use: uses.append((response_id, use)),
        )  # fmt: skip
        emitted(thinker, request=replace(TEXT, history=(asked,)), cascade=cascade)
    assert uses == [("resp_1", whole)] * 2


def test_a_brain_that_reports_an_impossible_score_fails_the_response() -> None:
    with pytest.raises(EngineError):
        emitted(Thinker([KnowledgeUse(answered=True, score=7.0), "At nine."]), request=TEXT)
