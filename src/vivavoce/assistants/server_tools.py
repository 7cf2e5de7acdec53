"""The `[[tools]]` tables whose tools the server runs. The adapter of a kind defines its keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo

from ..toml import did_you_mean, plain_message
from .validation import FieldProblem, ValidationContext, wrong

CLIENT = "client"  # the kind whose tools the client runs; all others are the server's


class _NoKeys(BaseModel):
    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class ServerToolTable:
    """One table of a kind that the server runs. `table`: its keys, as the kind's model."""

    kind: str
    table: Any


def is_server_kind(value: object, info: ValidationInfo) -> bool:
    """Return True if this table names a kind that the server runs."""
    kind = value.get("kind") if isinstance(value, dict) else None
    return kind != CLIENT and kind in ValidationContext.of(info).known.tool_kinds


def check_kind(value: dict[str, object], info: ValidationInfo) -> None:
    """Refuse a kind that this server does not have. Raises the error of `wrong`."""
    kind, known = value.get("kind", CLIENT), ValidationContext.of(info).known
    if not isinstance(kind, str):
        raise wrong(FieldProblem("must be text", ("kind",)))
    if reason := known.reasons.get(("tool", kind)):
        raise wrong(FieldProblem(f'the kind "{kind}" is not available: {reason}', ("kind",)))
    if kind not in known.tool_kinds:
        hint = did_you_mean(kind, known.tool_kinds)
        raise wrong(
            FieldProblem(f"must be one of {', '.join(sorted(known.tool_kinds))}{hint}", ("kind",))
        )


def read(value: dict[str, object], info: ValidationInfo) -> ServerToolTable:
    """Validate a table by the model of its kind. Raises the error of `wrong` with every problem."""
    kind = str(value["kind"])
    model = ValidationContext.of(info).known.tool_models.get(kind, _NoKeys)
    keys = {name: each for name, each in value.items() if name != "kind"}
    problems = list(_unknown(keys, model))
    try:
        table = model.model_validate(keys, context=info.context)
    except ValidationError as error:
        problems += _problems(error, model)
    except Exception as error:  # code of any package runs here
        problems.append(FieldProblem(f"cannot be checked: {type(error).__name__}"))
    if problems:
        raise wrong(*problems)
    return ServerToolTable(kind, table)


def _unknown(keys: dict[str, object], model: type[BaseModel]) -> Iterator[FieldProblem]:
    """Yield the keys that the model would ignore: an author has misspelt them."""
    if model.model_config.get("extra", "ignore") == "ignore":
        for name in keys.keys() - _names(model):
            yield _no_key(name, model)


def _problems(error: ValidationError, model: type[BaseModel]) -> Iterator[FieldProblem]:
    for each in error.errors(include_url=False):
        key = each["loc"]
        if each["type"] == "problems":
            for problem in each["ctx"]["problems"]:
                yield replace(problem, key=(*key, *problem.key))
        elif each["type"] == "extra_forbidden" and len(key) == 1:
            yield _no_key(str(key[0]), model)
        else:
            yield FieldProblem(plain_message(each), key)


def _no_key(name: str, model: type[BaseModel]) -> FieldProblem:
    return FieldProblem(f"is not a key here{did_you_mean(name, _names(model))}", (name,))


def _names(model: type[BaseModel]) -> set[str]:
    return {"kind", *(field.alias or name for name, field in model.model_fields.items())}
