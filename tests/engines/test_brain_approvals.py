"""The embedded brain takes a yes or a no for a tool that waits, from the history alone."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from vivavoce.engines.base import GenerateOutput, ToolDeclined
from vivavoce.protocol.items import FunctionCall, FunctionOutput, Item
from vivavoce_embedded.brain.excerpt import excerpt
from vivavoce_embedded.brain.wording import thoughts

from .brain_talk import ALL, BOOK_TABLE, SET_TIMER, Talk, assistant, user

QUESTION = "Shall I set a timer for 5 minutes?"
LATER = dt.datetime(2999, 1, 1, tzinfo=dt.UTC)


def request(question: str = QUESTION, approve: str = "user", until: dt.datetime = LATER) -> str:
    about = {"state": "requested", "approve": approve, "spoken": question, "message": "Ask."}
    return json.dumps(about | {"expires_at": until.isoformat()})


def called(call_id: str, arguments: str = '{"minutes": 5}', **about: object) -> list[Item]:
    call = FunctionCall(name="set_timer", call_id=call_id, arguments=arguments)
    return [call, FunctionOutput(call_id=call_id, output=request(**about))]  # type: ignore[arg-type]


def talk(*items: Item) -> Talk:
    """Return a conversation in which a timer of five minutes waits for the user."""
    found = Talk(*ALL)
    found.history += [user("set a timer"), *called("call_1"), assistant(QUESTION), *items]
    return found


def outputs(found: Talk, text: str) -> list[GenerateOutput]:
    found.history.append(user(text))
    question = found.question()
    read = excerpt(question)
    return list(thoughts(question, read, found.brain.reply(read)))


def test_a_yes_makes_the_same_call_again_with_the_very_arguments() -> None:
    big = '{"minutes": 123456789012345678901234567890, "x": 1.0}'
    found = talk(user("no"), assistant("All right."), *called("call_2", big), assistant(QUESTION))
    (call,) = [each for each in outputs(found, "Yes, please.") if isinstance(each, FunctionCall)]
    assert (call.name, call.arguments) == ("set_timer", big)
    assert call.call_id not in ("call_1", "call_2")


def test_a_no_declines_the_run_and_calls_nothing() -> None:
    said = outputs(talk(), "no, thank you")
    assert ToolDeclined("call_1") in said
    assert not [each for each in said if isinstance(each, FunctionCall)]
    assert "".join(each for each in said if isinstance(each, str)) == "All right, I won't do it."


@pytest.mark.parametrize("text", ["yes but for ten", "who are you", "maybe", "thank you"])
def test_after_anything_else_the_question_comes_again(text: str) -> None:
    reply = talk().say(text)
    assert reply.text.endswith(QUESTION)
    assert reply.kind not in ("approve", "decline")


def test_the_question_comes_three_times_in_a_row_and_then_only_for_a_yes() -> None:
    found = talk()
    assert found.say("who are you").text.endswith(QUESTION)
    assert found.say("who are you").text.endswith(QUESTION)
    assert not found.say("who are you").text.endswith(QUESTION)
    assert found.say("yes").kind == "ask", "the caller heard another sentence last"
    assert found.say("yes").kind == "approve"


def test_a_yes_to_another_question_approves_nothing() -> None:
    found = talk(user("what is new"), assistant("Nothing."))
    reply = found.say("okay")
    assert (reply.kind, reply.text) == ("ask", QUESTION)


@pytest.mark.parametrize(
    "text", ["set a timer for 5 minutes", "I did not say set a timer for 5 minutes"]
)
def test_speaking_of_the_same_action_approves_nothing(text: str) -> None:
    reply = talk().say(text)
    assert (reply.kind, reply.text) == ("ask", QUESTION)


def test_an_answer_that_makes_the_same_call_approves_nothing() -> None:
    found = talk()
    assert found.say("set a timer").kind == "ask"
    reply = found.say("5")
    assert (reply.kind, reply.text) == ("ask", QUESTION)


def test_a_call_with_other_arguments_is_another_request() -> None:
    reply = talk().say("set a timer for 6 minutes")
    assert (reply.kind, reply.arguments) == ("call", {"minutes": 6})


def test_a_yes_while_a_parameter_is_asked_for_is_its_answer() -> None:
    found = talk(user("book a table"), assistant("For how many people?"))
    reply = found.say("yes")
    assert reply.kind == "ask"
    assert reply.text.endswith("For how many people?")


@pytest.mark.parametrize(
    ("heard", "kind"), [("Shall I set a timer for 5—", "approve"), ("Shall I set a—", "ask")]
)
def test_a_yes_counts_if_the_question_was_heard(heard: str, kind: str) -> None:
    found = Talk(*ALL)
    found.history += [user("set a timer"), *called("call_1"), assistant(heard)]
    assert found.say("yes").kind == kind


def test_what_was_decided_or_has_expired_waits_no_longer() -> None:
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    done = FunctionOutput(call_id="call_9", output="done")
    again = FunctionCall(name="set_timer", call_id="call_9", arguments='{"minutes":5}')
    for history in (
        [*called("call_1"), assistant(QUESTION), user("no"), assistant("All right.")],
        [*called("call_1"), assistant(QUESTION), again, done, assistant("Done.")],
        [*called("call_1", until=past), assistant(QUESTION)],
        [*called("call_1", approve="staff"), assistant(QUESTION)],
    ):
        found = Talk(*ALL)
        found.history += [user("set a timer"), *history]
        assert found.say("yes").kind == "small"


def test_a_tool_that_may_not_be_called_is_not_approved() -> None:
    found = talk()
    found.choice = "none"
    assert found.say("yes").kind == "small"
    other = talk()
    other.tools = (BOOK_TABLE,)
    assert other.say("yes").kind == "small"


def test_parallel_calls_are_asked_for_one_after_the_other() -> None:
    found = Talk(SET_TIMER)
    first, second = QUESTION, "Shall I set a timer for 6 minutes?"
    found.history += [user("two timers"), *called("call_1")]
    reply = found.brain.reply(excerpt(found.question()))
    assert reply.text == first
    found.history += called("call_2", '{"minutes": 6}', question=second)
    reply = found.brain.reply(excerpt(found.question()))
    assert reply.text == second
    found.history.append(assistant(second))
    assert found.say("no").text == f"All right, I won't do it. {first}"


@pytest.mark.parametrize(
    "output",
    [
        '{"state": "requested"', '{"state": "requested", "approve": "user", "spoken": 5}',
        '{"state": "requested", "approve": "user", "spoken": ""}', '{"state": ' + "[" * 3000,
        '{"state": "requested", "approve": "user", "spoken": "x", "expires_at": "soon"}',
    ],
)  # fmt: skip
def test_an_output_of_another_form_is_ignored(output: str) -> None:
    found = Talk(*ALL)
    call = FunctionCall(name="set_timer", call_id="call_1", arguments="{")
    found.history += [user("x"), call, FunctionOutput(call_id="call_1", output=output)]
    assert excerpt(found.question()).waiting == ()
