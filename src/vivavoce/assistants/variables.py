"""The variables that a caller may set and a prompt may use: `[variables.…]`."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..toml import did_you_mean
from .validation import FieldProblem, wrong

TEXT_CHARACTERS = 1000
LARGEST = 10**300  # within the range of a float, which JSON carries
_NUMBER = re.compile(r"[+-]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][+-]?[0-9]{1,4})?")
RESERVED = frozenset({"name", "title", "role", "language", "now"})  # names that every prompt has

Value = str | int | float | date | None
"""None: a number or date without a value and a default. Prompts render it as nothing."""


class AssistantSection(BaseModel):
    """A table of `assistant.toml`: TOML's own types, and no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Variable(AssistantSection):
    type: Literal["text", "number", "date", "choice"] = "text"
    default: object = None
    description: str = Field("", max_length=1000)
    choices: tuple[str, ...] = Field((), strict=False, max_length=100)

    def parse(self, value: object) -> Value:
        """Return a value as prompts get it. Raises `ValueError` with a sentence for the caller."""
        match self.type:
            case "text":
                return _text(value)
            case "number":
                return _number(value)
            case "date":
                return _date(value)
            case "choice":
                if isinstance(value, str) and value in self.choices:
                    return value
                hint = did_you_mean(value, self.choices) if isinstance(value, str) else ""
                raise ValueError(f"must be one of {', '.join(self.choices)}{hint}")

    def accepts(self, value: object) -> bool:
        """Return whether `parse` takes the value."""
        try:
            self.parse(value)
        except ValueError:
            return False
        return True

    @property
    def fallback(self) -> Value:
        if self.default is not None:
            return self.parse(self.default)
        return {"text": "", "choice": self.choices[0] if self.choices else ""}.get(self.type)

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if (self.type == "choice") != bool(self.choices):
            problem = "must list at least one" if self.choices == () else 'needs type = "choice"'
            raise wrong(FieldProblem(problem, ("choices",)))
        if self.default is not None:
            try:
                self.parse(self.default)
            except ValueError as error:
                raise wrong(FieldProblem(str(error), ("default",))) from None
        return self


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    if len(value) > TEXT_CHARACTERS:
        raise ValueError(f"may have at most {TEXT_CHARACTERS} characters")
    if any(not c.isprintable() and c not in "\n\t" for c in value):
        raise ValueError("must not contain control characters")
    return value


def _number(value: object) -> int | float:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value) if value.lstrip("+-").isdigit() else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    if not -LARGEST <= value <= LARGEST:  # NaN is in no range
        raise ValueError("must be a number of at most 300 digits")
    return value


def _date(value: object) -> date:
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise ValueError("must be a date such as 2027-05-13") from None
    if not isinstance(value, date) or isinstance(value, datetime):
        raise ValueError("must be a date such as 2027-05-13")
    return value
