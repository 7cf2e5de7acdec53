"""Ids as the protocol spells them: a kind, then base62. Pure: time and dice are arguments.

`item_1WbFd2kQm0TsLr8vXa3Zp`: seven characters of milliseconds since 1970, then 80 random bits. So
ids of one kind sort by the time they were made, and nobody guesses the next one. They name
things; they are no secrets.
"""

from __future__ import annotations

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # in the order of ASCII
RANDOM_BYTES = 10  # random bytes in an id
TIME_LENGTH = 7  # enough until 2081

_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]


def base62(number: int, length: int) -> str:
    """`number` in `length` characters, filled up with zeros. Numbers compare as their texts do."""
    pairs = []
    for _ in range((length + 1) // 2):
        number, pair = divmod(number, 3844)
        pairs.append(_PAIRS[pair])
    return "".join(reversed(pairs))[-length:]


def length_of(size: int) -> int:
    """How many characters hold `size` bytes, whatever they are."""
    length = 0
    while 62**length < 256**size:
        length += 1
    return length


def opaque(data: bytes) -> str:
    """Bytes as base62, always equally long: 14 characters for 10 bytes, 43 for 32."""
    return base62(int.from_bytes(data), length_of(len(data)))


def new_id(kind: str, epoch: float, dice: bytes) -> str:
    """`kind` is the prefix without its `_`; `epoch` unix seconds; `dice` ten random bytes."""
    number = int.from_bytes(dice)
    return f"{kind}_{base62(int(epoch * 1000), TIME_LENGTH)}{base62(number, 14)}"
