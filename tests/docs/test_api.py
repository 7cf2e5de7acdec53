"""The public API is complete and documented."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from msgspec import inspect

from vivavoce import api
from vivavoce.engines import base

PAGE = (Path(__file__).parents[2] / "docs/reference/api.md").read_text("utf-8")
ROWS = re.findall(r"^\| `([\w.]+)` \| (.+) \|$", PAGE, re.MULTILINE)
NAMES = [name for name, _ in ROWS if "." not in name]
MODULES = [name for name, _ in ROWS if "." in name]


def has_docstring(value: object) -> bool:
    """Return whether it has a docstring that `dataclass` did not make of the signature."""
    own = vars(value) if isinstance(value, type) else {"__doc__": value.__doc__}
    text = own.get("__doc__") or ""
    return bool(text) and not text.startswith(f"{getattr(value, '__name__', '')}(")


def test_the_page_lists_exactly_the_names_of_the_api() -> None:
    assert sorted(NAMES) == sorted(api.__all__)


@pytest.mark.parametrize("name", api.__all__)
def test_each_class_and_function_of_the_api_has_a_docstring(name: str) -> None:
    value = getattr(api, name)
    if name in {"SAMPLE_RATE", "BYTES_PER_MS", "Item", "GenerateOutput", "TextKind"}:
        assert not isinstance(value, type)  # a number or a union: the page explains it
    else:
        assert has_docstring(value)


def test_a_class_without_a_docstring_is_found() -> None:
    class Bare(msgspec.Struct):
        pass

    assert not has_docstring(Bare)
    assert has_docstring(base.Brain)


def test_every_type_in_the_fields_of_a_public_type_is_public() -> None:
    """An adapter can annotate whatever it receives or returns."""
    public = {getattr(api, name) for name in api.__all__}
    structs = [
        each for each in public if isinstance(each, type) and issubclass(each, msgspec.Struct)
    ]
    used = {each for struct in structs for each in structs_in(struct)}
    assert {each.__name__ for each in used - public if not each.__name__.startswith("Mcp")} == set()


def structs_in(struct: type[msgspec.Struct]) -> set[type]:
    """Return the message types that the fields of a type name."""
    described = inspect.type_info(struct)
    assert isinstance(described, inspect.StructType)
    found, open_ = set[type](), [field.type for field in described.fields]
    while open_:
        kind = open_.pop()
        if isinstance(kind, inspect.StructType):
            found.add(kind.cls)
        elif isinstance(kind, inspect.UnionType):
            open_ += kind.types
        elif isinstance(kind, inspect.VarTupleType):
            open_.append(kind.item_type)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_each_module_for_tests_on_the_page_exists(module: str) -> None:
    assert module.startswith("vivavoce.testing.")
    __import__(module)
