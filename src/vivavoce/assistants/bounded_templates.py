"""Run Jinja2 templates within a budget of steps and of text.

The sandbox of Jinja2 limits what a template reaches, and not how long it runs or how much text it
makes: `{{ 'a' * 10**10 }}` or two nested loops would stop the server. Here a template pays before
it does anything that takes time or memory:

    each turn of a loop      a step for each node of its body, and the body's text
    each call of a macro     the same
    each operation           the size of what it reads and of what it makes
    each output              its text

The count does not depend on the speed of the machine, so a template that was loaded once is loaded
everywhere.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar, cast

from jinja2 import StrictUndefined, Template, TemplateRuntimeError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

if TYPE_CHECKING:
    from jinja2.runtime import Context

STEPS = 100_000  # of one rendering
CHARACTERS = 500_000  # that one rendering reads and makes
VALUE = 100_000  # characters of one value
ELEMENT = 10  # characters that an element of a list counts for
BITS = 20_000  # of one number
TOKENS = 3_000  # of one template, without its text
DEPTH = 20  # of macros that call each other
TEMPLATE = "<prompt>"

FILTERS = (
    "abs", "batch", "capitalize", "center", "count", "d", "default", "dictsort", "e", "escape",
    "filesizeformat", "first", "float", "forceescape", "format", "groupby", "indent", "int",
    "items", "join", "last", "length", "list", "lower", "map", "max", "min", "reject",
    "rejectattr", "replace", "reverse", "round", "safe", "select", "selectattr", "slice", "sort",
    "string", "sum", "title", "tojson", "trim", "truncate", "unique", "upper", "urlencode",
    "wordcount", "wordwrap",
)  # fmt: skip
GROWING = frozenset(
    {
        "batch", "center", "expandtabs", "indent", "join", "ljust", "replace", "rjust", "round",
        "slice", "to_bytes", "translate", "wordwrap", "zfill",
    }
)  # fmt: skip
"""Filters and methods whose result may be as large as the product of what they are given."""

FORMATTING = frozenset({"format", "format_map", "strftime"})
_WIDE = re.compile(  # a width of three digits, or one that is computed
    r"%(\([^)%]*\))?[^%A-Za-z]*([0-9]{3}|\*)|\{[^{}]*[0-9]{3}|\{[^{}]*:[^{}]*\{"
)

_NO_CODE = frozenset({"data", "whitespace", "comment", "comment_begin", "comment_end"})

T = TypeVar("T")


class TemplateTooExpensiveError(TemplateRuntimeError):
    """Report a template that exceeds its budget."""


@dataclass(slots=True)
class Budget:
    """The steps and characters that a template may still use."""

    steps: int = STEPS
    characters: int = CHARACTERS
    depth: int = DEPTH

    def spend(self, steps: int, characters: int = 0) -> None:
        self.steps -= steps
        self.characters -= characters
        if self.steps < 0:
            raise TemplateTooExpensiveError("its steps exceed the budget")
        if self.characters < 0:
            raise TemplateTooExpensiveError("its text exceeds the budget")


_budget: ContextVar[Budget] = ContextVar("budget")


@contextmanager
def spending(budget: Budget) -> Iterator[None]:
    """Let the templates in this block use the budget."""
    token = _budget.set(budget)
    try:
        yield
    finally:
        _budget.reset(token)


class BoundedCodeGenerator(CodeGenerator):
    """Compiles `a ~ b` to a call that can be counted."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:
        self.write("environment.joined((")
        for each in node.nodes:
            self.visit(each, frame)
            self.write(", ")
        self.write("))")


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Compiles templates that pay for what they do. Render them inside of `spending`."""

    code_generator_class = BoundedCodeGenerator
    intercepted_binops = frozenset(ImmutableSandboxedEnvironment.default_binop_table)

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            autoescape=False,  # this is text for a model, not markup
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=self._written,
        )
        self.globals = {"range": self.globals["range"], "dict": dict, "namespace": _Namespace}
        filters, tests = dict[str, Any](self.filters), dict[str, Any](self.tests)
        self.filters = {name: _paid(name, filters[name], self) for name in FILTERS}
        self.tests = {name: _paid(name, test, self) for name, test in tests.items()}

    def tokens(self, text: str) -> int:
        """Count what Jinja2 compiles, without the text around it, up to one more than `TOKENS`."""
        code = (kind for _, kind, _ in self.lex(text) if kind not in _NO_CODE)
        return sum(1 for _ in islice(code, TOKENS + 1))

    def bounded(self, tree: nodes.Template) -> Template:
        """Compile a parsed template. Raises `TemplateTooExpensiveError` and Jinja2's errors."""
        for node in list(_all(tree)):
            _make_pay(node)
        tree.set_environment(self)
        code = self.compile(tree, filename=TEMPLATE)
        return Template.from_code(self, code, self.make_globals(None))

    # What compiled templates call

    def spend(self, steps: int, characters: int) -> str:
        _budget.get().spend(steps, characters)
        return ""

    def steps(self, values: Iterable[T], steps: int = 1, characters: int = 0) -> Iterator[T]:
        """Yield the values, each for this price."""
        spend = _budget.get().spend
        for value in values:
            spend(steps, characters)
            yield value

    def sized(self, value: T) -> T:
        """Pay for the size of a value, and return it."""
        size = _size(value)
        if size > VALUE:
            raise TemplateTooExpensiveError("a value is too large")
        _budget.get().spend(1, size)
        return value

    def joined(self, parts: tuple[object, ...]) -> str:
        return self.sized("".join(str(self.sized(part)) for part in parts))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401
        self.sized(left)
        self.sized(right)
        _check_operation(operator, left, right)
        return self.sized(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        if getattr(__obj, "__self__", None) is __self:  # `steps`, `sized`, `spend`
            return super().call(__context, __obj, *args, **kwargs)
        budget = _budget.get()
        for each in (*args, *kwargs.values()):
            __self.sized(each)
        owner = getattr(__obj, "__self__", None)
        _check_growth(getattr(__obj, "__name__", ""), (owner, *args))
        if budget.depth == 0:
            raise TemplateTooExpensiveError("its macros call each other too deeply")
        budget.depth -= 1
        try:
            return __self.sized(super().call(__context, __obj, *args, **kwargs))
        finally:
            budget.depth += 1

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:  # noqa: ANN401
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None

        @functools.wraps(wrapped)
        def checked(*args: object, **kwargs: object) -> str:
            _check_growth("format", (value.__self__, *args, *kwargs.values()))
            return wrapped(*args, **kwargs)

        return checked

    def _written(self, value: object) -> str:
        """Return the text of an output."""
        if value is None:
            return ""
        text = value if isinstance(value, str) else str(self.sized(value))
        _budget.get().spend(1, len(text))
        return text


class _Namespace(Namespace):
    """A namespace whose text does not grow with what is in it."""

    def __repr__(self) -> str:
        return "<namespace>"


# The price of values


def _size(value: object) -> int:
    """Count characters, and elements as `ELEMENT` of them, until there are more than `VALUE`."""
    match value:
        case str() | bytes():
            return len(value)
        case range():
            return 1 + len(value) // ELEMENT
        case int():
            return 1 + value.bit_length() // 8
        case Mapping():
            return _total((*value, *value.values()))
        case Collection():
            return _total(value)
        case _:
            return 1


def _total(values: Collection[object]) -> int:
    total = 1 + ELEMENT * len(values)
    if total > VALUE:
        return total
    for each in values:
        total += _size(each)
        if total > VALUE:
            break
    return total


def _check_operation(operator: str, left: object, right: object) -> None:
    """Refuse an operation before it makes something too large."""
    match operator, left, right:
        case "*", int(), int():
            large = left.bit_length() + right.bit_length() > BITS
        case "*", _, int():
            large = _size(left) * right > VALUE
        case "*", int(), _:
            large = left * _size(right) > VALUE
        case "**", int(), int():
            large = left.bit_length() * right > BITS
        case "%", str() | bytes(), _:
            _check_growth("format", (left, right))
            return
        case _:
            return
    if large:
        raise TemplateTooExpensiveError("a value is too large")


def _check_growth(name: str, given: tuple[object, ...]) -> None:
    """Refuse a filter or a method whose result may be too large."""
    if name in FORMATTING:
        pattern = given[1:2] if name == "strftime" else given[:1]
        if any(isinstance(each, str) and _WIDE.search(each) for each in pattern):
            raise TemplateTooExpensiveError("a format is too wide")
        factors = [_size(each) + 1 for each in given]
    elif name in GROWING:
        factors = [abs(each) + 1 if isinstance(each, int) else _size(each) + 1 for each in given]
    else:
        return
    product = 1
    for factor in factors:
        product *= factor
        if product > 20 * VALUE:
            raise TemplateTooExpensiveError("a value is too large")


def _paid(name: str, function: Callable[..., Any], env: BoundedEnvironment) -> Callable[..., Any]:
    """Return a filter or a test that pays for what it reads and makes."""
    has_context = hasattr(function, "jinja_pass_arg")

    @functools.wraps(function)
    def paid(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        given = (*args[has_context:], *kwargs.values())
        for each in given:
            env.sized(each)
        _check_growth(name, given)
        made = function(*args, **kwargs)
        return env.sized(list(env.steps(made)) if isinstance(made, Iterator) else made)

    return paid


# Changes before a template is compiled


def _all(node: nodes.Node) -> Iterator[nodes.Node]:
    for child in node.iter_child_nodes():
        yield child
        yield from _all(child)


def _make_pay(node: nodes.Node) -> None:
    """Change a node so that it pays for what it does."""
    match node:
        case nodes.For():
            if node.recursive:
                raise TemplateTooExpensiveError("a loop cannot be recursive")
            node.iter = _call("steps", node.iter, *map(nodes.Const, _price(node.body)))
        case nodes.Macro() | nodes.CallBlock():
            price = _call("spend", *map(nodes.Const, _price(node.body)))
            node.body.insert(0, nodes.ExprStmt(price, lineno=node.lineno))
        case nodes.Block():
            raise TemplateTooExpensiveError("a prompt has no blocks")
        case nodes.Assign():
            node.node = _call("sized", node.node)
        case nodes.With():
            node.values = [_call("sized", value) for value in node.values]
        case nodes.Compare():
            node.expr = _call("sized", node.expr)
            for operand in node.ops:
                operand.expr = _call("sized", operand.expr)


def _price(body: Collection[nodes.Node]) -> tuple[int, int]:
    """Return the steps and the characters of a body that is run once."""
    inside = [each for node in body for each in (node, *_all(node))]
    texts = [each.data for each in inside if isinstance(each, nodes.TemplateData)]
    return 1 + len(inside), sum(map(len, texts))


def _call(name: str, *args: nodes.Node) -> nodes.Call:
    at = next((each.lineno for each in args if each.lineno), 0)
    method = nodes.EnvironmentAttribute(name, lineno=at)
    return nodes.Call(method, cast("list[nodes.Expr]", [*args]), [], None, None, lineno=at)
