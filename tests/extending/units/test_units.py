"""Hold the tool to the contract of tool runners."""

import asyncio

import pytest
import vivavoce_units

from vivavoce.api import ToolRequest
from vivavoce.testing.adapters import made
from vivavoce.testing.contracts import tool

TABLE = vivavoce_units.Table(decimals=1)
CASE = tool.Case(
    opened=lambda: made(vivavoce_units.units, table=TABLE),
    name="convert_units",
    arguments='{"amount": 26.2, "unit": "mile", "to": "kilometre"}',
    output="26.2 mile = 42.2 kilometre",
)


@pytest.mark.parametrize("check", tool.CHECKS)
def test_the_tool_keeps_the_contract(check: tool.Check) -> None:
    check(CASE)


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        ('{"amount": 37, "unit": "celsius", "to": "fahrenheit"}', "37 celsius = 98.6 fahrenheit"),
        (
            '{"amount": -40, "unit": "fahrenheit", "to": "celsius"}',
            "-40 fahrenheit = -40.0 celsius",
        ),
        ('{"amount": "2", "unit": "pound", "to": "gram"}', "2 pound = 907.2 gram"),
        ('{"amount": 1, "unit": "mile", "to": "gram"}', "A mile is no mass, so it has no gram."),
        ('{"amount": 1e308, "unit": "mile", "to": "foot"}', "The amount is too large."),
        ('{"amount": "many", "unit": "mile"}', "These arguments are missing or wrong: amount, to."),
        ("[1]", "These arguments are missing or wrong: all of them."),
    ],
)
def test_a_conversion_has_its_result(arguments: str, output: str) -> None:
    runner = vivavoce_units.Units(TABLE)
    request = ToolRequest("call_1", "convert_units", arguments)
    assert asyncio.run(runner.call(request, tool.CONTEXT)).output == output
