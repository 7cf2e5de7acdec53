"""Searches of tools: their passages become the sources of the answer that reads them."""

from __future__ import annotations

from vivavoce.knowledge.base import KnowledgeUse, Passage
from vivavoce.protocol import server
from vivavoce.protocol.items import FunctionCall, FunctionOutput, Item, Message, Part
from vivavoce.protocol.own_events import Source
from vivavoce.runtime.answer_sources import AnswerSources
from vivavoce.runtime.tool_searches import ToolSearches

NAMES = ("search_knowledge", "book")


def use(title: str = "", score: float = 0.5) -> KnowledgeUse:
    found = Passage(text=title, title=title, source="a.md", revision="1", score=score)
    return KnowledgeUse(
        passages=(found,) if title else (),
        answered=bool(title),
        score=score,
        question=title or "what?",
    )


class Story:
    """One call, told by its events."""

    def __init__(self) -> None:
        self.cited: dict[str, list[str]] = {}
        self.questions: list[tuple[str | None, str, bool | None]] = []
        self.sources = AnswerSources(
            self._cite,
            lambda kind: f"{kind}_1",
            searches=ToolSearches(NAMES),
            on_use=lambda use, item: self.questions.append((item, use.question, use.answered)),
        )

    def _cite(self, item_id: str, sources: tuple[Source, ...]) -> None:
        self.cited[item_id] = [each.title for each in sources]

    def add(self, item: Item) -> None:
        self.sources.observe(server.ItemAdded(event_id="e", previous_item_id=None, item=item))

    def user(self, item_id: str) -> None:
        part = Part(type="input_text", text="…")
        self.add(Message(id=item_id, role="user", content=(part,)))

    def response(self, name: str, *items: Item, status: str = "completed") -> None:
        begun = server.Response(
            id=name, status="in_progress", conversation_id="conv_1", output_modalities=("text",)
        )
        self.sources.observe(server.ResponseCreated(event_id="e", response=begun))
        for item in items:
            self.add(item)
            if isinstance(item, Message):
                self.sources.observe(
                    server.ItemDone(event_id="e", previous_item_id=None, item=item)
                )
        done = server.Response(
            id=name,
            status=status,  # type: ignore[arg-type]
            output=items,
            conversation_id="conv_1",
            output_modalities=("text",),
        )
        self.sources.observe(server.ResponseDone(event_id="e", response=done))

    def output(self, call_id: str, found: KnowledgeUse | None = None) -> None:
        if found is not None:
            self.sources.searches.found(call_id, found)
        self.add(FunctionOutput(id=f"out_{call_id}", call_id=call_id, output="{}"))


def calls(call_id: str, name: str = "search_knowledge") -> FunctionCall:
    return FunctionCall(id=f"item_{call_id}", call_id=call_id, name=name, arguments="{}")


def says(item_id: str) -> Message:
    return Message(id=item_id, role="assistant", status="in_progress", content=())


def test_a_filler_is_not_the_answer() -> None:
    story = Story()
    story.user("u1")
    story.response("r1", calls("c1"), calls("c2", "book"))
    story.output("c1", use("Lunch"))
    story.response("r2", says("filler"))
    story.output("c2")
    story.response("r3", says("answer"))
    assert story.cited == {"answer": ["Lunch"]}
    assert story.questions == [("u1", "Lunch", True)]


def test_a_search_after_a_search_adds_to_the_sources_of_the_answer() -> None:
    story = Story()
    story.user("u1")
    story.response("r1", calls("c1"))
    story.output("c1", use("Lunch", 0.9))
    story.response("r2", calls("c2"))
    story.output("c2", use())
    story.response("r3", says("answer"))
    story.response("r4", says("more"))
    assert story.cited == {"answer": ["Lunch"]}
    assert story.questions == [("u1", "Lunch", True), ("u1", "Lunch", True)]


def test_passages_for_an_earlier_question_are_not_sources_of_the_next_answer() -> None:
    story = Story()
    story.user("u1")
    story.response("r1", calls("c1"))
    story.output("c1", use("Lunch"))
    story.user("u2")
    story.response("r2", calls("c2"))
    story.output("c2", use("Garden"))
    story.response("r3", says("answer"))
    assert story.cited == {"answer": ["Garden"]}
    assert story.questions == [("u1", "Lunch", True), ("u2", "Garden", True)]


def test_a_call_that_is_never_made_keeps_no_answer_from_its_sources() -> None:
    story = Story()
    story.user("u1")
    story.response("r1", calls("c1"), status="cancelled")
    story.sources.searches.found("c1", use("Lost"))
    story.user("u2")
    story.response("r2", calls("c2"))
    story.output("c2", use("Lunch"))
    story.response("r3", says("answer"))
    assert story.cited == {"answer": ["Lunch"]}


def test_sources_do_not_wait_for_a_tool_of_the_client() -> None:
    story = Story()
    story.user("u1")
    story.response("r1", calls("c1"), calls("c2", "of_the_client"))
    story.output("c1", use("Lunch"))
    story.response("r2", says("answer"))
    assert story.cited == {"answer": ["Lunch"]}


def test_a_new_question_ends_what_a_response_with_a_tool_call_passes_on() -> None:
    story = Story()
    story.user("u1")
    story.response("r1", calls("c1"))
    story.output("c1", use("Lunch"))
    spoken = Message(id="u2", role="user", content=())
    story.response("r2", calls("c2", "book"), spoken)
    story.output("c2")
    story.response("r3", says("answer"))
    assert story.cited == {}


def test_of_searches_for_two_questions_the_later_one_gives_the_sources() -> None:
    story = Story()
    story.user("u1")
    story.response("r1", calls("c1"))
    story.user("u2")
    story.response("r2", calls("c2"))
    story.output("c1", use("Lunch"))
    story.output("c2", use("Garden"))
    story.response("r3", says("answer"))
    assert story.cited == {"answer": ["Garden"]}
