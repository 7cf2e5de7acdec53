"""Templates that would run or grow without end stop at their budget, and ordinary ones do not.

Times are not measured: the budget counts steps and characters. `tests/hostile` measures.
"""

from __future__ import annotations

import tracemalloc
from datetime import date
from typing import Any

import pytest
from pydantic_core import PydanticCustomError

from vivavoce.assistants.bounded_templates import STEPS, TOKENS, Budget
from vivavoce.assistants.prompts import PromptTemplate, UnfitPromptError, allowance

VALUES = {"n": 10**300, "day": date(2027, 5, 13), "text": "x" * 1000, "count": 3, "name": "Ada"}


def rendered(text: str) -> str:
    return PromptTemplate.parse(text).render(VALUES)


def problem(text: str) -> str:
    """Return why the template cannot be compiled or rendered."""
    with pytest.raises((PydanticCustomError, UnfitPromptError)) as error:
        rendered(text)
    if not isinstance(error.value, PydanticCustomError):
        return str(error.value)
    context: dict[str, Any] = error.value.context or {}
    return str(context["problems"][0].message)


def doubling(what: str, start: str = "'aa'") -> str:
    turns = "{% for i in range(99) %}{% set ns.x = " + what + " %}{% endfor %}{{ ns.x }}"
    return "{% set ns = namespace(x=" + start + ") %}" + turns


STEPS_ARE_COUNTED = {
    "nested loops": "{% for a in range(900) %}{% for b in range(900) %}{% endfor %}{% endfor %}",
    "nested loops that take nothing": (
        "{% for a in range(900) %}{% for b in range(900) if false %}{% endfor %}{% endfor %}"
    ),
    "macros that call themselves twice": (
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(18) }}"
    ),
    "a large body": "{% for a in range(900) %}" + "{% if n %}{% endif %}" * 300 + "{% endfor %}",
}


@pytest.mark.parametrize("name", STEPS_ARE_COUNTED)
def test_X10_a_template_stops_at_its_budget_of_steps(name: str) -> None:
    assert problem(STEPS_ARE_COUNTED[name]) == "its steps exceed the budget"


TEXT_IS_COUNTED = {
    "loops that write": "{% for a in range(900) %}" + "x" * 60_000 + "{% endfor %}",
    "loops that keep": (
        "{% for a in range(900) %}{% set y %}" + "x" * 60_000 + "{% endset %}{% endfor %}"
    ),
    "outputs of a variable": "{{ text }}" * 600,
    "a filter of a block": (
        "{% filter upper %}{% for a in range(900) %}" + "x" * 6000 + "{% endfor %}{% endfilter %}"
    ),
    "a macro's text": (
        "{% macro f() %}" + "x" * 60_000 + "{% endmacro %}" + "{% set y = f() %}" * 20
    ),
    "searches of a large text": (
        "{% set t = 'ab' * 40000 %}{% for a in range(99) %}{% if 'abc' in t %}{% endif %}"
        "{% endfor %}"
    ),
}


@pytest.mark.parametrize("name", TEXT_IS_COUNTED)
def test_X10_a_template_stops_at_its_budget_of_text(name: str) -> None:
    assert problem(TEXT_IS_COUNTED[name]) == "its text exceeds the budget"


TOO_LARGE = (
    "{{ 'a' * 10**10 }}",
    "{{ 'a' * 10000000000 }}",  # Jinja2 could compute it while it compiles
    "{{ 10000000000 * 'a' }}",
    "{{ 'a' * n }}",
    "{{ [0] * 10**9 }}",
    "{{ 10**(10**10) }}",
    "{{ 2 ** n }}",
    "{{ n * n ** 90 }}",
    "{{ range(99999) | list }}",
    "{{ 'a' | center(10000000000) }}",
    "{{ 'a'.ljust(10**10) }}",
    "{{ '1'.zfill(n) }}",
    "{{ ('a' * 60000) | replace('', 'b' * 60000) }}",
    "{{ ('a' * 60000).replace('a', 'b' * 60000) }}",
    "{{ range(900) | join('x' * 90000) }}",
    "{{ ('x' * 90000).join('y' * 90000) }}",
    "{{ 'a\n' | indent(10**9) }}",
    "{{ ('\n' * 9000) | indent('x' * 90000, true, true) }}",
    "{{ [1] | batch(10**9, 0) | list }}",
    "{{ [1] | slice(10**9) | list }}",
    "{{ 2 | round(10**9, 'floor') }}",
    "{{ count.to_bytes(10**10) }}",
    "{{ ('a' * 60000).translate({97: 'x' * 90000}) }}",
    "{{ ('\t' * 60000).expandtabs(100000) }}",
    "{{ '" + "{0}" * 15_000 + "'.format(text * 50) }}",
    "{{ dict(a=1).fromkeys(range(99999), 'x') | length }}",
    doubling("ns.x * 2"),
    doubling("ns.x + ns.x"),
    doubling("ns.x ~ ns.x"),
    doubling("[ns.x, ns.x]"),
    doubling("{'a': ns.x.items(), 'b': ns.x.values()}", "{'a': 1}"),
    doubling("ns.x * ns.x", "n"),
)


