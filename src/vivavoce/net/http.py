"""HTTP requests with egress rules, deadlines and size limits. No cookies, proxies or cache.

An idempotent request (GET, HEAD, …) is retried if the server was not reached or is overloaded.
Other requests are never retried. Redirects are followed only within their origin, so credentials
do not leave it. Compressed responses are not requested, so that a limit counts the bytes received.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Protocol, Self, cast

import httpcore2
import httpx2

from .egress import Egress, place, shown
from .errors import NetError

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
BUSY = frozenset({429, 502, 503, 504})
REDIRECTS = 3
ERROR_BYTES = 64 * 1024
LONGEST_LINE = 1024 * 1024
MEBIBYTE = 1024 * 1024

Files = Mapping[str, tuple[str, bytes, str]]
"""Form field → (file name, content, media type)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestLimits:
    """Seconds and bytes. `total_s` counts the time of the server, not of the response's reader."""

    connect_s: float = 5.0
    quiet_s: float = 30.0  # between two chunks
    total_s: float = 60.0
    max_bytes: int = 16 * MEBIBYTE


USUAL = RequestLimits()


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A complete response."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def full_jitter(attempt: int) -> float:
    """Return seconds before the next attempt: random, below 0.4, 0.8, … and at most 5."""
    return random.uniform(0, min(5.0, 0.2 * 2**attempt))


class _Clock:
    """The remaining time of a request. It runs only while we wait for the server."""

    def __init__(self, bounds: RequestLimits) -> None:
        self._left = bounds.total_s
        self._quiet_s = bounds.quiet_s

    @asynccontextmanager
    async def waiting(self, host: str) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(max(min(self._left, self._quiet_s), 0)):
                yield
        except TimeoutError:
            raise NetError("timeout", f"{host} did not answer in time") from None
        finally:
            self._left -= loop.time() - began


class Stream:
    """A response whose body is still arriving. Each method returns None at the end of the body."""

    def __init__(self, response: httpx2.Response, clock: _Clock, host: str, most: int) -> None:
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self._raw = response.aiter_raw()
        self._clock = clock
        self.host = host
        self._left = most
        self._rest = bytearray()
        self._ended = False

    async def piece(self) -> bytes | None:
        """Return the next chunk. Raises `NetError` if the body is over a limit or ends early."""
        try:
            async with self._clock.waiting(self.host):
                piece = await anext(self._raw)
        except StopAsyncIteration:
            return None
        except _BROKEN as error:
            raise NetError(
                "broken", f"{self.host} closed the connection before the end of the response"
            ) from error
        self._left -= len(piece)
        if self._left < 0:
            raise NetError("too_large", f"the response of {self.host} is too large")
        return piece

    async def line(self) -> bytes | None:
        """Return the next line, without its line end."""
        while (end := self._rest.find(b"\n")) < 0 and not self._ended:
            if len(self._rest) > LONGEST_LINE:
                raise NetError(
                    "too_large", f"{self.host} sent a line of more than {LONGEST_LINE} bytes"
                )
            piece = await self.piece()
            self._ended = piece is None
            self._rest += piece or b""
        if end < 0 and not self._rest:
            return None
        size = end + 1 if end >= 0 else len(self._rest)
        line = bytes(self._rest[:size])
        del self._rest[:size]
        return line.rstrip(b"\r\n")

    async def event(self) -> bytes | None:
        """Return the data of the next server-sent event. Names, ids and comments are ignored."""
        data: list[bytes] = []
        while (line := await self.line()) is not None:
            if line.startswith(b"data:"):
                data.append(line[5:].removeprefix(b" "))
            elif not line and data:
                break
        return b"\n".join(data) if data else None

    async def read(self) -> bytes:
        """Return the rest of the body."""
        whole = bytearray()
        while (piece := await self.piece()) is not None:
            whole += piece
        return bytes(whole)

    async def close(self) -> None:
        await self._raw.aclose()


