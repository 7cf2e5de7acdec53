"""Python functions of an assistant's `tools.py`, which the server runs as tools.

from vivavoce import Call, tool

@tool(say={"en": "Let me look.", "it": "Guardo subito."}, timeout=20, effects=True)
async def book_table(call: Call, day: date, seats: int = 1) -> Booking:
    "Book seats for an evening."
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar, get_args, overload

import pydantic_core
from pydantic import ValidationError

from ..assistants.languages import EVERY, not_of_form
from ..assistants.validation import LANGUAGE
from ..core.tool_speech import ONE_MOMENT
from ..core.types import DataArguments, ToolApproval, ToolInterrupt, ToolRepeat, ToolSpec
from ..errors import EngineError
from . import signatures
from .approval_questions import check_question
from .base import ToolContext, ToolRequest, ToolResult, ToolRules
from .call import Call, ReadImage, Search
from .database import AssistantDatabase
from .phrasing import Phrases, Slots, add_phrases, add_slots
from .results import failed
from .signatures import Signature, UnfitFunctionError
from .threads import DaemonThreads

DECLARATION = "__vivavoce_tool__"  # the attribute of a declared function
DONE = '{"ok": true}'  # the output of a function that returns nothing

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """One declared function."""

    function: Callable[..., Any]
    signature: Signature
    rules: ToolRules

    @property
    def spec(self) -> ToolSpec:
        return ToolSpec(
            name=self.function.__name__,
            description=self.signature.description,
            parameters=self.signature.parameters,
        )


@overload
def tool(function: F, /) -> F: ...


@overload
def tool(
    *,
    say: str | Mapping[str, str] | None = None,
    say_after: float = 0.9,
    timeout: float = 20.0,
    interrupt: ToolInterrupt = "finish",
    repeat: ToolRepeat | None = None,
    approve: ToolApproval = "never",
    ask: str | Mapping[str, str] | None = None,
    effects: bool = False,
    data_arguments: DataArguments = "ask",
    roles: Sequence[str] = (),
    phrases: Phrases | None = None,
    slots: Slots | None = None,
    show: bool = True,
) -> Callable[[F], F]: ...


def tool(
    function: F | None = None,
    /,
    *,
    say: str | Mapping[str, str] | None = None,
    say_after: float = 0.9,
    timeout: float = 20.0,
    interrupt: ToolInterrupt = "finish",
    repeat: ToolRepeat | None = None,
    approve: ToolApproval = "never",
    ask: str | Mapping[str, str] | None = None,
    effects: bool = False,
    data_arguments: DataArguments = "ask",
    roles: Sequence[str] = (),
    phrases: Phrases | None = None,
    slots: Slots | None = None,
    show: bool = True,
) -> F | Callable[[F], F]:
    """Declare a function of `tools.py` as a tool that the server runs.

    `say`: what the assistant says after `say_after` seconds of silence, by language. None: "One
    moment, please." An empty text: nothing.
    `timeout`: seconds until the tool is cancelled.
    `interrupt`: whether the tool goes on when the user interrupts (`finish`, `cancel`).
    `repeat`: what the same arguments mean while the tool runs and for 60 s after it: the same
    result (`join`), an error (`reject`), another run (`allow`). None: `join` with effects,
    otherwise `allow`.
    `approve`: the people who must agree before it runs (`never`, `user`, `staff`).
    `ask`: the question whether it shall run, by language, with parameters in braces. None: "Shall I
    do that?" It also tells the user to wait for staff.
    `effects`: it changes the world.
    `data_arguments`: whether the user must agree (`ask`) if a tool with effects gets arguments that
    the user has not said, but a document or a result of a tool. `allow`: it runs.
    `roles`: the roles whose calls may use it. Empty: all.
    `phrases`: sentences that ask for it, with parameters in braces, also by language.
    `slots`: for a parameter how it is asked for and spoken (`ask`, `after`, `synonyms`,
    `part_of_day`). Both are for a brain without a language model.
    `show`: whether a page that asks for our own events gets those of its runs.

    Raises `UnfitFunctionError`.
    """
    rules = ToolRules(
        say=fillers(say),
        say_after_s=_seconds("say_after", say_after),
        timeout_s=_seconds("timeout", timeout),
        interrupt=_one_of("interrupt", interrupt, ToolInterrupt),
        repeat=_one_of("repeat", repeat or ("join" if effects else "allow"), ToolRepeat),
        approve=_one_of("approve", approve, ToolApproval),
        ask=_texts("ask", ask),
        effects=bool(effects),
        data_arguments=_one_of("data_arguments", data_arguments, DataArguments),
        roles=_names(roles),
        show=bool(show),
    )

    def declare(declared: F) -> F:
        signature = signatures.read(declared, Call)
        if not signature.description:
            raise UnfitFunctionError("has no docstring, so no model knows what it is for")
        check_question(rules.ask, signature.parameters)
        schema = add_phrases(signature.parameters, phrases) if phrases else signature.parameters
        signature = replace(signature, parameters=add_slots(schema, slots or {}))
        setattr(declared, DECLARATION, FunctionTool(declared, signature, rules))
        return declared

    return declare if function is None else declare(function)


def fillers(say: str | Mapping[str, str] | None) -> dict[str, str]:
    """Return a filler by language. None: the server's own. Raises `UnfitFunctionError`."""
    return dict(ONE_MOMENT) if say is None else _texts("say", say)


