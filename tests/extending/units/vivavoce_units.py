"""Convert units of length, mass and temperature: 26.2 miles are 42.2 kilometres."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vivavoce.api import (
    AdapterRequest,
    AdapterSpec,
    ToolContext,
    ToolRequest,
    ToolResult,
    ToolRunner,
    ToolSpec,
)

Unit = Literal[
    "metre", "kilometre", "mile", "foot", "gram", "kilogram", "pound", "celsius", "fahrenheit"
]
SCALES: dict[str, tuple[str, float, float]] = {  # kind, factor, and offset to the base unit
    "metre": ("length", 1.0, 0.0),
    "kilometre": ("length", 1000.0, 0.0),
    "mile": ("length", 1609.344, 0.0),
    "foot": ("length", 0.3048, 0.0),
    "gram": ("mass", 1.0, 0.0),
    "kilogram": ("mass", 1000.0, 0.0),
    "pound": ("mass", 453.59237, 0.0),
    "celsius": ("temperature", 1.0, 0.0),
    "fahrenheit": ("temperature", 5 / 9, -160 / 9),
}


class Table(BaseModel):
    """The keys of a `[[tools]]` table of this kind."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field("convert_units", pattern=r"^[A-Za-z0-9_-]{1,64}$")
    decimals: int = Field(1, ge=0, le=6)


class Conversion(BaseModel):
    """The arguments of a tool call."""

    amount: float = Field(allow_inf_nan=False)
    unit: Unit = Field(description="the unit of the amount")
    to: Unit = Field(description="the unit of the result")


class Units:
    """Convert an amount. All calls of an assistant share this object, so it holds no state."""

    def __init__(self, table: Table) -> None:
        self._decimals = table.decimals
        self._spec = ToolSpec(
            name=table.name,
            description="Convert an amount from one unit into another.",
            parameters=Conversion.model_json_schema(),
        )

    def specs(self, context: ToolContext) -> tuple[ToolSpec, ...]:
        """Return one tool, the same for all calls."""
        return (self._spec,)

    async def call(self, request: ToolRequest, context: ToolContext) -> ToolResult:
        """Return the result as a sentence, or the names of the arguments that are wrong."""
        try:
            asked = Conversion.model_validate_json(request.arguments)
        except ValidationError as error:
            wrong = sorted({str(each["loc"][0]) for each in error.errors() if each["loc"]})
            names = ", ".join(wrong) or "all of them"
            return ToolResult(f"These arguments are missing or wrong: {names}.", failed=True)
        return self._convert(asked)

    def _convert(self, asked: Conversion) -> ToolResult:
        (kind, factor, offset), (other, divisor, base) = SCALES[asked.unit], SCALES[asked.to]
        if kind != other:
            return ToolResult(
                f"A {asked.unit} is no {other}, so it has no {asked.to}.", failed=True
            )
        result = (asked.amount * factor + offset - base) / divisor
        if not math.isfinite(result):
            return ToolResult("The amount is too large.", failed=True)
        return ToolResult(f"{asked.amount:g} {asked.unit} = {result:.{self._decimals}f} {asked.to}")


async def make(request: AdapterRequest) -> ToolRunner:
    """Make the runner of one `[[tools]]` table."""
    return Units(request.table)


units = AdapterSpec(kind="tool", name="units", make=make, table_model=Table)
