"""The page's files, and the paths beside them."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx2
import pytest

from vivavoce.access.hosts import Hosts
from vivavoce.http import application, static_page
from vivavoce.http.services import Services


def never_served() -> AbstractAsyncContextManager[Services]:
    raise AssertionError("no route here needs a service")


def ask(method: str, path: str) -> httpx2.Response:
    async def asked() -> httpx2.Response:
        transport = httpx2.ASGITransport(
            application.make(never_served, hosts=Hosts(), secure=False)
        )
        async with httpx2.AsyncClient(transport=transport, base_url="http://here") as http:
            return await http.request(method, path)

    return asyncio.run(asked())


@pytest.fixture(autouse=True)
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "app.js").write_text("0;")
    monkeypatch.setattr(static_page, "STATIC", tmp_path)


@pytest.mark.parametrize("path", ["/", "/index.html", "/app.js"])
def test_files_of_the_page_are_served(path: str) -> None:
    assert ask("GET", path).status_code == 200
    assert ask("HEAD", path).status_code == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/realtime/x", "/nothing.js"])
def test_P16_beside_the_page_an_unknown_path_gets_404_by_every_method(
    method: str, path: str
) -> None:
    assert ask(method, path).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/models", "GET"),
        ("GET", "/v1/realtime/client_secrets", "POST"),
        ("GET", "/v1/realtime/calls", "POST"),
        ("OPTIONS", "/openai/v1/realtime/client_secrets/cs_1", "DELETE"),
        ("POST", "/app.js", "GET, HEAD"),
        ("POST", "/", "GET, HEAD"),
    ],
)
def test_P16_beside_the_page_a_known_path_gets_405_with_its_methods(
    method: str, path: str, allowed: str
) -> None:
    answer = ask(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_X16_a_file_of_the_page_is_kept_and_asked_about_and_a_refusal_is_not_kept() -> None:
    assert ask("GET", "/").headers["cache-control"] == "no-cache"
    assert ask("GET", "/nothing").headers["cache-control"] == "no-store"
