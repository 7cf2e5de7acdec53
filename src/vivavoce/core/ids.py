"""Ids as the protocol spells them: a kind, then base62. Pure: time and random bytes are arguments.

`item_1WbFd2kQm0TsLr8vXa3Zp`: seven characters of milliseconds since 1970, then 80 random bits. So
ids of one kind sort by the time at which they were made, and the next one cannot be guessed. They
name things. They are not secrets.
"""

from __future__ import annotations

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"  # in the order of ASCII
RANDOM_BYTES = 10  # random bytes in an id
TIME_LENGTH = 7  # enough until 2081

_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]


def base62(number: int, length: int) -> str:
    """Return `number` in `length` digits, zero-padded: texts sort like their numbers."""
    pairs = []
    for _ in range((length + 1) // 2):
        number, pair = divmod(number, 3844)
        pairs.append(_PAIRS[pair])
    return "".join(reversed(pairs))[-length:]


def length_of(size: int) -> int:
    """Return how many characters any `size` bytes need."""
    length = 0
    while 62**length < 256**size:
        length += 1
    return length


def opaque(data: bytes) -> str:
    """Return bytes as base62 of constant length: 14 characters for 10 bytes, 43 for 32."""
    return base62(int.from_bytes(data), length_of(len(data)))


def new_id(kind: str, epoch: float, random_bytes: bytes) -> str:
    """Return a new id. `kind`: the prefix without `_`. `epoch`: unix seconds.

    `random_bytes`: `RANDOM_BYTES` of them, from the operating system's generator.
    """
    number = int.from_bytes(random_bytes)
    return f"{kind}_{base62(int(epoch * 1000), TIME_LENGTH)}{base62(number, 14)}"
