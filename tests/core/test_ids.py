from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.core import ids


@pytest.mark.parametrize("kind", ["event", "item", "resp", "conv", "sess", "rtc", "key"])
def test_an_id_looks_like_the_protocols(kind: str) -> None:
    made = ids.new_id(kind, 1_700_000_000.5, bytes(range(10)))
    assert re.fullmatch(rf"{kind}_[0-9A-Za-z]{{21}}", made)


@settings(deadline=None)
@given(
    st.floats(0, 2**41 / 1000 - 1),
    st.floats(0, 2**41 / 1000 - 1),
    st.binary(min_size=10, max_size=10),
    st.binary(min_size=10, max_size=10),
)
def test_ids_sort_by_their_time(one: float, other: float, a: bytes, b: bytes) -> None:
    if int(one * 1000) < int(other * 1000):
        assert ids.new_id("item", one, a) < ids.new_id("item", other, b)


@settings(deadline=None)
@given(st.binary(min_size=10, max_size=10), st.binary(min_size=10, max_size=10))
def test_other_random_bytes_give_another_id(a: bytes, b: bytes) -> None:
    assert (ids.new_id("item", 1.0, a) == ids.new_id("item", 1.0, b)) == (a == b)


@settings(deadline=None)
@given(st.integers(1, 40))
def test_bytes_of_one_size_are_equally_long(size: int) -> None:
    length = ids.length_of(size)
    assert len(ids.opaque(bytes(size))) == len(ids.opaque(b"\xff" * size)) == length
    assert 62 ** (length - 1) < 256**size <= 62**length


def test_base62_counts_in_the_order_of_text() -> None:
    assert [ids.base62(n, 2) for n in (0, 9, 10, 61, 62, 3843)] == [
        "00",
        "09",
        "0A",
        "0z",
        "10",
        "zz",
    ]
    assert ids.base62(61, 1) == "z"
    assert ids.opaque(b"\xff" * 32) == ids.base62(2**256 - 1, 43)
