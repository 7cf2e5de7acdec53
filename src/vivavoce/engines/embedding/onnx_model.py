"""Read an ONNX model for texts from a folder, and embed one text at a time.

The folder has the layout that models are published with: `model.onnx` or `onnx/model.onnx`, beside
`tokenizer.json`, and often sentence-transformers' `1_Pooling/config.json`.

    text ─► tokens, at most `max_tokens` ─► network ─► `sentence_embedding`, or the pooled tokens

One text at a time, without padding: on one thread, several together took as long, and a network
with dynamic quantization then gives a text other numbers beside other texts.
"""

from __future__ import annotations

import glob
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from ...errors import EngineError
from ...file_reading import UnreadableFileError, read_bytes
from .onnx_wire import CODE, ModelChoice, Pooling

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOKENIZER = "tokenizer.json"
TOKENIZER_BYTES = 128 * 1024 * 1024
POOLING = "1_Pooling/config.json"
POOLING_BYTES = 64 * 1024
POOLINGS: dict[str, Pooling] = {"mean_tokens": "mean", "cls_token": "cls"}
TYPES: dict[str, type[np.integer]] = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})
OUTPUTS = ("sentence_embedding", "last_hidden_state", "token_embeddings")  # the first that is there


class OnnxModel:
    """Threads may share it."""

    def __init__(self, chosen: ModelChoice) -> None:
        """Read the files, which takes seconds. Raises `EngineError` for any other folder."""
        folder = Path(chosen.folder)
        self.file = _model_file(folder, chosen.file)
        tokenizer = folder / TOKENIZER
        self._pooling = chosen.pooling or _pooling_of(folder)
        self._tokenizer = _tokenizer(tokenizer, chosen.max_tokens)
        self._network = _network(self.file, chosen.threads)
        self._types = _inputs(self._network, self.file)
        names = [each.name for each in self._network.get_outputs()]
        self._output = next((each for each in OUTPUTS if each in names), names[0])
        self.digest = _digest([*_parts(self.file), tokenizer])
        self.dimension = self._try(chosen.max_tokens)

    def embed(self, text: str) -> NDArray[np.float32]:
        """Return the vector of a text. Raises `EngineError`."""
        tokens = self._tokenizer.encode(text)
        if not tokens.ids:
            return np.zeros(self.dimension, np.float32)
        given = {
            "input_ids": tokens.ids,
            "attention_mask": tokens.attention_mask,
            "token_type_ids": tokens.type_ids,
        }
        arrays = {name: np.array([given[name]], kind) for name, kind in self._types.items()}
        try:
            (found,) = self._network.run([self._output], arrays)
        except Exception as error:  # onnxruntime's own have no common base
            message = f"{self.file}: the model cannot embed a text of {len(tokens.ids)} tokens"
            raise EngineError(message, CODE) from error
        return self._pooled(found, np.array(tokens.attention_mask, np.float32))

    def _pooled(self, found: object, mask: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return one vector of what the network gives: shape (1, n) or (1, tokens, n)."""
        given = found if isinstance(found, np.ndarray) else np.zeros(0)
        if (
            given.ndim not in (2, 3)
            or len(given) != 1
            or not np.issubdtype(given.dtype, np.floating)
        ):
            raise EngineError(f"{self.file}: {self._output} is not a vector for a text", CODE)
        values = given[0].astype(np.float32)
        if values.ndim == 1:
            vector: NDArray[np.float32] = values
            return vector
        if len(values) != len(mask):
            raise EngineError(f"{self.file}: {self._output} has no vector for each token", CODE)
        if self._pooling == "cls":
            first: NDArray[np.float32] = values[0]
            return first
        mean: NDArray[np.float32] = mask @ values / max(float(mask.sum()), 1.0)
        return mean

    def _try(self, max_tokens: int) -> int:
        """Embed a short text and the longest one. Return the dimension. Raises `EngineError`."""
        dimension = len(self.embed("a"))
        try:
            self.embed("a " * max_tokens)
        except EngineError as error:
            message = f"{error}. Set max_tokens to what the model was trained with"
            raise EngineError(message, CODE) from None
        return dimension


def _model_file(folder: Path, named: str | None) -> Path:
    """Return the network's file. If the folder has several, `named` says which one."""
    if not folder.is_dir():
        raise EngineError(f"{folder}: no such folder", CODE)
    if named is not None:
        if not (folder / named).is_file():
            raise EngineError(f"{folder / named}: no such file", CODE)
        return folder / named
    for usual in ("model.onnx", "onnx/model.onnx"):
        if (folder / usual).is_file():
            return folder / usual
    found = sorted(each for part in ("*.onnx", "onnx/*.onnx") for each in folder.glob(part))
    if len(found) == 1:
        return found[0]
    if not found:
        raise EngineError(f"{folder}: there is no model.onnx, and no onnx/model.onnx", CODE)
    names = ", ".join(each.relative_to(folder).as_posix() for each in found)
    raise EngineError(f"{folder}: `file` must say which one to use: {names}", CODE)


def _pooling_of(folder: Path) -> Pooling:
    """Return what sentence-transformers' file in the folder says, and "mean" without one."""
    path = folder / POOLING
    if not path.exists():
        return "mean"
    try:
        told = json.loads(read_bytes(path, POOLING_BYTES))
        modes = {name for name, used in told.items() if name.startswith("pooling_mode_") and used}
    except UnreadableFileError as error:
        raise EngineError(f"{path}: {error.reason}", CODE) from None
    except (ValueError, AttributeError, RecursionError):
        raise EngineError(f"{path}: not a pooling that can be read", CODE) from None
    known = [each for name, each in POOLINGS.items() if f"pooling_mode_{name}" in modes]
    if len(known) != 1 or len(modes) != 1:
        raise EngineError(f"{path}: only the mean or the first token can be used", CODE)
    return known[0]


def _tokenizer(path: Path, max_tokens: int) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_buffer(read_bytes(path, TOKENIZER_BYTES))
        tokenizer.no_padding()
        tokenizer.enable_truncation(max_tokens)
    except UnreadableFileError as error:
        raise EngineError(f"{path}: {error.reason}", CODE) from None
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library raises its panics as this
        raise EngineError(f"{path}: not a tokenizer that can be read", CODE) from error
    return tokenizer


def _network(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """Read by the path and not by the bytes: a large model has its weights in a file beside it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what fails is in the error
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own have no common base
        raise EngineError(f"{path}: no model that can be read", CODE) from error


def _inputs(network: onnxruntime.InferenceSession, path: Path) -> dict[str, type[np.integer]]:
    """Return the type of each input. Raises `EngineError` if the network reads no texts."""
    wanted = {each.name: each.type for each in network.get_inputs()}
    if "input_ids" not in wanted or wanted.keys() - INPUTS or set(wanted.values()) - set(TYPES):
        names = ", ".join(sorted(wanted))
        raise EngineError(f"{path}: not an embedding model for texts: it reads {names}", CODE)
    return {name: TYPES[kind] for name, kind in wanted.items()}


def _parts(model: Path) -> list[Path]:
    """Return the files of a network: `model.onnx`, and `model.onnx_data` if it is there."""
    return sorted(model.parent.glob(glob.escape(model.name) + "*"))


def _digest(files: list[Path]) -> str:
    """Return the SHA-256 of the files: another model makes other vectors."""
    digest = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
