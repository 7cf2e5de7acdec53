"""A local embedding model in a process of its own, with a small model and with a real one."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from vivavoce.config import Settings
from vivavoce.engines.builtin.onnx import embedding
from vivavoce.engines.embedding import onnx
from vivavoce.engines.embedding.onnx import OnnxEmbedder
from vivavoce.errors import EngineError
from vivavoce.knowledge.base import Embedder
from vivavoce.testing.adapters import made

from ..support import small_embedder
from ..support.onnx import mean_model
from ..support.real_time import live

E5 = Path(os.environ.get("VIVAVOCE_TEST_E5", Path(__file__).parents[2] / ".setup" / "e5"))
Vectors = np.ndarray[Any, Any]

NO_MODEL = b"no model"
TOKENS = small_embedder.tokenizer().get_vocab_size()


def chosen(folder: Path, **options: object) -> Settings:
    table = {"folder": str(folder), **options}
    return Settings.model_validate({"adapters": {"onnx": table}})


@asynccontextmanager
async def opened(folder: Path, **options: object) -> AsyncIterator[OnnxEmbedder]:
    async with made(embedding, settings=chosen(folder, **options)) as adapter:
        assert isinstance(adapter, OnnxEmbedder)
        yield adapter


def unit(vectors: Vectors) -> Vectors:
    scaled: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def workers() -> list[psutil.Process]:
    children = psutil.Process().children()
    return [each for each in children if onnx.MODULE in each.cmdline()]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_embedder.write(tmp_path_factory.mktemp("small"))


def refused(folder: Path, **options: object) -> str:
    """Return why a folder cannot be used. No process stays."""

    async def story() -> str:
        with pytest.raises(EngineError) as caught:
            async with opened(folder, **options):
                pass
        return str(caught.value)

    told = live(story())
    assert workers() == []
    return told


def network(**chosen: object) -> bytes:
    return small_embedder.network(TOKENS, **chosen)  # type: ignore[arg-type]


Break = Callable[[Path], object]


@pytest.mark.parametrize(
    ("broken", "options", "why"),
    [
        (lambda f: (f / "onnx/model.onnx").unlink(), {}, "there is no model.onnx, and no onnx/mod"),
        (lambda f: (f / "tokenizer.json").unlink(), {}, "tokenizer.json: there is no such file"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), {}, "tokenizer.json: not a tokenizer"),
        (lambda f: (f / "onnx/model.onnx").write_bytes(NO_MODEL), {}, "model.onnx: no model that"),
        (lambda f: (f / "onnx/model.onnx").write_bytes(mean_model(80)), {}, "reads input_features"),
        (
            lambda f: (f / "onnx/model.onnx").write_bytes(network(inputs=("input_ids", "pixels"))),
            {},
            "not an embedding model for texts: it reads input_ids, pixels",
        ),
        (
            lambda f: (f / "onnx/model.onnx").write_bytes(network(longest=128)),
            {},
            "a text of 512 tokens. Set max_tokens to what the model was trained with",
        ),
        (
            lambda f: (f / "onnx/model.onnx").write_bytes(small_embedder.network(3)),
            {},
            "the model cannot embed a text of 2 tokens",
        ),
        (
            lambda f: (
                (f / "onnx/model.onnx").rename(f / "onnx/a.onnx")
                and (f / "b.onnx").write_bytes(NO_MODEL)
            ),
            {},
            "`file` must say which one to use: b.onnx, onnx/a.onnx",
        ),
        (lambda f: None, {"file": "onnx/q8.onnx"}, "q8.onnx: no such file"),
        (lambda f: pooling(f, lasttoken=True), {}, "only the mean or the first token can be used"),
        (lambda f: pooling(f, cls_token=True, mean_tokens=True), {}, "only the mean or the first"),
    ],
)
def test_a_folder_that_cannot_be_used_is_named(
    tmp_path: Path, broken: Break, options: dict[str, object], why: str
) -> None:
    broken(small_embedder.write(tmp_path))
    told = refused(tmp_path, **options)
    assert why in told
    assert str(tmp_path) in told


def pooling(folder: Path, **modes: bool) -> None:
    place = folder / "1_Pooling"
    place.mkdir()
    told = {f"pooling_mode_{mode}": used for mode, used in modes.items()}
    (place / "config.json").write_text(json.dumps({"word_embedding_dimension": 64, **told}))


def test_a_folder_must_be_named_and_exist(tmp_path: Path) -> None:
    assert "no such folder" in refused(tmp_path / "none")

    async def story() -> None:
        with pytest.raises(EngineError, match="names no folder"):
            async with made(embedding):
                pass

    live(story())


def test_a_vector_is_the_mean_of_its_tokens_or_the_first_or_what_the_model_gives(
    tmp_path: Path,
) -> None:
    """The file with the tokens asks for padding, which must not change a vector."""
    folder = small_embedder.write(tmp_path)
    text = "The keynote starts at nine."

    async def vector(**options: object) -> Vectors:
        async with opened(folder, **options) as embedder:
            return (await embedder.embed([text], "query"))[0:1]

    async def story() -> None:
        mean, first = await vector(), await vector(pooling="cls")
        assert not np.allclose(mean, first)
        pooling(folder, cls_token=True, mean_tokens=False)
        assert np.allclose(await vector(), first), "the folder says so"
        own = network(pooled=True, output="sentence_embedding")
        (folder / "onnx/model.onnx").write_bytes(own)
        assert np.allclose(await vector(), mean, atol=1e-5)

    live(story())


def test_prefixes_change_vectors_and_their_id(small: Path) -> None:
    async def story() -> None:
        async with (
            opened(small) as plain,
            opened(small, query_prefix="query: ", max_tokens=8) as e5,
        ):
            assert plain.model != e5.model
            (said,) = await plain.embed(["query: nine"], "query")
            (prefixed,) = await e5.embed(["nine"], "query")
            (passage,) = await e5.embed(["nine"], "passage")
            assert np.allclose(said, prefixed)
            assert not np.allclose(prefixed, passage)
            long = await e5.embed(["nine " * 3, "nine " * 50], "query")
            one, other = unit(long)
            assert np.allclose(one, other, atol=0.2), "the rest of a long text is cut"

    live(story())


def test_all_assistants_share_one_process_which_ends_with_the_server(small: Path) -> None:
    async def story() -> None:
        from vivavoce.engines.registry import AdapterRequest
        from vivavoce.engines.resources import AdapterResources

        settings = chosen(small)
        async with AdapterResources(settings, small) as resources:
            request = AdapterRequest(resources=resources, options=embedding.options(settings))
            one, other = await asyncio.gather(embedding.make(request), embedding.make(request))
            assert one is other
            assert len(workers()) == 1
            assert embedding.check is not None
            assert await embedding.check(request) == f"read {small / 'onnx/model.onnx'}"
        assert workers() == []

    live(story())


def test_after_the_process_died_the_texts_in_work_fail_and_the_next_is_embedded(
    small: Path,
) -> None:
    async def story() -> None:
        async with opened(small) as embedder:
            (before,) = await embedder.embed(["nine"], "query")
            embedding_many = asyncio.create_task(embedder.embed(["nine"] * 10_000, "passage"))
            await embedder.embed(["nine"], "query")
            (worker,) = workers()
            worker.kill()
            with pytest.raises(EngineError, match="stopped unexpectedly"):
                await embedding_many
            (after,) = await embedder.embed(["nine"], "query")
            assert np.allclose(before, after)

    live(story())


def test_a_text_that_exceeds_its_time_ends_the_process(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with opened(small) as embedder:
            monkeypatch.setattr(onnx, "TEXT_S", 0.2)
            (worker,) = workers()
            worker.suspend()
            with pytest.raises(EngineError, match="stopped unexpectedly"):
                await embedder.embed(["nine"], "query")
            monkeypatch.setattr(onnx, "TEXT_S", 30.0)
            assert len(await embedder.embed(["nine"], "query")) == 1

    live(story())


def test_a_model_that_was_replaced_is_not_mixed_with_the_old_one(tmp_path: Path) -> None:
    folder = small_embedder.write(tmp_path)

    async def story() -> None:
        async with opened(folder) as embedder:
            (worker,) = workers()
            (folder / "onnx/model.onnx").write_bytes(network(longest=1024))
            worker.kill()
            assert embedder._reading is not None
            await asyncio.wait([embedder._reading])
            with pytest.raises(EngineError, match="the model has changed"):
                await embedder.embed(["nine"], "query")

    live(story())


def test_callers_that_go_away_leave_at_most_one_text_in_work(small: Path) -> None:
    async def story() -> None:
        async with opened(small) as embedder:
            for number in range(50):
                asking = asyncio.create_task(embedder.embed([f"text {number}"] * 100, "query"))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                asking.cancel()
                await asyncio.wait([asking])
                assert len(embedder._waiting) <= 1
            (vector,) = await embedder.embed(["nine"], "query")
            (same,) = await embedder.embed(["nine"], "passage")
            assert np.allclose(vector, same), "no answer was taken for another one"

    live(story())


def test_half_a_pair_of_utf_16_is_embedded_like_what_replaces_it(small: Path) -> None:
    async def story() -> None:
        async with opened(small) as embedder:
            one, other = await embedder.embed(["a\ud800b", "a?b"], "query")
            assert np.allclose(one, other)

    live(story())


# With a real model: `.setup/e5`, which `make test-long` makes.

QUESTIONS = {
    "Which ship sails to the isle?": 0,
    "A che ora parte la nave per l'isola?": 0,
    "¿A qué hora sale el barco?": 0,
    "Where can I hang up my jacket?": 1,
    "Dove lascio il cappotto?": 1,
    "¿Dónde dejo el abrigo?": 1,
    "When do we eat?": 2,
    "Quando si mangia?": 2,
    "¿Cuándo comemos?": 2,
}
ANSWERS = ["The boat to the island leaves at ten.", "Coats are kept in the foyer.",
           "Lunch is served in the courtyard at noon."]  # fmt: skip
PREFIXES = {"query_prefix": "query: ", "passage_prefix": "passage: "}


@pytest.mark.long
def test_a_real_model_finds_what_questions_in_three_languages_mean() -> None:
    async def story() -> None:
        async with opened(E5, **PREFIXES) as embedder:
            assert embedder.dimension == 384
            asked = unit(await embedder.embed(list(QUESTIONS), "query"))
            known = unit(await embedder.embed(ANSWERS, "passage"))
        best = (asked @ known.T).argmax(axis=1)
        assert best.tolist() == list(QUESTIONS.values())

    live(story())


async def longest_gap(busy: asyncio.Task[object]) -> float:
    """Return for how many seconds at most the loop did nothing else, until a task is done."""
    longest, last = 0.0, time.perf_counter()
    while not busy.done():
        await asyncio.sleep(0.002)
        longest, last = max(longest, (now := time.perf_counter()) - last), now
    return longest


@pytest.mark.long
@pytest.mark.alone
def test_calls_go_on_while_a_real_model_is_read_and_embeds() -> None:
    """In the server's process, the tokens of this model would hold the loop for a second."""

    async def work(embedder: Embedder) -> list[float]:
        knowledge = asyncio.create_task(embedder.embed([ANSWERS[0] * 20] * 40, "passage"))
        took = []
        for question in QUESTIONS:
            began = time.perf_counter()
            await embedder.embed([question], "query")
            took.append(time.perf_counter() - began)
        knowledge.cancel()
        await asyncio.wait([knowledge])
        return took

    async def reading() -> list[float]:
        async with opened(E5, **PREFIXES) as embedder:
            return await work(embedder)

    async def story() -> None:
        busy = asyncio.create_task(reading())
        gap = await longest_gap(busy)
        assert gap < 0.3
        took = await busy
        assert sorted(took)[len(took) // 2] < 0.1, "a question does not wait for the knowledge"

    live(story())