def _texts(name: str, given: str | Mapping[str, str] | None) -> dict[str, str]:
    """Return texts by language. Raises `UnfitFunctionError`."""
    table = {EVERY: given} if isinstance(given, str) else dict(given or {})
    if not all(isinstance(text, str) for pair in table.items() for text in pair):
        raise UnfitFunctionError(f"{name} must be a text, or a table of texts by language")
    for language in table.keys() - {EVERY}:
        if not LANGUAGE.fullmatch(language):
            raise UnfitFunctionError(f"{name}: {not_of_form(language)}")
    return {language: text for language, text in table.items() if text.strip()}


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 600:
        raise UnfitFunctionError(f"{name} must be a number of seconds up to 600")
    return float(value)


def _names(roles: Any) -> tuple[str, ...]:  # noqa: ANN401
    listed = isinstance(roles, list | tuple)
    if not listed or not all(isinstance(role, str) for role in roles):
        raise UnfitFunctionError("roles must be a list of texts")
    return tuple(roles)


def _one_of(name: str, value: Any, kind: Any) -> Any:  # noqa: ANN401
    if value not in get_args(kind):
        raise UnfitFunctionError(f"{name} must be one of {', '.join(get_args(kind))}")
    return value


class FunctionRunner:
    """The `ToolRunner` of all functions of one assistant."""

    def __init__(
        self,
        tools: Sequence[FunctionTool],
        *,
        search: Search | None = None,
        database: Callable[[], AssistantDatabase] | None = None,
        read_image: ReadImage | None = None,
        name: str = "tools",
    ) -> None:
        """`name`: of its threads."""
        self._tools = {each.spec.name: each for each in tools}
        self._specs = tuple(each.spec for each in tools)
        self._search = search
        self._database = database
        self._read_image = read_image
        self._threads = DaemonThreads(name)

    def specs(self, context: ToolContext) -> tuple[ToolSpec, ...]:
        """Return all functions, the same for every call."""
        return self._specs

    def rules(self, name: str) -> ToolRules:
        return self._tools[name].rules

    async def call(self, request: ToolRequest, context: ToolContext) -> ToolResult:
        """Run the function. What it raises passes: the server makes a result of it."""
        found = self._tools[request.name]
        try:
            values = found.signature.parse(request.arguments)
        except ValidationError as error:
            return failed(signatures.wrong_arguments(error))
        if found.signature.call:
            call = Call(request, context, self._search, self._database, self._read_image)
            values[found.signature.call] = call
        if inspect.iscoroutinefunction(found.function):
            result = await found.function(**values)
        else:
            result = await self._threads.run(lambda: found.function(**values))
        return ToolResult(output_of(result))


def output_of(value: object) -> str:
    """Return what a function returned, as a model reads it. Raises `EngineError`.

    A text stays as it is. Models, dataclasses, dates, decimals and the like become JSON.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return DONE
    try:
        return pydantic_core.to_json(value, inf_nan_mode="null").decode()
    except (pydantic_core.PydanticSerializationError, ValueError, RecursionError):
        kind = type(value).__name__
        raise EngineError(f"The tool returned what cannot be JSON: {kind}.") from None


def with_rules(found: FunctionTool, **changed: object) -> FunctionTool:
    """Return the tool with some of its rules replaced: those that are not None."""
    names = {field.name for field in fields(ToolRules)}
    rules = {name: value for name, value in changed.items() if value is not None and name in names}
    return replace(found, rules=replace(found.rules, **rules))  # type: ignore[arg-type]
