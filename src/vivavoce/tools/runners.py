"""Composes runners, and holds every one of them to the rules of the port.

A tool call always ends with a `ToolResult`: before its deadline, with an output of bounded size in
valid Unicode. A failure is an error text for the model. It has no stack trace, and the log shows
only the type and the place of an exception, because its message may quote a user.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec

from ..bounded_work import LateError, within
from ..core.types import ToolSpec
from ..errors import EngineError
from ..failures import describe, leaves
from ..protocol.surrogates import whole_text
from .arguments import problems
from .base import (
    DEFAULT_RULES,
    RemoteToolRunner,
    RuledToolRunner,
    ToolContext,
    ToolRequest,
    ToolResult,
    ToolRules,
    ToolRunner,
)
from .repeats import Repeats
from .reporting import Reporting
from .results import failed

log = logging.getLogger("vivavoce.tools")

TIMEOUT_S = 30.0
OUTPUT_BYTES = 64 * 1024
ERROR_CHARACTERS = 1000  # of a message that a tool raises
FAILED = "The tool failed."
SPECS = 128  # of one runner
SPEC_BYTES = 64 * 1024  # of one tool, as JSON
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class ToolLimits:
    """The limits of one tool call."""

    timeout_s: float = TIMEOUT_S
    output_bytes: int = OUTPUT_BYTES


DEFAULT_LIMITS = ToolLimits()


class ToolRunners:
    """All tools of one assistant that the server runs. It is a `ToolRunner` itself."""

    def __init__(
        self,
        runners: Iterable[ToolRunner] = (),
        *,
        reserved: frozenset[str] = frozenset(),
        limits: ToolLimits = DEFAULT_LIMITS,
    ) -> None:
        """`reserved`: names that no tool may have, because the client has tools of these names."""
        # Those that other servers name come last, so that they lose a conflict of names.
        self._runners = tuple(sorted(runners, key=lambda r: isinstance(r, RemoteToolRunner)))
        self._left_out: set[str] = set()  # names, each of which was logged
        self._reserved = reserved
        self._limits = limits
        self._repeats = Repeats()

    def specs(self, context: ToolContext) -> tuple[ToolSpec, ...]:
        """Return the tools of all runners. Raises `EngineError` if they are not valid."""
        return tuple(spec for spec, _ in self._found(context).values())

    async def connected(self, seconds: float) -> list[str]:
        """Wait at most this long for other servers. Return why some of them cannot be used."""
        remote = [each for each in self._runners if isinstance(each, RemoteToolRunner)]
        waiting = (each.connected(seconds) for each in remote)
        results = await asyncio.gather(*waiting, return_exceptions=True)
        return [str(each) for each in results if isinstance(each, EngineError)]

    def rules(self, context: ToolContext) -> dict[str, ToolRules]:
        """Return the rules of each tool, by name. Raises `EngineError` if they are not valid."""
        return {name: _rules_of(runner, name) for name, (_, runner) in self._found(context).items()}

    def prepare(self, request: ToolRequest, context: ToolContext) -> ToolRequest | ToolResult:
        """Return the request with the arguments as the tool gets them, or why it cannot begin."""
        prepared = self._prepared(request, context)
        return prepared if isinstance(prepared, ToolResult) else prepared[0]

    async def call(self, request: ToolRequest, context: ToolContext) -> ToolResult:
        """Run the tool of this name. Never raises, apart from a cancellation of the caller."""
        prepared = self._prepared(request, context)
        if isinstance(prepared, ToolResult):
            return prepared
        request, runner, rules = prepared
        return await self._repeats.run(
            request, context, rules, lambda: self._reported(runner, request, context, rules)
        )

    def _prepared(
        self, request: ToolRequest, context: ToolContext
    ) -> tuple[ToolRequest, ToolRunner, ToolRules] | ToolResult:
        """Return what a call needs, or its failure if it cannot begin."""
        try:
            found = self._found(context)
        except EngineError:
            return failed("The tools of this assistant do not work at the moment.")
        if request.name not in found:
            return failed(f"there is no tool named {whole_text(request.name)[:64]}")
        arguments = request.arguments.strip() or "{}"  # some models send nothing for no arguments
        if not _is_object(arguments):
            return failed("The arguments must be a JSON object.")
        spec, runner = found[request.name]
        given = msgspec.json.decode(arguments)
        if wrong := _wrong_arguments(spec, given, context):
            return failed(wrong)
        try:
            rules = _rules_of(runner, request.name)
        except EngineError as error:
            return self._told(error)
        arguments = json.dumps(given, ensure_ascii=False)
        return replace(request, arguments=arguments), runner, rules

    async def _reported(
        self, runner: ToolRunner, request: ToolRequest, context: ToolContext, rules: ToolRules
    ) -> ToolResult:
        reporting = Reporting(context)
        try:
            return await self._run(runner, request, reporting.context, rules)
        finally:
            reporting.over = True

    async def _run(
        self, runner: ToolRunner, request: ToolRequest, context: ToolContext, rules: ToolRules
    ) -> ToolResult:
        about = {
            "call": context.call_id,
            "tool_call": request.tool_call_id,
            "adapter": _type(runner),
        }
        timeout_s = rules.timeout_s or self._limits.timeout_s
        try:
            result = await within(timeout_s, runner.call(request, context), about)
            return self._checked(result)
        except LateError:
            log.warning("tool_late", extra=about | {"seconds": timeout_s})
            unknown = " It may have done its work all the same." if rules.effects else ""
            late = failed(f"The tool did not answer within {timeout_s:g} s.{unknown}")
            return replace(late, unknown=True)
        except EngineError as error:  # raised on purpose
            return self._told(error)
        except Exception as error:
            log.error("tool_failed", extra=about | describe(error))
            meant = [each for each in leaves(error) if isinstance(each, EngineError)]
            return self._told(meant[0]) if meant else replace(failed(FAILED), unknown=True)

    def _told(self, error: EngineError) -> ToolResult:
        """Return the words of an error, cut to the size of an output."""
        try:
            text = whole_text(str(error)[:ERROR_CHARACTERS])
        except Exception:  # code of any package runs here
            return failed(FAILED)
        while len((result := failed(text)).output.encode()) > self._limits.output_bytes and text:
            text = text[: len(text) // 2]  # JSON writes some characters in several bytes
        return result

    def _checked(self, result: object) -> ToolResult:
        """Return a result that every encoder can carry. Raises `TypeError` for another type."""
        if not isinstance(result, ToolResult) or not isinstance(result.output, str):
            raise TypeError("a ToolResult expected")
        most = self._limits.output_bytes
        if len(result.output) > most:  # so nothing of hundreds of megabytes is encoded
            return failed(f"The output of the tool has more than {most} bytes.")
        output = whole_text(result.output)
        if (size := len(output.encode())) > most:
            return failed(f"The output of the tool has {size} bytes. At most {most} are allowed.")
        return ToolResult(output, bool(result.failed), bool(result.unknown))

    def _found(self, context: ToolContext) -> dict[str, tuple[ToolSpec, ToolRunner]]:
        """Return each tool that this call may use and its runner, by name. Raises `EngineError`."""
        found: dict[str, tuple[ToolSpec, ToolRunner]] = {}
        for runner in self._runners:
            for spec in _specs_of(runner, context):
                if not _may_use(context, runner, spec.name):
                    continue
                if spec.name in found or spec.name in self._reserved:
                    if isinstance(runner, RemoteToolRunner):
                        self._leave_out(spec.name, context)
                        continue
                    message = f'two tools are named "{spec.name}"'
                    raise EngineError(message, "tools_not_valid")
                found[spec.name] = spec, runner
        return found

    def _leave_out(self, name: str, context: ToolContext) -> None:
        if name not in self._left_out:
            self._left_out.add(name)
            about = {"assistant": context.assistant, "tool": name}
            log.warning("tool_left_out", extra=about | {"reason": "another tool has its name"})


NO_TOOLS = ToolRunners()


def _specs_of(runner: ToolRunner, context: ToolContext) -> tuple[ToolSpec, ...]:
    """Return the tools of one runner. Raises `EngineError` if anything is wrong with them."""
    try:
        specs = runner.specs(context)
        if not isinstance(specs, tuple) or len(specs) > SPECS or not all(map(_is_valid, specs)):
            raise TypeError("a tuple of valid ToolSpecs expected")
    except BaseException as error:  # a synchronous `specs` cannot be cancelled
        about = {"call": context.call_id, "assistant": context.assistant}
        log.error("tools_not_valid", extra=about | {"adapter": _type(runner)} | describe(error))
        raise EngineError("The tools of this assistant are not valid.", "tools_not_valid") from None
    return specs


def _rules_of(runner: ToolRunner, name: str) -> ToolRules:
    """Return the rules of one tool. Raises `EngineError` if the runner has none for it."""
    if not isinstance(runner, RuledToolRunner):
        return DEFAULT_RULES
    try:
        rules = runner.rules(name)
        if not isinstance(rules, ToolRules):
            raise TypeError("ToolRules expected")
    except BaseException as error:  # as in `_specs_of`
        log.error("tools_not_valid", extra={"adapter": _type(runner)} | describe(error))
        raise EngineError("The tools of this assistant are not valid.", "tools_not_valid") from None
    return rules


def _may_use(context: ToolContext, runner: ToolRunner, name: str) -> bool:
    """Return whether the tool is for the role of this call. Raises `EngineError`."""
    roles = _rules_of(runner, name).roles
    return not roles or context.role in roles


def _is_valid(spec: object) -> bool:
    """Return True if a session can carry this tool."""
    if not isinstance(spec, ToolSpec) or not NAME.fullmatch(spec.name):
        return False
    if not isinstance(spec.description, str) or not isinstance(spec.parameters, dict):
        return False
    return len(msgspec.json.encode(spec)) <= SPEC_BYTES


def _wrong_arguments(spec: ToolSpec, arguments: object, context: ToolContext) -> str:
    """Say what is wrong with the arguments. A runner judges them alone if its schema is broken."""
    try:
        wrong = problems(spec.parameters, arguments)
    except ValueError as error:
        about = {"call": context.call_id, "assistant": context.assistant, "tool": spec.name}
        log.warning("tool_schema_not_valid", extra=about | {"reason": str(error)})
        return ""
    return f"These arguments are wrong. {'; '.join(wrong)}" if wrong else ""


def _is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (ValueError, RecursionError):
        return False


def _type(runner: object) -> str:
    return type(runner).__name__
