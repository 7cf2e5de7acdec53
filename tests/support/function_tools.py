"""A second implementation of the port `ToolRunner`: Python functions."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pydantic import TypeAdapter, ValidationError, validate_call

from vivavoce.core.types import ToolSpec
from vivavoce.tools.base import ToolContext, ToolRequest, ToolResult


class FunctionTools:
    """Run async functions. Each is a tool of its name, and its signature is the tool's schema."""

    def __init__(self, *functions: Callable[..., Any], wants: Sequence[str] = ()) -> None:
        """`wants`: names of functions that take the `ToolContext` first."""
        self._functions = {each.__name__: each for each in functions}
        self._wants = frozenset(wants)

    def specs(self, context: ToolContext) -> tuple[ToolSpec, ...]:
        return tuple(self._spec(name, context) for name in self._functions)

    async def call(self, request: ToolRequest, context: ToolContext) -> ToolResult:
        arguments = json.loads(request.arguments)
        try:
            result = await validate_call(self._function(request.name, context))(**arguments)
        except ValidationError as error:
            wrong = [".".join(map(str, each["loc"])) for each in error.errors()]
            return ToolResult(f"These arguments are wrong: {', '.join(wrong)}.", failed=True)
        return ToolResult(result if isinstance(result, str) else json.dumps(result))

    def _spec(self, name: str, context: ToolContext) -> ToolSpec:
        schema = TypeAdapter[Any](self._function(name, context)).json_schema()
        description = inspect.getdoc(self._functions[name]) or ""
        return ToolSpec(name=name, description=description, parameters=schema)

    def _function(self, name: str, context: ToolContext) -> Any:  # noqa: ANN401
        """Return the function as its caller sees it: without the context."""
        function = self._functions[name]
        return partial(function, context) if name in self._wants else function
