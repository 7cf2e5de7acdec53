"""The smallest model file there can be: the mean of what it is given, through a sigmoid.

Written by hand, field by field, because nothing here needs the package that writes such files.
"""

from __future__ import annotations


def mean_model(*shape: int, wanted: str = "input_features") -> bytes:
    """Return a model that maps n by `shape` floats to n numbers between 0 and 1."""
    axes = b"".join(_number(8, axis) for axis in range(1, len(shape) + 1))
    attributes = _part(5, _text(1, "axes") + axes + _number(20, 7))
    attributes += _part(5, _text(1, "keepdims") + _number(3, 0) + _number(20, 2))
    mean = _text(1, wanted) + _text(2, "mean") + _text(4, "ReduceMean") + attributes
    squash = _text(1, "mean") + _text(2, "over") + _text(4, "Sigmoid")
    graph = _part(1, mean) + _part(1, squash) + _text(2, "mean")
    graph += _part(11, _floats(wanted, "n", *shape)) + _part(12, _floats("over", "n"))
    return _number(1, 8) + _part(7, graph) + _part(8, _text(1, "") + _number(2, 13))


def _floats(name: str, *dimensions: str | int) -> bytes:
    shape = b"".join(
        _part(1, _text(2, d) if isinstance(d, str) else _number(1, d)) for d in dimensions
    )
    return _text(1, name) + _part(2, _part(1, _number(1, 1) + _part(2, shape)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _part(field, value.encode())


def _part(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