class HttpClient:
    """One per process, because it keeps connections open. Use `async with` or `close`."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        trusted: Iterable[str] = (),
        tries: int = 3,
        backoff: Callable[[int], float] = full_jitter,
    ) -> None:
        self._client = httpx2.AsyncClient(
            transport=_Transport(Egress(allow_private=allow_private, trusted=trusted)),
            timeout=None,
            trust_env=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers={"Accept-Encoding": "identity", "User-Agent": "vivavoce"},
        )
        self._tries = tries
        self._backoff = backoff

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        data: Mapping[str, str] | None = None,
        files: Files | None = None,
        bounds: RequestLimits = USUAL,
    ) -> HttpResponse:
        """Return the complete response. Raises `NetError` if the request does not succeed."""
        async with self.stream(
            method, url, headers=headers, content=content, data=data, files=files, bounds=bounds
        ) as stream:
            return HttpResponse(stream.status, stream.headers, await stream.read())

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        data: Mapping[str, str] | None = None,
        files: Files | None = None,
        bounds: RequestLimits = USUAL,
    ) -> AsyncIterator[Stream]:
        """Yield the response as it arrives. Leaving the block early closes the connection."""
        clock = _Clock(bounds)
        try:
            request = self._client.build_request(
                method,
                url,
                headers=dict(headers or {}),
                content=content,
                data=dict(data) if data else None,
                files=dict(files) if files else None,
                timeout=httpx2.Timeout(None, connect=bounds.connect_s),
            )
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, UnicodeError, ValueError):
            raise NetError("refused", "the URL is not valid") from None
        response = await self._send(request, clock)
        stream = Stream(response, clock, _server(request), bounds.max_bytes)
        try:
            if response.status_code >= 300:
                raise await _refusal(stream)
            if response.headers.get("content-encoding", "identity") != "identity":
                raise NetError(
                    "broken", f"{_server(request)} sent a compressed body that was not requested"
                )
            yield stream
        finally:
            await stream.close()
            await response.aclose()

    async def _send(self, request: httpx2.Request, clock: _Clock) -> httpx2.Response:
        """Return the response whose headers arrived last, after retries and redirects."""
        tries = self._tries if request.method in IDEMPOTENT else 1
        redirects = attempt = 0
        while True:
            attempt += 1
            try:
                response = await self._try(request, clock)
            except NetError as error:
                if error.kind not in ("unreachable", "broken") or attempt >= tries:
                    raise
                await asyncio.sleep(self._backoff(attempt))
                continue
            following = response.next_request
            if response.status_code in BUSY and attempt < tries:
                await response.aclose()
                await asyncio.sleep(self._backoff(attempt))
            elif following is not None and _same_origin(request, following):
                await response.aclose()
                if redirects == REDIRECTS:
                    raise NetError(
                        "redirect", f"{_server(request)} redirects more than {REDIRECTS} times"
                    )
                redirects += 1
                request = following
            else:
                return response

    async def _try(self, request: httpx2.Request, clock: _Clock) -> httpx2.Response:
        host = _server(request)
        try:
            async with clock.waiting(host):
                return await self._client.send(request, stream=True)
        except (httpx2.UnsupportedProtocol, httpcore2.UnsupportedProtocol):
            raise NetError("refused", "the URL must start with http:// or https://") from None
        except _BROKEN as error:
            raise NetError(
                "broken", f"{host} closed the connection or did not send HTTP"
            ) from error


_BROKEN = (
    httpx2.HTTPError,
    httpx2.StreamError,
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
)


class _Transport(httpx2.AsyncBaseTransport):
    """The transport of httpx, with a pool whose connections pass the egress rules."""

    def __init__(self, egress: Egress, max_bytes: int | None = None) -> None:
        """`max_bytes`: of a body without an event stream. None: the reader counts."""
        self._max_bytes = max_bytes
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=httpx2.create_ssl_context(),
            max_connections=200,
            max_keepalive_connections=20,
            keepalive_expiry=30,
            network_backend=egress,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        answer = await self._pool.handle_async_request(
            httpcore2.Request(
                request.method,
                httpcore2.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=cast("AsyncIterator[bytes]", request.stream),
                extensions=request.extensions,
            )
        )
        response = httpx2.Response(
            answer.status,
            headers=answer.headers,
            stream=_Body(cast("_Closing", answer.stream)),
            extensions=answer.extensions,
        )
        if not response.headers.get("content-type", "").startswith("text/event-stream"):
            response.stream = _Body(cast("_Closing", answer.stream), self._max_bytes)
        return response

    async def aclose(self) -> None:
        await self._pool.aclose()


def client_for_library(
    *, allow_private: bool, headers: Mapping[str, str], max_bytes: int
) -> httpx2.AsyncClient:
    """Return a client for a library that speaks HTTP by itself. It keeps the egress rules.

    `max_bytes`: of a body, apart from those of server-sent events, which have no end.
    """
    return httpx2.AsyncClient(
        transport=_Transport(Egress(allow_private=allow_private), max_bytes),
        timeout=httpx2.Timeout(30.0, connect=5.0, read=300.0),
        trust_env=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        headers={"Accept-Encoding": "identity", "User-Agent": "vivavoce", **headers},
    )


class _Closing(Protocol):
    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class _Body(httpx2.AsyncByteStream):
    def __init__(self, stream: _Closing, max_bytes: int | None = None) -> None:
        self._stream = stream
        self._max_bytes = max_bytes

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__() if self._max_bytes is None else self._bounded()

    async def _bounded(self) -> AsyncIterator[bytes]:
        left = self._max_bytes or 0
        async for piece in self._stream:
            left -= len(piece)
            if left < 0:
                raise NetError("too_large", f"the body has more than {self._max_bytes} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _refusal(stream: Stream) -> NetError:
    """Read the beginning of an error response, and return it as `NetError`."""
    if stream.status < 400:
        return NetError("redirect", f"{stream.host} redirects elsewhere", status=stream.status)
    body = b""
    try:
        while len(body) < ERROR_BYTES and (piece := await stream.piece()) is not None:
            body += piece
    except NetError:
        pass  # the status is enough
    after = stream.headers.get("retry-after", "")
    return NetError(
        "status",
        f"{stream.host} answered {stream.status}",
        status=stream.status,
        body=body[:ERROR_BYTES],
        retry_after_s=float(after) if after.isdecimal() and len(after) < 10 else None,
    )


def _server(request: httpx2.Request) -> str:
    return shown(*place(str(request.url)))


def _same_origin(one: httpx2.Request, other: httpx2.Request) -> bool:
    """Compare as `httpx` reads them: a server may name a port that does not exist."""
    here, there = one.url, other.url
    return (here.scheme, here.host, here.port) == (there.scheme, there.host, there.port)
