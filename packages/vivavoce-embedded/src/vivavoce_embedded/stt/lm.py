"""The recogniser's language model of one assistant: general English, mixed with its own words.

Making one takes 2 s of pure arithmetic, so a child process does it, once for each state of the
assistant's texts; the result lies in the cache under the hash of everything that went into it.

    python -m vivavoce_embedded.stt.lm FOLDER < corpus.json
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import os
import signal
import sys
import tempfile
from pathlib import Path

import msgspec

from vivavoce.engines.child_process import command, environment
from vivavoce.errors import EngineError

from . import ngrams
from .corpus import Corpus
from .g2p import dictionary

BACKGROUND = Path(__file__).with_name("background.arpa.gz")
VERSION = 1  # of the way that models are made

LM, DICT = "model.arpa", "words.dict"


class ModelFiles(msgspec.Struct, frozen=True):
    lm: Path
    dict: Path


async def prepare(corpus: Corpus, cache: Path) -> ModelFiles:
    """Return the model of these sentences, from the cache or newly made.

    Without sentences it is general English alone. Raises `EngineError` if it cannot be made.
    """
    data = json.dumps(corpus).encode()
    folder = cache / f"lm-{_fingerprint(data)}"
    files = ModelFiles(folder / LM, folder / DICT)
    if not await asyncio.to_thread(files.dict.exists):
        await _make(data, cache, folder)
    return files


def _fingerprint(data: bytes) -> str:
    digest = hashlib.sha256(f"{VERSION} ".encode())
    digest.update(BACKGROUND.read_bytes())
    digest.update(data)
    return digest.hexdigest()[:24]


async def _make(data: bytes, cache: Path, folder: Path) -> None:
    """Make it beside its place and then move it, so that no reader finds half of it."""
    try:
        await asyncio.to_thread(cache.mkdir, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".making-") as making:
            made = Path(making) / "model"
            await _run(data, made)
            await asyncio.to_thread(_move, made, folder)
    except OSError as error:
        raise EngineError(f"The language model cannot be stored: {error.strerror}") from error


def _move(made: Path, folder: Path) -> None:
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():  # another process may have made the same one meanwhile
            raise


async def _run(data: bytes, made: Path) -> None:
    child = await asyncio.create_subprocess_exec(
        *command(__name__, str(made)), env=environment(__name__), stdin=asyncio.subprocess.PIPE
    )
    try:
        await child.communicate(data)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode:
        raise EngineError("The language model could not be made.")


def make(corpus: Corpus, folder: Path) -> None:
    """Write the model's two files into a new folder."""
    from pocketsphinx import get_model_path

    with gzip.open(BACKGROUND, "rt", encoding="utf-8") as lines:
        model = ngrams.read_arpa(lines)
    special = ngrams.count(corpus)
    model = ngrams.mix(special, model, share=0.5 if corpus else 0.0)
    folder.mkdir()
    with open(folder / LM, "w", encoding="utf-8") as file:
        ngrams.write_arpa(model, file)
    known = Path(get_model_path("en-us/cmudict-en-us.dict"))
    with open(known, encoding="utf-8") as lines, open(folder / DICT, "w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in dictionary(model.vocabulary, lines))


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(10)  # calls go first
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the server's Ctrl-C is ours, without a word
    make(tuple((weight, text) for weight, text in json.load(sys.stdin)), Path(sys.argv[1]))
