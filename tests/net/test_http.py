"""Real requests to real local servers, each of which misbehaves in its own way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from vivavoce.net.errors import NetError
from vivavoce.net.http import USUAL, HttpClient, RequestLimits

Behaviour = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """A server that sends a fixed response on each connection, and keeps the requests."""

    def __init__(self, behave: Behaviour) -> None:
        self._behave = behave
        self.asked: list[bytes] = []
        self.left = asyncio.Event()

    async def meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head)
        try:
            await self._behave(head, writer)
            await writer.drain()
            if not writer.is_closing():
                await reader.read()
        except ConnectionError:
            pass
        finally:
            self.left.set()
            writer.close()


@asynccontextmanager
async def serving(behave: Behaviour) -> AsyncIterator[tuple[Server, str]]:
    server = Server(behave)
    listening = await asyncio.start_server(server.meet, "127.0.0.1", 0)
    async with listening:
        yield server, f"http://localhost:{listening.sockets[0].getsockname()[1]}"


def reply(status: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def always(answer: bytes) -> Behaviour:
    async def behave(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    return behave


async def failing(
    http: HttpClient, method: str, url: str, bounds: RequestLimits = USUAL
) -> NetError:
    with pytest.raises(NetError) as caught:
        await http.request(method, url, bounds=bounds)
    return caught.value


def open_http() -> HttpClient:
    return HttpClient(allow_private=True, backoff=lambda attempt: 0.0)


def test_a_private_address_is_refused_unless_the_operator_named_it() -> None:
    async def story() -> None:
        async with serving(always(reply("200 OK", b"hello"))) as (server, url):
            async with HttpClient() as http:
                assert (await failing(http, "GET", url)).kind == "refused"
                port = url.rpartition(":")[2]
                for other in (
                    "127.0.0.1",
                    "0x7f000001",
                    "[::1]",
                    "2130706433",
                    "[::ffff:127.0.0.1]",
                ):
                    assert (await failing(http, "GET", f"http://{other}:{port}")).kind in (
                        "refused",
                        "unreachable",
                    )
            assert server.asked == []
            async with HttpClient(trusted=(f"{url}/v1",)) as http:
                assert (await http.request("GET", f"{url}/v1/models")).body == b"hello"
                elsewhere = f"http://localhost:{int(port) - 1}"
                assert (await failing(http, "GET", elsewhere)).kind == "refused"

    asyncio.run(story())


def test_a_name_is_judged_and_reached_by_the_same_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that answers with an open address first and with ours afterwards gains nothing."""
    answers = [["93.184.216.34"], ["127.0.0.1"]]

    async def story() -> None:
        loop = asyncio.get_running_loop()

        async def rebinding(host: str, port: int, **_: object) -> list[object]:
            (address,) = answers.pop(0)
            return [(None, None, None, "", (address, port))]

        async with serving(always(reply("200 OK", b"secret"))) as (server, url):
            port = url.rpartition(":")[2]
            loop.getaddrinfo = rebinding  # type: ignore[method-assign,assignment]
            async with HttpClient(tries=1) as http:
                bounds = RequestLimits(connect_s=0.05)
                error = await failing(http, "GET", f"http://rebind.example:{port}", bounds)
                assert error.kind in ("unreachable", "timeout")
                error = await failing(http, "GET", f"http://rebind.example:{port}", bounds)
                assert error.kind == "refused"
            assert server.asked == []

    asyncio.run(story())


def test_an_overloaded_server_is_asked_again_but_never_to_do_something_twice() -> None:
    async def story() -> None:
        busy = always(reply("503 Busy", b"later", "Retry-After: 7"))
        async with serving(busy) as (server, url), open_http() as http:
            error = await failing(http, "GET", url)
            assert (error.status, error.body, error.retry_after_s) == (503, b"later", 7.0)
            assert len(server.asked) == 3
            await failing(http, "POST", url)
            assert len(server.asked) == 4

    asyncio.run(story())


