"""Write the folder of a small embedding model that knows no language: real files, made in 0.1 s.

Its tokens are pieces of words, found in a few sentences by the library that reads them again. A
token has a random vector, the same on every machine, so texts with the same words are alike.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from .onnx import Graph

DIMENSION = 64
SENTENCES = (
    "The keynote starts at nine. When does the keynote start?",
    "Coats are kept in the foyer. The boat to the island leaves at ten.",
)


def tokenizer() -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    made.train_from_iterator(SENTENCES, trainer)
    made.enable_padding(length=32)  # as files of some models have it
    return made


def network(
    tokens: int,
    *,
    output: str = "last_hidden_state",
    inputs: tuple[str, ...] = ("input_ids", "attention_mask"),
    pooled: bool = False,
    longest: int = 2048,
) -> bytes:
    """Return the bytes of a network. It fails for a text of more than `longest` tokens.

    `pooled`: it gives one vector for each text.
    """
    graph = Graph()
    table = np.random.default_rng(1).normal(size=(tokens, DIMENSION)).astype(np.float32)
    places = graph.constant(np.zeros((1, longest, DIMENSION), np.float32))
    length = graph.add("Gather", graph.add("Shape", inputs[0]), graph.constant(np.array([1])))
    zero, one = graph.constant(np.array([0])), graph.constant(np.array([1]))
    used = graph.add("Slice", places, zero, length, one)
    words = graph.add("Gather", graph.constant(table), inputs[0])
    if pooled:
        both = graph.add("Add", words, used)
        graph.add("ReduceMean", both, into=output, axes=[1], keepdims=0)
    else:
        graph.add("Add", words, used, into=output)
    shape = ("batch", DIMENSION) if pooled else ("batch", "tokens", DIMENSION)
    kind = ("int64", ("batch", "tokens"))
    return graph.model(dict.fromkeys(inputs, kind), {output: ("float32", shape)})


def write(folder: Path, model: str = "onnx/model.onnx", content: bytes | None = None) -> Path:
    """Write the folder, and return it. `content`: of the network's file."""
    made = tokenizer()
    path = folder / model
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(network(made.get_vocab_size()) if content is None else content)
    made.save(str(folder / "tokenizer.json"))
    return folder
