"""The sound of a call between two real peers: no thread, no gap, and little harm from loss."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest

from tests.support.lossy import Lossy
from vivavoce.audio.pcm import duration_ms
from vivavoce.runtime.playback import Playback
from vivavoce.transports.webrtc.peer_audio import PeerAudio

from .packets import tone
from .peers import Peer, call, story

SAYS_MS = 800


def say(peer: Peer, ms: int = SAYS_MS) -> Playback:
    playback = Playback(peer.audio, lambda *_: None, lambda: None, timeout_s=10)
    playback.play("item_1", tone(ms))
    return playback


@story
async def test_both_ends_hear_each_other_without_a_thread_or_pyav() -> None:
    threads = threading.active_count()
    async with call() as (client, server):
        await asyncio.gather(client.ready.wait(), server.ready.wait())
        say(client)
        say(server)
        for peer in (client, server):
            await peer.until_loud(SAYS_MS - 10)
            assert peer.audio.incoming
            assert peer.audio.incoming.counts.lost == 0
        assert threading.active_count() == threads
        assert not any(name.partition(".")[0] == "av" for name in sys.modules)


@story
@pytest.mark.parametrize("lost", [{20}, {20, 21}, {15, 25, 35}])
async def test_lost_packets_shorten_nothing_and_delay_nothing(lost: set[int]) -> None:
    async with call(Lossy(drops=lambda number: number in lost)) as (client, server):
        await client.ready.wait()
        await server.ready.wait()
        say(client)
        await server.until_loud(SAYS_MS - 10)
        incoming = server.audio.incoming
        assert incoming
        assert incoming.counts.lost == len(lost)
        heard = duration_ms(server.heard)
        assert heard == 20 * (incoming.counts.received + len(lost))  # nothing waits


@story
async def test_a_client_that_loses_much_gets_speech_with_fec() -> None:
    async with call() as (client, server):
        await server.ready.wait()
        server.audio.outgoing.report_loss(0.1, 0.0)
        say(server)
        await client.until_loud(SAYS_MS - 10)


@story
async def test_the_peers_report_tells_the_loss() -> None:
    """Aiortc reports each second or so, from the packets that `PeerAudio` has counted."""
    told = asyncio.Event()
    async with call(Lossy(drops=lambda number: number % 5 == 0)) as (client, _):
        client.audio.outgoing.report_loss = lambda fraction, now: (  # type: ignore[method-assign]
            told.set() if fraction > 0.05 else None
        )
        await told.wait()


@story
async def test_speech_waits_until_the_peer_is_connected() -> None:
    async with call() as (client, server):
        assert server.audio.full
        playback = say(server)
        assert playback.deadline() is not None
        server.ready.clear()
        await server.ready.wait()
        assert not server.audio.full
        playback.resume()
        await client.until_loud(SAYS_MS - 10)


@story
async def test_a_reader_that_is_behind_gets_nothing_and_goes_on_later() -> None:
    async with call() as (client, server):
        await server.until(lambda: len(server.heard) > 0)
        server.audio.pause_reading()
        size = len(server.heard)
        assert client.audio.incoming
        await client.until(lambda: duration_ms(client.heard) >= 200)
        assert len(server.heard) == size
        server.audio.resume_reading()
        await server.until(lambda: len(server.heard) > size)


@story
async def test_after_stop_nothing_is_sent_or_heard() -> None:
    async with call() as (client, server):
        await server.until(lambda: len(server.heard) > 0)
        server.audio.stop()
        size = len(server.heard)
        server.audio.write(tone(20))
        assert server.audio.full
        await client.until(lambda: duration_ms(client.heard) >= 100)
        assert len(server.heard) == size


@story
async def test_closing_the_connection_ends_the_sound() -> None:
    async with call() as (client, server):
        await server.ready.wait()
        await server.connection.close()
        assert server.audio.full
        assert isinstance(client.audio, PeerAudio)


@story
async def test_a_bug_in_one_piece_of_sound_is_logged_once_and_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with call() as (_, server):
        await server.until(lambda: len(server.heard) > 0)
        fails = 3

        def feed_audio(pcm: bytes) -> None:
            nonlocal fails
            fails -= 1
            if fails >= 0:
                raise ValueError("the words of a user")
            Peer.feed_audio(server, pcm)

        server.feed_audio = feed_audio  # type: ignore[method-assign]
        size = len(server.heard)
        await server.until(lambda: len(server.heard) > size)
        assert [each.message for each in caplog.records] == ["sound_failed"]
        assert "words" not in caplog.text