@pytest.mark.parametrize("text", TOO_LARGE)
def test_X10_a_value_is_refused_before_it_is_too_large(text: str) -> None:
    assert problem(text) in ("a value is too large", "its text exceeds the budget")


@pytest.mark.parametrize(
    "text",
    [
        "{{ '%10000000000d' % 1 }}",
        "{{ '%10000000000d' | format(1) }}",
        "{{ '%(a)10000000000d' % {'a': 1} }}",
        "{{ '%*d' % (10**9, 1) }}",
        "{{ '%.*f' % (10**9, 1.0) }}",
        "{{ '{:10000000000}'.format(1) }}",
        "{{ '{:{}}'.format(1, 10**10) }}",
        "{{ '{a:1000000000}'.format_map({'a': 1}) }}",
        "{{ day.strftime('%1000000000Y') }}",
    ],
)
def test_X10_a_format_is_refused_before_it_is_too_wide(text: str) -> None:
    assert problem(text) == "a format is too wide"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "its macros call each other too"),
        ("{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}", "a loop cannot be recursive"),
        ("{% block x %}{{ self.x() }}{% endblock %}", "a prompt has no blocks"),
        ("{{ " + "(" * 1400 + "1" + ")" * 1400 + " }}", "it is nested too deeply"),
        ("{{ " + "not " * 1400 + "1 }}", "it is nested too deeply"),
        ("{% if n %}" * 250 + "{% endif %}" * 250, ""),
        ("{% for a in [1] %}" * 150 + "{% endfor %}" * 150, ""),
        ("{{ n }}" * (TOKENS // 3 + 1), "has more than 3000 tokens of code"),
        ("{{ 1" + " + 1" * 30_000 + " }}", "has more than 3000 tokens of code"),
        ("{{ lipsum(10**9) }}", "'lipsum' is undefined"),
    ],
)
def test_X10_a_recursive_or_deep_template_is_a_problem_of_its_own(text: str, why: str) -> None:
    assert why in problem(text)


def test_X10_the_worst_templates_cost_little_memory() -> None:
    tracemalloc.start()
    try:
        for text in TOO_LARGE:
            problem(text)
        assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    finally:
        tracemalloc.stop()


def test_X10_all_roles_and_languages_together_have_a_budget() -> None:
    template = PromptTemplate.parse("{% for a in range(9000) %}{{ a }}{% endfor %}")
    budget = allowance()
    tries = 0
    while (problem := template.attempt(VALUES, budget)) is None:
        tries += 1
        assert tries < 100
    assert tries > 10
    assert "its steps exceed the budget" in problem.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ name }}, {{ day.isoformat() }}, {{ day.year + 1 }}", "Ada, 2027-05-13, 2028"),
        ("{{ day.strftime('%d.%m.%Y') }}", "13.05.2027"),
        ("{% for a in range(3) %}{{ loop.index }}/{{ loop.length }};{% endfor %}", "1/3;2/3;3/3;"),
        ("{% for a, b in {'x': 1}.items() %}{{ a }}{{ b }}{% endfor %}", "x1"),
        ("{% for a in [3, 1] | sort if a > 1 %}{{ a }}{% else %}-{% endfor %}", "3"),
        ("{% set a = [name, 'Bob'] %}{{ a | join(', ') }} {{ a | length }}", "Ada, Bob 2"),
        ("{% set a %}<{{ name }}>{% endset %}{{ a | upper }}", "<ADA>"),
        ("{% macro hi(who) %}Hi {{ who }}{% endmacro %}{{ hi('Bo') }}", "Hi Bo"),
        ("{% macro b() %}[{{ caller() }}]{% endmacro %}{% call b() %}x{% endcall %}", "[x]"),
        ("{% with a = count %}{{ a * 2 }}{% endwith %}", "6"),
        ("{{ 'In 2027: %.1f' % 2.25 }} {{ '{:>5}'.format(name) }}", "In 2027: 2.2   Ada"),
        ("{{ [1, 2] }} {{ {'a': none} }} {{ none }}", "[1, 2] {'a': None}"),
        ("{{ range(4) | map('string') | join }} {{ name ~ '-' ~ count }}", "0123 Ada-3"),
        ("{{ 'yes' if count is odd and name in ['Ada'] else 'no' }}", "yes"),
        ("{{ name[0] }}{{ name[::-1] }}{{ text | truncate(8) }}", "AadAxxxxx..."),
        ("{% set ns = namespace(a=0) %}{% for i in range(5) %}{% set ns.a = ns.a + i %}"
         "{% endfor %}{{ ns.a }}", "10"),
    ],
)  # fmt: skip
def test_an_ordinary_template_stays_within_its_budget(text: str, said: str) -> None:
    budget = Budget()
    assert PromptTemplate.parse(text).render(VALUES, budget) == said
    assert budget.steps > STEPS * 0.99
