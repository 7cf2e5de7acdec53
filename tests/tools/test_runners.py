"""Every runner is held to the rules of the port, whatever it does."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from vivavoce.core.types import ToolSpec
from vivavoce.errors import EngineError
from vivavoce.protocol.surrogates import whole_text
from vivavoce.testing.contracts import tool
from vivavoce.tools.base import ToolContext, ToolRequest, ToolResult, ToolRules, arguments_sha256
from vivavoce.tools.runners import TIMEOUT_S, ToolLimits, ToolRunners

from ..support.fakes import now
from ..support.function_tools import FunctionTools
from ..support.virtual_time import live

SECRET = "my grandmother's maiden name"
CONTEXT = ToolContext(call_id="rtc_1", assistant="ada")
LOOKUP = ToolSpec(name="lookup", description="Look something up.")


async def add(one: int, other: int = 1) -> int:
    """Add two numbers."""
    return one + other


class _Opened:
    """Join the contract suite by one line."""

    async def __aenter__(self) -> FunctionTools:
        return FunctionTools(add)

    async def __aexit__(self, *_: object) -> None: ...


CASE = tool.Case(_Opened, name="add", arguments='{"one": 2, "other": 3}', output="5")


@pytest.mark.parametrize("check", tool.CHECKS)
def test_a_runner_of_python_functions_keeps_the_contract(check: tool.Check) -> None:
    check(CASE)


@dataclass
class Odd:
    """A runner that does whatever a test wants."""

    run: Callable[[ToolRequest, ToolContext], Any]
    tools: Any = (LOOKUP,)
    requests: list[ToolRequest] = field(default_factory=list)

    def specs(self, context: ToolContext) -> tuple[ToolSpec, ...]:
        if isinstance(self.tools, BaseException):
            raise self.tools
        return self.tools  # type: ignore[no-any-return]

    async def call(self, request: ToolRequest, context: ToolContext) -> ToolResult:
        self.requests.append(request)
        result = self.run(request, context)
        given: ToolResult = await result if asyncio.iscoroutine(result) else result
        return given


def run(
    odd: Odd,
    name: str = "lookup",
    arguments: str = "{}",
    context: ToolContext = CONTEXT,
    **limits: int,
) -> ToolResult:
    runners = ToolRunners([odd], limits=ToolLimits(**limits))
    return live(runners.call(ToolRequest("call_1", name, arguments), context))


def returns(result: object) -> Odd:
    return Odd(lambda request, context: result)


def error_of(result: ToolResult) -> str:
    assert result.failed
    text: str = json.loads(result.output)["error"]
    return text


def test_a_result_passes() -> None:
    assert run(returns(ToolResult("42"))) == ToolResult("42")
    assert run(returns(ToolResult("no", failed=True))) == ToolResult("no", failed=True)


@pytest.mark.parametrize("name", ["", 'say "hi"', "获取天气", "\\", "a\nb", "Lookup", "\ud800"])
def test_an_unknown_name_is_answered_in_json(name: str) -> None:
    odd = returns(ToolResult("42"))
    error = error_of(run(odd, name))
    assert error == f"there is no tool named {whole_text(name)}"
    assert odd.requests == []
    json.dumps(error).encode()


@pytest.mark.parametrize(
    "arguments",
    [
        "[]",
        "1",
        "null",
        '"{}"',
        "{",
        '{"a": NaN}',
        "{'a': 1}",
        "\ud800",
        "[" * 5000,
        '{"a": ' * 5000,
    ],
)
def test_a_tool_does_not_receive_arguments_without_an_object(arguments: str) -> None:
    odd = returns(ToolResult("42"))
    assert error_of(run(odd, arguments=arguments)) == "The arguments must be a JSON object."
    assert odd.requests == []


@pytest.mark.parametrize("arguments", ["", " ", "\n"])
def test_no_arguments_are_an_empty_object(arguments: str) -> None:
    odd = returns(ToolResult("42"))
    assert run(odd, arguments=arguments) == ToolResult("42")
    assert odd.requests[0].arguments == "{}"


class Stop(BaseException):
    """An exception that `except Exception` does not catch."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError(SECRET), RecursionError(SECRET), MemoryError(SECRET), SystemExit(SECRET),
        KeyboardInterrupt(SECRET),
        Stop(SECRET), asyncio.CancelledError(SECRET), GeneratorExit(SECRET), StopIteration(SECRET),
        TimeoutError(SECRET), ExceptionGroup(SECRET, [ValueError(SECRET)]),
        UnicodeEncodeError("utf-8", SECRET, 0, 1, SECRET),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_an_exception_is_a_result_without_its_words(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(request: ToolRequest, context: ToolContext) -> ToolResult:
        raise error

    result = run(Odd(fail))
    assert error_of(result) == "The tool failed."
    assert SECRET not in result.output
    shown = [str(vars(record)) for record in caplog.records]
    assert len(shown) == 1
    assert SECRET not in shown[0].replace(str(caplog.records[0].exc_info), "")
    assert "rtc_1" in shown[0]


def test_an_engine_error_says_what_the_model_may_know() -> None:
    def fail(request: ToolRequest, context: ToolContext) -> ToolResult:
        raise EngineError("The shop is closed. \ud800")

    assert error_of(run(Odd(fail))) == "The shop is closed. \ufffd"


def test_the_text_of_an_engine_error_is_not_larger_than_an_output() -> None:
    def fail(request: ToolRequest, context: ToolContext) -> ToolResult:
        raise EngineError("é" * 100)

    def fail_among_others(request: ToolRequest, context: ToolContext) -> ToolResult:
        raise ExceptionGroup("both", [EngineError("é" * 100), KeyError()])

    for run_tool in (fail, fail_among_others):
        result = run(Odd(run_tool), output_bytes=100)
        assert error_of(result).startswith("é" * 20)
        assert len(result.output.encode()) <= 100


class Markup(str):
    """A text of a template library. Encoders refuse subclasses of `str`."""


def test_an_output_of_a_subclass_of_str_is_a_plain_text() -> None:
    for text in ("plain", "più"):
        result = run(returns(ToolResult(Markup(text))))
        assert (type(result.output), result.output) == (str, text)


class MuteError(EngineError):
    """An error that cannot say anything."""

    def __str__(self) -> str:
        raise ValueError(SECRET)


@pytest.mark.parametrize("error", [MuteError("x"), ExceptionGroup("x", [MuteError("x")])])
def test_an_error_that_cannot_be_read_is_a_failure_as_any_other(error: Exception) -> None:
    def fail(request: ToolRequest, context: ToolContext) -> ToolResult:
        raise error

    assert error_of(run(Odd(fail))) == "The tool failed."


def test_a_tool_cannot_make_its_output_large_by_an_error() -> None:
    def fail(request: ToolRequest, context: ToolContext) -> ToolResult:
        raise EngineError("é" * 1_000_000)

    assert error_of(run(Odd(fail))) == "é" * 1000


@pytest.mark.parametrize(
    "result",
    [None, "42", 42, b"42", ToolResult(b"42"), ToolResult(None), (ToolResult("42"),)],  # type: ignore[arg-type]
)
def test_a_result_of_another_type_is_a_failure(result: object) -> None:
    assert error_of(run(returns(result))) == "The tool failed."


def test_a_late_tool_is_cancelled_and_answered_at_its_deadline() -> None:
    cancelled: list[float] = []

    async def sleep(request: ToolRequest, context: ToolContext) -> ToolResult:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            cancelled.append(now())
            raise
        return ToolResult("42")

    async def story() -> tuple[ToolResult, float]:
        request = ToolRequest("call_1", "lookup", "{}")
        return await ToolRunners([Odd(sleep)]).call(request, CONTEXT), now()

    result, at = live(story())
    assert error_of(result) == "The tool did not answer within 30 s."
    assert cancelled == [TIMEOUT_S]
    assert at == TIMEOUT_S


def test_a_tool_that_ignores_its_cancellation_is_left_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def story() -> float:
        ends = asyncio.Event()

        async def stubborn(request: ToolRequest, context: ToolContext) -> ToolResult:
            while not ends.is_set():
                try:
                    await ends.wait()
                except asyncio.CancelledError:
                    continue
            raise ValueError(SECRET)

        request = ToolRequest("call_1", "lookup", "{}")
        result = await ToolRunners([Odd(stubborn)]).call(request, CONTEXT)
        assert error_of(result) == "The tool did not answer within 30 s."
        at = now()
        ends.set()
        await asyncio.sleep(0.1)
        return at

    assert live(story()) == TIMEOUT_S + 1.0
    assert "work_not_stopped" in caplog.messages


def test_a_cancelled_call_cancels_its_tool() -> None:
    async def story() -> bool:
        begun = asyncio.Event()

        async def wait(request: ToolRequest, context: ToolContext) -> ToolResult:
            begun.set()
            await asyncio.sleep(1000)
            return ToolResult("42")

        runners = ToolRunners([Odd(wait)])
        task = asyncio.create_task(runners.call(ToolRequest("c", "lookup", "{}"), CONTEXT))
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert live(story())  # fails if a task is left


def test_an_output_that_is_too_large_is_refused_by_its_bytes() -> None:
    allowed = "é" * 50
    assert run(returns(ToolResult(allowed)), output_bytes=100) == ToolResult(allowed)
    error = error_of(run(returns(ToolResult(allowed + "x")), output_bytes=100))
    assert error == "The output of the tool has 101 bytes. At most 100 are allowed."
    error = error_of(run(returns(ToolResult("é" * 101)), output_bytes=100))
    assert error == "The output of the tool has more than 100 bytes."


@pytest.mark.parametrize(
    ("odd", "even"),
    [
        ("\ud800", "\ufffd"),
        ("a\udfffb", "a\ufffdb"),
        ("\U0001f600", "\U0001f600"),
        ("\x00", "\x00"),
    ],
)
def test_half_a_surrogate_pair_does_not_leave_a_tool(odd: str, even: str) -> None:
    assert run(returns(ToolResult(odd))) == ToolResult(even)


# Progress


def test_progress_is_short_valid_text_and_ends_with_the_call() -> None:
    told: list[str] = []
    kept: list[ToolContext] = []

    async def report(text: str) -> None:
        told.append(text)

    async def work(request: ToolRequest, context: ToolContext) -> ToolResult:
        kept.append(context)
        for text in ("Half.", "\ud800", "x" * 1000, None):
            await context.progress(text)  # type: ignore[arg-type]
        return ToolResult("42")

    async def story() -> None:
        runners = ToolRunners([Odd(work)])
        context = replace(CONTEXT, report=report)
        await runners.call(ToolRequest("call_1", "lookup", "{}"), context)
        await kept[0].progress("too late")

    live(story())
    assert told == ["Half.", "\ufffd", "x" * 300]


# Several runners


def test_each_tool_runs_in_its_own_runner() -> None:
    async def subtract(one: int, other: int) -> int:
        """Subtract a number from another."""
        return one - other

    runners = ToolRunners([FunctionTools(add), FunctionTools(subtract)])
    assert [spec.name for spec in runners.specs(CONTEXT)] == ["add", "subtract"]
    request = ToolRequest("call_1", "subtract", '{"one": 5, "other": 3}')
    assert live(runners.call(request, CONTEXT)) == ToolResult("2")


@pytest.mark.parametrize("reserved", [frozenset({"add"}), frozenset[str]()])
def test_two_tools_of_one_name_are_a_mistake(reserved: frozenset[str]) -> None:
    others = () if reserved else (FunctionTools(add),)
    runners = ToolRunners([FunctionTools(add), *others], reserved=reserved)
    with pytest.raises(EngineError, match='two tools are named "add"') as raised:
        runners.specs(CONTEXT)
    assert raised.value.code == "tools_not_valid"
    result = live(runners.call(ToolRequest("c", "add", "{}"), CONTEXT))
    assert error_of(result) == "The tools of this assistant do not work at the moment."


@pytest.mark.parametrize(
    "specs",
    [
        ValueError(SECRET), SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError(),
        None, [LOOKUP], ("lookup",), (LOOKUP,) * 129,
        (ToolSpec(name="two words"),), (ToolSpec(name="x" * 65),), (ToolSpec(name=""),),
        (ToolSpec(name="x", description="\ud800"),),
        (ToolSpec(name="x", parameters={"a": object()}),),
        (ToolSpec(name="x", description="y" * 70_000),),
        (ToolSpec(name="x", parameters=[]),),  # type: ignore[arg-type]
    ],
)  # fmt: skip
def test_specs_that_no_session_can_carry_are_refused(
    specs: object, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(EngineError, match="are not valid"):
        ToolRunners([Odd(print, specs)]).specs(CONTEXT)
    assert SECRET not in caplog.text
    assert "tools_not_valid" in caplog.messages


def test_a_server_without_tools_has_none() -> None:
    assert ToolRunners().specs(CONTEXT) == ()


def test_the_logs_of_tools_hold_no_arguments_and_no_outputs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    run(returns(ToolResult(SECRET)), arguments=json.dumps({"q": SECRET}))
    run(returns(None), arguments=json.dumps({"q": SECRET}))
    assert SECRET not in str([vars(record) for record in caplog.records])
    assert sys.exc_info() == (None, None, None)


# Rules


@dataclass
class Ruled(Odd):
    """A runner with rules."""

    given: Any = None

    def rules(self, name: str) -> ToolRules:
        if isinstance(self.given, BaseException):
            raise self.given
        return self.given  # type: ignore[no-any-return]


def ruled(odd: Odd, rules: object) -> Ruled:
    return Ruled(odd.run, given=rules)


def test_a_runner_may_give_rules_for_each_tool() -> None:
    rules = ToolRules(effects=True, approve="user", say={"en": "I book it."})
    booking = ruled(returns(None), rules)
    assert ToolRunners([booking]).rules(CONTEXT) == {"lookup": rules}
    assert ToolRunners([returns(None)]).rules(CONTEXT) == {"lookup": ToolRules()}


@pytest.mark.parametrize("rules", ["never", {}, ValueError(SECRET), SystemExit()])
def test_rules_of_another_type_are_an_engine_error(rules: object) -> None:
    with pytest.raises(EngineError, match="not valid"):
        ToolRunners([ruled(returns(None), rules)]).rules(CONTEXT)


def test_a_tool_for_some_roles_does_not_exist_for_others() -> None:
    """Also a model that calls it without having been offered it is refused."""
    odd = Odd(lambda request, context: ToolResult("done"))
    runners = ToolRunners([ruled(odd, ToolRules(roles=("staff",)))])
    staff, guest = replace(CONTEXT, role="staff"), replace(CONTEXT, role="guest")
    assert [spec.name for spec in runners.specs(staff)] == ["lookup"]
    assert (runners.specs(guest), runners.rules(guest)) == ((), {})

    async def story() -> list[str]:
        request = ToolRequest("call_1", "lookup", "{}")
        return [(await runners.call(request, each)).output for each in (staff, guest, CONTEXT)]

    done, *refused = live(story())
    assert done == "done"
    assert {json.loads(each)["error"] for each in refused} == {"there is no tool named lookup"}


def test_the_hash_of_arguments_does_not_depend_on_how_they_are_written() -> None:
    assert arguments_sha256('{"a": 1, "b": "è"}') == arguments_sha256('{"b":"\\u00e8","a":1}')
    assert arguments_sha256('{"a": 1}') != arguments_sha256('{"a": 2}')


def test_a_tool_has_its_own_time_limit() -> None:
    async def hang(request: ToolRequest, context: ToolContext) -> ToolResult:
        await asyncio.sleep(3600)
        raise AssertionError

    def late(rules: ToolRules) -> tuple[str, float]:
        async def story() -> tuple[str, float]:
            runners = ToolRunners([ruled(Odd(hang), rules)])
            result = await runners.call(ToolRequest("call_1", "lookup", "{}"), CONTEXT)
            return error_of(result), now()

        return live(story())

    assert late(ToolRules(timeout_s=2)) == ("The tool did not answer within 2 s.", 2.0)
    text, at = late(ToolRules(timeout_s=90, effects=True))
    assert text == "The tool did not answer within 90 s. It may have done its work all the same."
    assert at == 90.0


# Arguments


BOOK = ToolSpec(
    name="book",
    parameters={
        "type": "object",
        "properties": {
            "seats": {"type": "integer", "minimum": 1},
            "days": {"type": "array", "items": {"type": "object", "required": ["hour"]}},
            "room": {"enum": ["red", "blue"]},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["seats"],
        "additionalProperties": False,
    },
)


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        ("{}", "seats: is missing"),
        ('{"seats": "two"}', "seats: must be integer, not two"),
        ('{"seats": 0}', "seats: 0 does not keep minimum 1"),
        ('{"seats": 1, "days": [{"hour": 1}, {}]}', "days[1].hour: is missing"),
        ('{"seats": 1, "room": "green"}', "room: must be one of ['red', 'blue'], not green"),
        ('{"seats": 1, "colour": 1}', "colour: unknown"),
        ('{"seats": 1, "note": 1}', "note: must be null, not 1"),
        ('{"seats": "' + "x" * 9000 + '"}', f"seats: must be integer, not {'x' * 60}…"),
        (json.dumps({f"a{n}": 1 for n in range(8)} | {"seats": 1}), "a0: unknown; a1: unknown; "
         "a2: unknown; a3: unknown; a4: unknown; and 3 more"),
    ],
)  # fmt: skip
def test_the_model_reads_path_and_reason_of_each_wrong_argument(arguments: str, wrong: str) -> None:
    odd = Odd(lambda request, context: ToolResult("booked"), tools=(BOOK,))
    assert error_of(run(odd, "book", arguments)) == f"These arguments are wrong. {wrong}"
    assert odd.requests == []
    assert run(odd, "book", '{"seats": 2, "room": "red"}') == ToolResult("booked")


def test_a_number_in_quotes_is_a_number() -> None:
    odd = Odd(lambda request, context: ToolResult("booked"), tools=(BOOK,))
    assert run(odd, "book", '{"seats": "2", "note": "2"}') == ToolResult("booked")
    assert json.loads(odd.requests[0].arguments) == {"seats": 2, "note": "2"}
    for seats in ('"2.5"', '"true"', '"[2]"', '"NaN"', '"1e999"', '""'):
        error = error_of(run(odd, "book", f'{{"seats": {seats}}}'))
        assert error.startswith("These arguments are wrong. seats: must be integer")


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "objekt"},
        {"type": "object", "properties": {"a": {"pattern": "("}}},
        {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema.json"}}},
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}},
    ],
)
def test_a_broken_schema_leaves_the_judgement_to_the_runner(
    parameters: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    odd = Odd(
        lambda request, context: ToolResult("booked"),
        tools=(ToolSpec(name="book", parameters=parameters),),
    )
    assert run(odd, "book", '{"a": "b"}') == ToolResult("booked")
    assert [record.message for record in caplog.records] == ["tool_schema_not_valid"]


# Repetitions


@dataclass
class Counter(Odd):
    """A tool that takes a second, and counts its runs."""

    run: Any = None
    runs: int = 0

    async def call(self, request: ToolRequest, context: ToolContext) -> ToolResult:
        self.runs += 1
        number = self.runs
        await asyncio.sleep(1)
        return ToolResult(f"run {number}", failed="fail" in request.arguments)


@dataclass
class RuledCounter(Counter):
    given: Any = None

    def rules(self, name: str) -> ToolRules:
        return self.given  # type: ignore[no-any-return]


def repeated(
    repeat: str, after: float, *, arguments: str = '{"a": 1}', again: str = '{ "a":1}',
    call: str = "rtc_1",
) -> list[str]:  # fmt: skip
    """Return the outputs of a call and of another one `after` seconds."""
    runners = ToolRunners([RuledCounter(given=ToolRules(repeat=repeat))])  # type: ignore[arg-type]

    async def one(seconds: float, arguments: str, call_id: str) -> ToolResult:
        await asyncio.sleep(seconds)
        request = ToolRequest(f"call_{seconds}", "lookup", arguments)
        return await runners.call(request, replace(CONTEXT, call_id=call_id))

    async def story() -> tuple[ToolResult, ToolResult]:
        return await asyncio.gather(one(0, arguments, "rtc_1"), one(after, again, call))

    return [result.output for result in live(story())]


@pytest.mark.parametrize("after", [0.5, 30, 60])
def test_the_same_call_again_joins_the_first(after: float) -> None:
    assert repeated("join", after) == ["run 1", "run 1"]


@pytest.mark.parametrize(
    ("repeat", "after", "other"),
    [
        ("allow", 0.5, {}),
        ("join", 61, {}),
        ("join", 0.5, {"again": '{"a": 2}'}),
        ("join", 0.5, {"call": "rtc_2"}),
        ("join", 2, {"arguments": '{"fail": 1}', "again": '{"fail": 1}'}),
    ],
)
def test_another_call_runs_again(repeat: str, after: float, other: dict[str, str]) -> None:
    assert repeated(repeat, after, **other) == ["run 1", "run 2"]


def test_the_same_call_again_is_rejected() -> None:
    first, running = repeated("reject", 0.5)
    assert first == "run 1"
    assert json.loads(running)["error"] == "The same call is running. It is not made again."
    assert "a moment ago" in repeated("reject", 30)[1]


def test_a_joined_call_learns_that_the_first_was_cancelled() -> None:
    async def story() -> ToolResult:
        runners = ToolRunners([RuledCounter(given=ToolRules(repeat="join"))])
        first, second = (
            asyncio.create_task(runners.call(ToolRequest(f"c{n}", "lookup", "{}"), CONTEXT))
            for n in (1, 2)
        )
        await asyncio.sleep(0.5)
        first.cancel()
        await asyncio.wait([first])
        return await second

    assert error_of(live(story())) == "The same call was cancelled."
