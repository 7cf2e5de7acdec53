"""A recording sent faster than real time waits for the recogniser, and is transcribed in full."""

from __future__ import annotations

import asyncio

import pytest

from vivavoce.audio import pcm as audio
from vivavoce.core.transcription import TranscriptionSession
from vivavoce.engines.cascade import TranscribeOnlyEngine
from vivavoce.protocol import client, codec, grammar, server
from vivavoce.protocol.config import ServerVad
from vivavoce.runtime.client_port import ClientPort
from vivavoce.runtime.driver import CallDriver
from vivavoce.runtime.engine_work import QUIET_S, UTTERANCES, EngineWork
from vivavoce.runtime.group_commit import GroupCommitter
from vivavoce.runtime.reader import SessionReader
from vivavoce.runtime.recorder import Recorder

from ..support.fakes import LOUD, QUIET, ExactDecoder, FakeStt, FakeWire, SlowStore
from ..support.scenario import dictation, numbered_ids
from ..support.virtual_time import live
from .test_driver import wall


def slow() -> FakeStt:
    """Like ours: ten times as fast as people speak, and it thinks for a while at the end."""
    return FakeStt(speed=10, takes_s=0.5)


def bring(
    sound: bytes, *, piece_ms: int, stt: FakeStt, by_hand: bool = False, holds_s: float = 0
) -> tuple[FakeWire, bool]:
    """All at once, as fast as it is taken; then wait until every word is there.

    `holds_s`: of quiet before the end. Returns also whether its sender had to wait.
    """
    wire = FakeWire()
    waited = False

    async def story() -> None:
        nonlocal waited
        machine = TranscriptionSession(
            dictation(None if by_hand else ServerVad()), now=0.0, new_id=numbered_ids()
        )
        async with GroupCommitter(SlowStore()) as writer:
            engine_work = EngineWork(TranscribeOnlyEngine(stt))
            driver = CallDriver(
                machine, engine_work, Recorder("rtc_1", "conv_1", writer.submit, wall=wall)
            )

            def reader(client: ClientPort) -> SessionReader:
                return SessionReader(
                    driver, client, ExactDecoder(), behind=lambda: engine_work.is_behind
                )

            wire.client = driver.attach(wire, reader)
            running = asyncio.create_task(driver.run())
            await asyncio.sleep(0)
            size = piece_ms * audio.BYTES_PER_MS
            for start in range(0, len(sound), size):
                wire.say(codec.encode(client.AudioAppend(audio=sound[start : start + size])))
                while not wire.reading:  # as the kernel does
                    waited = True
                    await asyncio.sleep(0.01)
            await asyncio.sleep(holds_s)
            if by_hand:
                wire.say(codec.encode(client.AudioCommit()))
            before = -1
            while before < len(wire.heard):
                before = len(wire.heard)
                await asyncio.sleep(30)
            wire.client.lost(1000, "")
            await running

    live(story())
    grammar.check(event for _, event in wire.heard)
    return wire, waited


SENTENCE = LOUD * 94 + QUIET * 31  # three seconds, and one of quiet


@pytest.mark.parametrize("piece_ms", [20, 96, 10_000])
def test_two_minutes_are_heard_sentence_by_sentence(piece_ms: int) -> None:
    stt = slow()
    wire, _ = bring(SENTENCE * 30, piece_ms=piece_ms, stt=stt)
    told = [e.transcript for _, e in wire.all(server.TranscriptionCompleted)]
    assert len(told) == 30
    assert not wire.all(server.TranscriptionFailed)
    assert stt.most <= UTTERANCES + 1
    ended, _ = wire.all(server.TranscriptionCompleted)[-1]
    assert ended < 60


@pytest.mark.parametrize("by_hand", [True, False])
def test_four_minutes_of_speech_without_a_pause_are_transcribed(by_hand: bool) -> None:
    """Far more than may wait for a recogniser: a caller's sound would have been given up."""
    stt = slow()
    wire, waited = bring(LOUD * 7_500 + QUIET * 20, piece_ms=96, stt=stt, by_hand=by_hand)
    assert len(wire.all(server.TranscriptionCompleted)) == 1
    (heard_ms,) = stt.heard_ms
    assert heard_ms >= 240_000
    assert waited  # what waits is bounded: the rest stays in the socket


def test_a_recogniser_gets_an_empty_piece_after_five_seconds_of_silence() -> None:
    stt = FakeStt()
    wire, _ = bring(LOUD * 30, piece_ms=96, stt=stt, by_hand=True, holds_s=12)
    assert stt.quiet_at == [QUIET_S, 2 * QUIET_S]
    assert stt.heard_ms == [960]
    assert len(wire.all(server.TranscriptionCompleted)) == 1
