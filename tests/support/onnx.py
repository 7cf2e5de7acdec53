"""Write ONNX model files: the fields of their protobuf messages that tests need.

Written by hand, field by field, because nothing here needs the package that writes such files. The
numbers of fields and types are those of the published `onnx.proto`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

IR_VERSION = 8
OPSET = 17  # the first one with LayerNormalization
TYPES = {"float32": 1, "int8": 3, "int64": 7, "float16": 10}

Array = np.ndarray[Any, Any]
Dimensions = Sequence[str | int]


@dataclass
class Graph:
    """A graph that grows node by node. Names of values are made unless they are given."""

    nodes: list[bytes] = field(default_factory=list)
    constants: list[bytes] = field(default_factory=list)
    made: int = 0

    def add(self, kind: str, *inputs: str, into: str = "", **attributes: float | list[int]) -> str:
        """Add a node, and return the name of its output."""
        name = into or self._name()
        given = b"".join(_text(1, each) for each in inputs)
        told = b"".join(_part(5, _attribute(*each)) for each in attributes.items())
        self.nodes.append(_part(1, given + _text(2, name) + _text(4, kind) + told))
        return name

    def constant(self, values: Array) -> str:
        """Add an array, and return its name."""
        name = self._name()
        shape = b"".join(_number(1, each) for each in values.shape)
        about = shape + _number(2, TYPES[values.dtype.name]) + _text(8, name)
        self.constants.append(_part(5, about + _part(9, np.ascontiguousarray(values).tobytes())))
        return name

    def model(
        self,
        inputs: Mapping[str, tuple[str, Dimensions]],
        outputs: Mapping[str, tuple[str, Dimensions]],
    ) -> bytes:
        """Return the file. `inputs` and `outputs`: the type and the shape of each value."""
        values = [
            *(_part(11, _value(name, *each)) for name, each in inputs.items()),
            *(_part(12, _value(name, *each)) for name, each in outputs.items()),
        ]
        graph = b"".join([*self.nodes, _text(2, "graph"), *self.constants, *values])
        opset = _text(1, "") + _number(2, OPSET)
        return _number(1, IR_VERSION) + _part(7, graph) + _part(8, opset)

    def _name(self) -> str:
        self.made += 1
        return f"v{self.made}"


def mean_model(*shape: int, wanted: str = "input_features") -> bytes:
    """Return a model that maps n by `shape` floats to n numbers between 0 and 1."""
    graph = Graph()
    axes = list(range(1, len(shape) + 1))
    mean = graph.add("ReduceMean", wanted, axes=axes, keepdims=0)
    graph.add("Sigmoid", mean, into="over")
    return graph.model({wanted: ("float32", ("n", *shape))}, {"over": ("float32", ("n",))})


def _attribute(name: str, value: float | list[int]) -> bytes:
    if isinstance(value, list):
        return _text(1, name) + b"".join(_number(8, each) for each in value) + _number(20, 7)
    if isinstance(value, float):
        return _text(1, name) + _varint(2 << 3 | 5) + struct.pack("<f", value) + _number(20, 1)
    return _text(1, name) + _number(3, value) + _number(20, 2)


def _value(name: str, kind: str, dimensions: Dimensions) -> bytes:
    shape = b"".join(
        _part(1, _text(2, d) if isinstance(d, str) else _number(1, d)) for d in dimensions
    )
    return _text(1, name) + _part(2, _part(1, _number(1, TYPES[kind]) + _part(2, shape)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _part(field, value.encode())


def _part(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1  # negative numbers in two's complement
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
