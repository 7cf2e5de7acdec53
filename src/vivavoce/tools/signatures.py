"""Describe a Python function as a tool: its parameters as JSON Schema, its docstring as words.

Types come from the annotations, and pydantic checks and converts the values. The description of a
parameter stands in its annotation (`Annotated[int, "of the table"]`, or pydantic's `Field`), or in
the section `Args:` of the docstring.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

_SECTION = re.compile(r"^(Args|Arguments|Parameters|Returns|Raises|Yields|Examples?|Note)s?:\s*$")
_ARGUMENT = re.compile(r"^\s+\*{0,2}(\w+)\s*(?:\([^)]*\))?:\s*(.*)$")
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class UnfitFunctionError(Exception):
    """A function cannot be a tool. The message is for its author."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The description of a function. `model` checks its arguments, each under its own name."""

    description: str
    parameters: dict[str, Any]
    model: type[BaseModel]
    names: Mapping[str, str]  # of the parameters, by the field of the model
    call: str | None  # the parameter that takes the `Call`

    def parse(self, arguments: str) -> dict[str, Any]:
        """Return the values for the function. Raises `ValidationError`."""
        values = self.model.model_validate_json(arguments)
        return {self.names[field]: getattr(values, field) for field in self.names}


def read(function: Callable[..., Any], call_type: type) -> Signature:
    """Describe a function. `call_type`: of the parameter that the server fills.

    Raises `UnfitFunctionError`.
    """
    words, about = docstring(inspect.getdoc(function) or "")
    hints = _hints(function)
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    call: str | None = None
    for parameter in inspect.signature(function).parameters.values():
        hint = hints.get(parameter.name, inspect.Parameter.empty)
        if hint is call_type or (parameter.name == "call" and hint is inspect.Parameter.empty):
            call = parameter.name
            continue
        _check(parameter, hint)
        field = f"field_{len(fields)}"  # a parameter may have any name, also one of pydantic's
        names[field] = parameter.name
        fields[field] = _field(parameter, hint, about.get(parameter.name))
    model, parameters = _model(function.__name__, fields)
    return Signature(words, parameters, model, names, call)


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise UnfitFunctionError(
            f"an annotation names {error.name}, which is not defined"
        ) from None
    except TypeError as error:
        raise UnfitFunctionError(f"an annotation is not a type: {error}") from None


def _check(parameter: inspect.Parameter, hint: object) -> None:
    if parameter.kind in _VARIADIC or parameter.kind is inspect.Parameter.POSITIONAL_ONLY:
        raise UnfitFunctionError(f'"{parameter}" cannot be filled by name')
    if hint is inspect.Parameter.empty:
        raise UnfitFunctionError(f'the parameter "{parameter.name}" has no type')


def _field(parameter: inspect.Parameter, hint: Any, about: str | None) -> tuple[Any, Any]:  # noqa: ANN401
    extras = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    told = next((each for each in extras if isinstance(each, str)), about)
    if any(isinstance(each, FieldInfo) and each.description for each in extras):
        told = None
    missing = parameter.default is inspect.Parameter.empty
    default = PydanticUndefined if missing else parameter.default
    if told is None:
        return hint, Field(default, alias=parameter.name)
    return hint, Field(default, alias=parameter.name, description=told)


def _model(name: str, fields: dict[str, Any]) -> tuple[type[BaseModel], dict[str, Any]]:
    config = ConfigDict(extra="forbid", arbitrary_types_allowed=False)
    try:
        model: type[BaseModel] = create_model(name, __config__=config, **fields)
        return model, without_titles(model.model_json_schema())
    except PydanticUserError as error:
        raise UnfitFunctionError(str(error.message).partition("\n")[0]) from None


def without_titles(schema: Any) -> Any:  # noqa: ANN401
    """Remove the titles that pydantic makes of names: a model reads the names themselves."""
    if isinstance(schema, list):
        return [without_titles(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            kept[key] = {name: without_titles(each) for name, each in value.items()}
        elif not (key == "title" and isinstance(value, str)):
            kept[key] = without_titles(value)
    return kept


def docstring(text: str) -> tuple[str, dict[str, str]]:
    """Return what a docstring says before its sections, and what `Args:` says of each parameter."""
    words: list[str] = []
    about: dict[str, str] = {}
    section, name, margin = "", "", 0
    for line in text.splitlines():
        if found := _SECTION.match(line):
            section, name = found[1], ""
        elif not section:
            words.append(line)
        elif section in ("Args", "Arguments", "Parameters"):
            begins = _ARGUMENT.match(line)
            if begins and (not name or _indent(line) <= margin):
                name, margin = begins[1], _indent(line)
                about[name] = begins[2].strip()
            elif name and line.strip():  # it goes on in the next line
                about[name] = f"{about[name]} {line.strip()}".strip()
    return "\n".join(words).strip(), about


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def wrong_arguments(error: ValidationError) -> str:
    """Say what is wrong with the arguments, each with its path, in words that a model can use."""
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    told = [
        f"{'.'.join(map(str, each['loc'])) or 'arguments'}: {each['msg']}" for each in problems[:5]
    ]
    return f"These arguments are wrong. {'; '.join(told)}"
