"""The command line tries an embedding model, and searches by it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vivavoce.cli.main import app
from vivavoce.engines.builtin import openai as builtin

from ..support import small_embedder
from ..support.embedding_server import MODEL, EmbeddingServer, embedding_server, free_port
from .test_doctor import assistant, doctor

FERRY = "# Ferries\nThe boat to the island leaves at ten."
QUESTION = "Which ship sails to the isle?"


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    with embedding_server(synonyms={"ship": "boat", "isle": "island"}) as served:
        yield served


def ada(data: Path, url: str, model: str = MODEL) -> Path:
    (data / "vivavoce.toml").write_text(f'[embedding]\nbase_url = "{url}"\nmodel = "{model}"\n')
    assistant(data, "ada", 'knowledge.embedding = "openai"')
    folder = data / "assistants/ada"
    (folder / "knowledge").mkdir()
    (folder / "knowledge/a.md").write_text(FERRY)
    return folder


def test_doctor_embeds_a_question_and_counts_the_vectors(
    data: Path, server: EmbeddingServer
) -> None:
    ada(data, server.url)
    (found,) = doctor(data, "embedding model openai").values()
    assert found.ok
    assert f"has the model {MODEL}" in found.message
    assert "embedded a question as 512 numbers in" in found.message
    assert found.message.endswith("0 of 1 pieces of ada have vectors")


def test_doctor_does_not_use_a_model_that_may_cost_money(
    data: Path, server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def paid(*_: object) -> bool:
        return True

    spec = builtin.embedding
    monkeypatch.setattr(type(spec), "__setattr__", object.__setattr__)
    monkeypatch.setattr(spec, "paid", paid)
    ada(data, server.url)
    (found,) = doctor(data, "embedding model").values()
    assert "not used, because that may cost money" in found.message
    assert server.requests == []
    (found,) = doctor(data, "embedding model", spend=True).values()
    assert "512 numbers" in found.message


def test_doctor_says_what_is_wrong_with_the_model(data: Path, server: EmbeddingServer) -> None:
    server.fault = "dimension"
    ada(data, server.url)
    with (data / "vivavoce.toml").open("a") as file:
        file.write("dimensions = 512\n")
    (found,) = doctor(data, "embedding model").values()
    assert "vectors of 100 numbers, not 512. (ada uses it)" in found.message


def test_doctor_and_assistants_check_name_a_server_that_is_dead(data: Path) -> None:
    port = free_port()
    folder = ada(data, f"http://127.0.0.1:{port}/v1")
    (found,) = doctor(data, "embedding model").values()
    assert f"127.0.0.1:{port}" in found.message
    assert found.fix.startswith("[embedding] base_url in vivavoce.toml")
    done = CliRunner().invoke(app, ["assistants", "check", str(folder), "--data-dir", str(data)])
    assert done.exit_code == 0
    assert f"[knowledge] embedding: the model server (/models): 127.0.0.1:{port}" in done.output


def test_a_model_that_the_server_does_not_have_is_named(
    data: Path, server: EmbeddingServer
) -> None:
    ada(data, server.url, "e5")
    (found,) = doctor(data, "embedding model").values()
    assert f"has no model e5: it has {MODEL}" in found.message
    assert found.fix.startswith("Choose one of them under [embedding]")


def search(data: Path) -> tuple[list[str], str]:
    words = ["knowledge", "search", "ada", QUESTION, "--json", "--data-dir", str(data)]
    done = CliRunner().invoke(app, words)
    return [each["source"] for each in json.loads(done.stdout)], done.stderr


def test_a_search_embeds_what_has_no_vector_and_says_when_it_cannot(
    data: Path, server: EmbeddingServer
) -> None:
    ada(data, server.url)
    assert search(data) == (["a.md"], "")
    server.requests.clear()
    assert search(data) == (["a.md"], "")
    assert server.texts() == [QUESTION], "a second search finds the vectors on disk"
    server.fault = "500"
    found, told = search(data)
    assert found == []
    assert "searched by words only: engine_failed" in told


def test_doctor_reads_a_local_model_and_says_why_it_cannot(data: Path) -> None:
    ada(data, "http://127.0.0.1:9/v1")
    toml = data / "assistants/ada/assistant.toml"
    toml.write_text(toml.read_text().replace('"openai"', '"onnx"'))
    (found,) = doctor(data, "embedding model onnx").values()
    assert "[adapters.onnx] names no folder" in found.message
    assert "a folder with an ONNX model and its tokenizer.json" in found.fix
    model = small_embedder.write(data / "model")
    (data / "vivavoce.toml").write_text(f'[adapters.onnx]\nfolder = "{model}"\n')
    (found,) = doctor(data, "embedding model onnx").values()
    assert found.ok
    assert f"read {model / 'onnx/model.onnx'}" in found.message
    assert f"embedded a question as {small_embedder.DIMENSION} numbers in" in found.message
    (model / "tokenizer.json").unlink()
    (found,) = doctor(data, "embedding model onnx").values()
    assert "tokenizer.json: there is no such file (ada uses it)" in found.message
