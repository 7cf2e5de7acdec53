"""A real server of `/v1/embeddings` in a thread, which embeds by trigrams and can fail."""

from __future__ import annotations

import json
import socket
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from vivavoce.testing import trigrams

MODEL = "trigrams"


@dataclass
class EmbeddingServer:
    """The requests that the server got, and how it answers the next ones.

    `fault`: `429`, `500`, `count`, `dimension` (another one), `changes` (of the dimension, at each
    request), `nan`, `key`, `text`, or "" for none. `synonyms`: words that mean the same, for
    questions in other words. `free`: answers wait until it is set.
    """

    url: str = ""
    fault: str = ""
    base64: bool = False
    synonyms: dict[str, str] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    free: threading.Event = field(default_factory=threading.Event)

    def texts(self) -> list[str]:
        """Return all texts that it was asked to embed."""
        return [text for request in self.requests for text in request["input"]]

    def answer(self, request: dict[str, Any]) -> tuple[int, bytes]:
        self.requests.append(request)
        self.free.wait(30)
        if self.fault in ("429", "500"):
            error = {"code": "rate_limit_exceeded"} if self.fault == "429" else {}
            return int(self.fault), json.dumps({"error": error}).encode()
        if self.fault == "key":
            return 400, json.dumps({"error": {"code": "sk-secret", "type": "sk-secret"}}).encode()
        if self.fault == "text":
            return 200, b"<html>"
        meant = [self._meant(text) for text in request["input"]]
        vectors = trigrams.vectors(meant, request.get("dimensions") or trigrams.DIMENSION)
        if self.fault == "dimension":
            vectors = vectors[:, :100]
        if self.fault == "changes":
            vectors = vectors[:, : 100 + len(self.requests)]
        if self.fault == "count":
            vectors = vectors[1:]
        if self.fault == "nan":
            vectors[0, 0] = np.nan
        data = [{"index": n, "embedding": self._told(each)} for n, each in enumerate(vectors)]
        return 200, json.dumps({"data": data[::-1]}).encode()  # the order is the index's

    def _told(self, vector: np.ndarray[Any, Any]) -> list[float] | str:
        if self.base64:
            return b64encode(vector.astype("<f4").tobytes()).decode()
        return [float(each) for each in vector]

    def _meant(self, text: str) -> str:
        for word, same in self.synonyms.items():
            text = text.replace(word, same)
        return text


@contextmanager
def embedding_server(**chosen: Any) -> Iterator[EmbeddingServer]:  # noqa: ANN401
    """Serve on loopback. `chosen`: fields of `EmbeddingServer`."""
    served = EmbeddingServer(**chosen)
    served.free.set()
    connections: list[socket.socket] = []

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            connections.append(self.connection)

        def do_GET(self) -> None:
            self._send(200, json.dumps({"data": [{"id": MODEL}]}).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._send(*served.answer(json.loads(body)))

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None: ...  # a client that has gone

    with Server(("127.0.0.1", 0), Requests) as server:
        served.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield served
        finally:
            served.free.set()
            server.shutdown()
            thread.join()
            for each in connections:  # one that is kept open would be answered
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