def test_a_redirect_is_followed_at_home_and_nowhere_else() -> None:
    async def behave(head: bytes, writer: asyncio.StreamWriter) -> None:
        match head.split()[1]:
            case b"/here":
                writer.write(reply("302 Found", b"", "Location: /there"))
            case b"/away":
                writer.write(reply("302 Found", b"", "Location: http://127.0.0.1:1/"))
            case b"/round":
                writer.write(reply("302 Found", b"", "Location: /round"))
            case _:
                writer.write(reply("200 OK", b"there"))
        writer.close()

    async def story() -> None:
        async with serving(behave) as (_, url), open_http() as http:
            assert (await http.request("GET", f"{url}/here")).body == b"there"
            assert (await failing(http, "GET", f"{url}/away")).kind == "redirect"
            assert (await failing(http, "GET", f"{url}/round")).kind == "redirect"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"no HTTP at all\r\n\r\n", "broken"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "broken"),
        (b"", "broken"),
        (reply("200 OK", b"x" * 2000), "too_large"),
        (reply("200 OK", b"\x1f\x8b", "Content-Encoding: gzip"), "broken"),
        (reply("401 Unauthorized"), "status"),
    ],
)
def test_whatever_a_server_says_is_an_answer_or_a_net_error(answer: bytes, kind: str) -> None:
    async def story() -> None:
        async with serving(always(answer)) as (_, url), open_http() as http:
            assert (await failing(http, "POST", url, RequestLimits(max_bytes=1000))).kind == kind

    asyncio.run(story())


def test_a_silent_server_is_given_up() -> None:
    async def silent(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n" if b"/half" in head else b"")

    async def story() -> None:
        async with serving(silent) as (server, url), open_http() as http:
            for path in ("/none", "/half"):
                server.left.clear()
                error = await failing(http, "GET", url + path, RequestLimits(quiet_s=0.05))
                assert error.kind == "timeout"
                await server.left.wait()

    asyncio.run(story())


def test_a_closed_port_is_unreachable() -> None:
    async def story() -> None:
        async with serving(always(b"")) as (_, url):
            pass
        async with open_http() as http:
            assert (await failing(http, "GET", url)).kind == "unreachable"
            for nonsense in ("ftp://localhost/", "nonsense", "http://", "http://\x00/"):
                assert (await failing(http, "GET", nonsense)).kind in ("refused", "unreachable")

    asyncio.run(story())


def test_a_slow_reader_does_not_use_up_the_servers_time() -> None:
    async def story() -> None:
        async with serving(always(reply("200 OK", b"x" * 9))) as (_, url), open_http() as http:
            bounds = RequestLimits(quiet_s=0.2, total_s=0.2)
            async with http.stream("GET", url, bounds=bounds) as stream:
                await asyncio.sleep(0.3)
                assert await stream.read() == b"x" * 9

    asyncio.run(story())


def test_events_are_read_line_by_line_however_they_were_cut() -> None:
    async def behave(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for piece in (b": hi\nda", b"ta: one\r", b"\n\r\ndata:two\ndata: three\n\n", b"data: last"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    async def story() -> None:
        async with serving(behave) as (_, url), open_http() as http:
            async with http.stream("GET", url) as stream:
                events = [await stream.event() for _ in range(4)]
            assert events == [b"one", b"two\nthree", b"last", None]

    asyncio.run(story())


def test_leaving_in_the_middle_closes_the_connection() -> None:
    async def behave(head: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nbegun")

    async def story() -> None:
        async with serving(behave) as (server, url), open_http() as http:
            async with http.stream("GET", url) as stream:
                assert await stream.piece() == b"begun"
            await server.left.wait()

    asyncio.run(story())


def test_one_users_cookie_is_not_sent_for_another() -> None:
    async def story() -> None:
        answer = reply("200 OK", b"", "Set-Cookie: who=me")
        async with serving(always(answer)) as (server, url), open_http() as http:
            await http.request("GET", url)
            await http.request("GET", url)
            assert all(b"cookie" not in head.lower() for head in server.asked)

    asyncio.run(story())
