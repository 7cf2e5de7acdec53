from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vivavoce.toml import did_you_mean, plain_message


class Inner(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)


class Sample(BaseModel):
    """One field of each kind that settings and assistants use."""

    model_config = ConfigDict(allow_inf_nan=False)

    text: Annotated[str, Field(min_length=1, max_length=3, pattern="^a*$")] = "a"
    whole: Annotated[int, Field(ge=0, le=9)] = 1
    number: Annotated[float, Field(gt=0, lt=1)] = 0.5
    flag: bool = False
    items: Annotated[tuple[str, ...], Field(min_length=1)] = ("a",)
    table: dict[str, str] = {}
    inner: Inner = Inner()
    path: Path = Path()
    choice: Literal["a", "b"] = "a"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("text", 1, "must be text"),
        ("text", "", "must not be empty"),
        ("text", "aaaa", "must have at most 3 characters"),
        ("text", "b", "must match pattern '^a*$'"),
        ("whole", "few", "must be a whole number"),
        ("whole", 1.5, "must be a whole number"),
        ("whole", [], "must be a whole number"),
        ("whole", "9" * 5000, "must be a whole number of fewer digits"),
        ("whole", -1, "must be at least 0"),
        ("whole", 10, "must be at most 9"),
        ("number", "half", "must be a number"),
        ("number", [], "must be a number"),
        ("number", 0, "must be greater than 0"),
        ("number", 1, "must be less than 1"),
        ("number", float("inf"), "must be a finite number"),
        ("flag", "so", "must be true or false"),
        ("flag", [], "must be true or false"),
        ("items", 1, "must be a list"),
        ("items", [], "must not be empty"),
        ("table", 1, "must be a table"),
        ("inner", 1, "must be a table"),
        ("path", 1, "must be a path"),
        ("choice", "c", "must be 'a' or 'b'"),
    ],
)
def test_plain_message_speaks_toml_and_not_pydantic(key: str, value: object, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Sample.model_validate({key: value})
    assert [plain_message(error) for error in caught.value.errors()] == [message]


@pytest.mark.parametrize(
    ("name", "names", "prefix", "hint"),
    [
        ("prot", ["host", "port"], "", ' (did you mean "port"?)'),
        ("prot", ["host", "port"], "server.", ' (did you mean "server.port"?)'),
        ("xyz", ["host", "port"], "", ""),
        ("port", ["port"], "", ""),  # the same name is not a correction
        ("port", [], "", ""),
    ],
)
def test_did_you_mean_names_the_most_similar_name(
    name: str, names: list[str], prefix: str, hint: str
) -> None:
    assert did_you_mean(name, names, prefix) == hint
