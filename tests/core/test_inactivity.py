"""A call without any activity."""

from __future__ import annotations

import pytest

from vivavoce.audio import pcm as audio
from vivavoce.core.effects import CloseCall
from vivavoce.core.inactivity import CLIENT_TOOL_S
from vivavoce.core.inputs import Finished, OutputChunk, ToolRequested
from vivavoce.protocol import client, server
from vivavoce.protocol.config import ServerVad
from vivavoce.protocol.items import FunctionCall, FunctionOutput

from ..support.scenario import Scenario, config

IDLE_S = 300.0


def ended(s: Scenario) -> float | None:
    return s.now if s.session.closed else None


def wait_for_the_end(s: Scenario, seconds: float) -> float | None:
    """Return when it ended, if it did."""
    began = s.now
    while s.now < began + seconds and not s.session.closed:
        s.wait(1.0)
    return ended(s)


def test_a_call_in_which_nothing_happens_ends_and_says_why() -> None:
    s = Scenario(inactivity_s=IDLE_S)
    s.wait(IDLE_S - 1)
    assert not s.session.closed
    s.wait(1)
    assert s.errors == [("session_idle", None)]
    (close,) = [effect for effect in s.log if isinstance(effect, CloseCall)]
    assert close.code == 1000
    assert "5 minutes" in close.reason


def test_P14_audio_without_speech_counts_as_activity() -> None:
    s = Scenario(config(ServerVad()), inactivity_s=10)
    s.hear(silence_ms=25_000)
    assert not s.session.closed
    assert wait_for_the_end(s, 15) == pytest.approx(35, abs=1.1)


def test_P14_an_open_microphone_does_not_keep_up_a_talk_into_the_silence() -> None:
    s = Scenario(config(ServerVad(idle_timeout_ms=5_000)), inactivity_s=30)
    s.tell(client.ResponseCreate())
    s.tell(Finished(s.request.response_id))
    while not s.session.closed and s.now < 120:
        s.hear(silence_ms=32)
        s.wait(0)
        if s.session.reply is not None:
            s.tell(Finished(s.session.reply.id))
    assert s.now == pytest.approx(36, abs=6)


def called(s: Scenario, *call_ids: str) -> None:
    """Let the assistant make calls of the client's tools."""
    s.tell(client.ResponseCreate())
    response_id = s.request.response_id
    for call_id in call_ids:
        call = FunctionCall(name="look", call_id=call_id, arguments="{}")
        s.tell(ToolRequested(response_id, call))
    s.tell(Finished(response_id))


def test_P14_a_call_does_not_end_while_a_function_call_is_out() -> None:
    s = Scenario(inactivity_s=10)
    called(s, "call_a", "call_b")
    s.wait(60)
    for call_id in ("call_a", "call_b"):
        assert not s.session.closed
        output = FunctionOutput(call_id=call_id, output="seen")
        s.tell(client.ItemCreate(item=output))
        s.wait(5)
    s.wait(4.9)
    assert not s.session.closed
    s.wait(0.2)
    assert s.errors == [("session_idle", None)]


def test_a_call_waits_fifteen_minutes_for_a_tool_of_the_client() -> None:
    s = Scenario(inactivity_s=10)
    called(s, "call_a")
    s.wait(5)
    called(s, "call_b")
    s.wait(CLIENT_TOOL_S - 0.1)
    assert not s.session.closed
    s.wait(0.2)
    assert s.errors == [("session_idle", None)]


def test_activity_while_a_tool_of_the_client_runs_counts() -> None:
    s = Scenario(inactivity_s=600)
    called(s, "call_a")
    s.wait(CLIENT_TOOL_S - 60)
    s.tell(client.AudioClear())
    s.wait(599)
    assert not s.session.closed
    s.wait(1)
    assert s.session.closed


def test_a_call_waits_for_a_tool_of_the_server_as_long_as_it_runs() -> None:
    s = Scenario(inactivity_s=10, server_tools=frozenset({"look"}))
    called(s, "call_a")
    s.wait(2 * CLIENT_TOOL_S)
    assert not s.session.closed


def test_P14_a_deleted_function_call_is_not_out() -> None:
    s = Scenario(inactivity_s=10)
    called(s, "call_a")
    (item,) = [i for i in s.session.conversation if isinstance(i, FunctionCall)]
    s.tell(client.ItemDelete(item_id=item.id))
    s.wait(10.1)
    assert s.session.closed


@pytest.mark.parametrize("manual", [False, True])
def test_speech_counts_as_activity(manual: bool) -> None:
    s = Scenario(
        config(None) if manual else config(ServerVad(create_response=False)), inactivity_s=10
    )
    s.hear(silence_ms=8_000)
    s.hear(speech_ms=4_000)
    assert not s.session.closed
    assert wait_for_the_end(s, 20) == pytest.approx(22, abs=1.5)


def test_events_of_a_client_count_as_activity() -> None:
    s = Scenario(inactivity_s=10)
    for _ in range(5):
        s.wait(9)
        s.tell(client.AudioClear())
    assert not s.session.closed
    s.wait(10)
    assert s.session.closed


def test_a_long_answer_is_not_cut_off_and_its_end_begins_the_silence() -> None:
    s = Scenario(inactivity_s=10)
    s.tell(client.ResponseCreate())
    response_id = s.request.response_id
    s.wait(60)  # a slow engine
    s.tell(OutputChunk(response_id, "Well.", audio.silence(100)))
    s.wait(60)
    s.tell(Finished(response_id))
    s.wait(9)
    assert not s.session.closed
    s.wait(1)
    assert s.session.closed


def test_an_assistant_that_asks_into_the_silence_does_not_keep_itself_company() -> None:
    s = Scenario(config(ServerVad(idle_timeout_ms=5_000)), inactivity_s=60)
    s.tell(client.ResponseCreate())
    s.tell(Finished(s.request.response_id))
    asked = 0
    while not s.session.closed and s.now < 200:
        s.wait(1)
        if s.session.reply is not None:
            asked += 1
            s.tell(Finished(s.session.reply.id))
    assert asked > 5
    assert s.now == pytest.approx(60, abs=6)


def test_without_a_limit_it_may_be_silent_for_its_hour() -> None:
    s = Scenario()
    s.wait(3599)
    assert not s.session.closed
    s.wait(1)
    assert [e.error.code for e in s.sent if isinstance(e, server.Error)] == ["session_expired"]
