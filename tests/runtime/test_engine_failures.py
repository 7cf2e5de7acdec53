"""Whatever an adapter raises fails its response or its transcript; the call goes on.

No word of what was raised is logged, and the next response of the same call works.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.audio import pcm as audio
from vivavoce.core.ledger import Word
from vivavoce.core.types import Transcript
from vivavoce.engines.base import AudioChunk
from vivavoce.protocol import client, server
from vivavoce.protocol.client import ClientEvent
from vivavoce.protocol.config import Pcm, Pcmu, SemanticVad, ServerVad
from vivavoce.protocol.items import FunctionCall, FunctionOutput, Message, Part
from vivavoce.runtime.input_pipeline import InputPipeline

from ..engines.brain_talk import InProcess
from ..support.failing import (
    ERRORS,
    MOMENTS,
    SECRET,
    FailingBrain,
    FailingJudge,
    FailingStt,
    FailingTts,
    Moment,
    Once,
    failing_tool,
)
from ..support.fakes import LOUD, QUIET, FakeBrain, FakeJudge, FakeStt, speech
from ..support.scenario import config
from .test_driver import ASK, REPLY, Call
from .test_end_of_turn import spoken

AGAIN = (6.0, client.ResponseCreate())
STOP = (0.55, client.ResponseCancel())  # while the brain waits, and the voice speaks
HELLO = Part(type="input_text", text="hello")
LOOKUP = FunctionCall(call_id="c1", name="lookup", arguments="{}")


@pytest.fixture(autouse=True)
def nothing_said(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No log line has words in it."""
    yield
    for record in caplog.records:
        assert SECRET not in record.getMessage()
        assert SECRET not in str(vars(record))
        assert not record.exc_info


def logged(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [vars(r) for r in caplog.records if r.getMessage() == "engine_failed"]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("adapter", ["brain", "voice"])
def test_a_response_fails_and_the_next_one_works(
    adapter: str, moment: Moment, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    once = Once(moment, ERRORS[error])
    call = Call([*ASK, AGAIN])
    if adapter == "brain":
        call.brain = FailingBrain(REPLY, once=once)
    else:
        call.tts = FailingTts(once=once)
    if moment == "while cancelled":
        call.script = [*ASK, STOP, AGAIN]
        call.live()
        assert call.statuses == ["cancelled", "completed"]
    else:
        call.live()
        assert call.statuses == ["failed", "completed"]
    assert once.failed == 1
    assert call.wire.closed is None
    if error not in ("EngineError", "CancelledError", "ExceptionGroup") and moment == "at once":
        (driver,) = logged(caplog)
        assert driver["call"] == "rtc_1"
        assert driver["response"].startswith("resp_")
        assert driver["adapter"] == type(call.brain if adapter == "brain" else call.tts).__name__
        assert driver["place"].startswith("vivavoce.engines.cascade:")


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_transcript_fails_and_the_next_one_works(moment: Moment, error: str) -> None:
    once = Once(moment, ERRORS[error])
    script = [*speech(0, 1), *speech(3, 4)]
    if moment == "while cancelled":  # the item is deleted while its words are being found
        script = [*speech(0, 1), (1.45, client.ItemDelete(item_id="item_1")), *speech(3, 4)]
    call = Call(script, stt=FailingStt(once=once)).live()
    assert call.wire.closed is None
    assert len(call.wire.all(server.TranscriptionCompleted)) >= 1
    assert call.statuses[-1] == "completed"
    if moment != "while cancelled":
        assert once.failed == 1
        assert len(call.wire.all(server.TranscriptionFailed)) == 1


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("moment", ["at once", "at the end", "while cancelled"])
def test_a_pause_that_is_not_judged_ends_by_its_length(moment: Moment, error: str) -> None:
    once = Once(moment, ERRORS[error])
    sound = spoken((LOUD, 0.96), (QUIET, 0.256), (LOUD, 0.96), (QUIET, 5.0))
    judge = FailingJudge(once=once, takes_s=3.0 if moment == "while cancelled" else 0.1)
    call = Call(sound, 12.0, settings=config(SemanticVad()), judge=judge).live()
    assert once.failed == 1
    assert call.statuses == ["completed"]
    assert call.wire.closed is None


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("moment", ["at once", "at the end"])
def test_a_tool_that_raises_is_a_tool_that_failed(moment: Moment, error: str) -> None:
    once = Once(moment, ERRORS[error])
    tools = failing_tool(once)
    call = Call(ASK, brain=FakeBrain([LOOKUP]), tools=tools, hang_up_at=0.9).live()
    assert once.failed == 1
    outputs = [
        event.item
        for _, event in call.wire.all(server.ItemDone)
        if isinstance(event.item, FunctionOutput)
    ]
    told = json.loads(outputs[0].output)["error"]
    assert told == ("broken" if error in ("EngineError", "ExceptionGroup") else "The tool failed.")
    assert len(call.wire.all(server.ResponseCreated)) >= 2


def test_the_end_of_a_call_is_waited_for_by_adapters_that_raise_then() -> None:
    """End it in time: no exception or result then waits for a mailbox."""
    for error in ERRORS.values():
        brain = FailingBrain(REPLY, once=Once("while cancelled", error))
        Call(ASK, brain=brain, hang_up_at=0.1).live()


GARBAGE: dict[str, Any] = {
    "nothing": None, "a number": 5, "bytes": b"what", "a list": ["what"], "a class": Transcript,
}  # fmt: skip


@pytest.mark.parametrize("what", GARBAGE)
@pytest.mark.parametrize("adapter", ["brain", "voice", "recogniser", "judge", "tool"])
def test_a_result_of_another_type_is_a_failure(adapter: str, what: str) -> None:
    value = GARBAGE[what]

    async def speak(*_: object) -> Any:  # noqa: ANN401
        yield value

    async def give(*_: object, **__: object) -> Any:  # noqa: ANN401
        return value

    call: Any = Call(ASK)
    match adapter:
        case "brain":
            call.brain.generate = speak
        case "voice":
            call.tts.speak = speak
        case "recogniser":
            call.script = speech(0, 1)
            call.stt.listen = give
        case "judge":
            call.script = spoken((LOUD, 0.96), (QUIET, 5.0))
            call.settings = config(SemanticVad())
            call.judge = FakeJudge()
            call.judge.over = give
        case "tool":
            call.brain = FakeBrain([LOOKUP])
            call.tools = give
            call.hang_up_at = 0.9
    call.live()
    assert call.wire.closed is None
    assert call.wire.all(server.ResponseDone)


class Markup(str):
    """A text of a template library. Encoders refuse subclasses of `str`."""


class Buffer(bytes):
    """The audio of a library with a type of its own."""


def test_texts_and_audio_of_subclasses_are_sent_as_plain_ones() -> None:
    async def speak(*_: object) -> AsyncGenerator[AudioChunk, None]:
        yield AudioChunk(pcm=Buffer(audio.silence(100)), words=(Word(Markup("Hello."), 0),))

    for modality in ("text", "audio"):
        settings = config()
        settings = msgspec.structs.replace(settings, output_modalities=(modality,))
        call = Call(ASK, brain=FakeBrain([Markup("Hello.")]), settings=settings)
        call.tts.speak = speak  # type: ignore[assignment, method-assign]
        call.live()
        assert call.wire.closed is None
        assert call.statuses == ["completed"]


@pytest.mark.parametrize("format", [Pcm(), Pcmu()])
def test_half_a_sample_of_a_voice_fails_its_response_only(format: Pcm | Pcmu) -> None:
    """The server cannot tell which half it is, and all later audio would be noise."""

    async def speak(*_: object) -> AsyncGenerator[AudioChunk, None]:
        yield AudioChunk(pcm=b"\1\2\3")

    settings = config().merged({"type": "realtime", "audio": {"output": {"format": format}}})
    call = Call(ASK, settings=settings)
    call.tts.speak = speak  # type: ignore[assignment, method-assign]
    call.live()
    assert call.wire.closed is None
    assert call.statuses == ["failed"]


def test_a_minute_of_speech_in_one_piece_is_sent_whole_in_valid_frames() -> None:
    pcm = bytes(range(250)) * 12 * 16 * 60  # 60 s

    async def speak(*_: object) -> AsyncGenerator[AudioChunk, None]:
        yield AudioChunk(pcm=pcm, words=(Word("Hello.", 0),))

    call = Call(ASK, brain=FakeBrain(["Hello."]), limit=10**9)
    call.tts.speak = speak  # type: ignore[assignment, method-assign]
    call.live()
    assert call.statuses == ["completed"]
    assert b"".join(event.delta for _, event in call.wire.all(server.AudioDelta)) == pcm


def test_speech_in_one_piece_does_not_run_further_ahead_than_allowed() -> None:
    async def speak(*_: object) -> AsyncGenerator[AudioChunk, None]:
        yield AudioChunk(pcm=audio.silence(60_000), words=(Word("Hello.", 0),))

    call = Call(ASK, brain=FakeBrain(["Hello."]), limit=10**9, run_ahead_s=4.0, hang_up_at=10.0)
    call.tts.speak = speak  # type: ignore[assignment, method-assign]
    call.live()
    sent_ms = sum(audio.duration_ms(event.delta) for _, event in call.wire.all(server.AudioDelta))
    assert 12_000 < sent_ms < 15_000


def test_the_id_that_an_adapter_gives_a_function_call_is_not_taken() -> None:
    """Such an id could belong to another item, also to one that the client made."""
    mine = Message(id="mine", role="user", content=(HELLO,))
    calls = [FunctionCall(id="mine", call_id=f"c{n}", name="f", arguments="{}") for n in range(2)]
    script: list[tuple[float, ClientEvent]] = [(0.0, client.ItemCreate(item=mine)), *ASK]
    call = Call(script, brain=FakeBrain(calls)).live()
    ids = [event.item.id for _, event in call.wire.all(server.ItemAdded)]
    assert call.statuses == ["completed"]
    assert len(ids) == len(set(ids)) == 3


# All of Unicode


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)  # with half surrogate pairs
NUMBERS = st.integers(1, 400).map(lambda digits: "9" * digits)
WORDS = st.one_of(ANY_TEXT, NUMBERS, st.sampled_from(["፩ may", "٣٣", "\0", "\ud800", "获取天气"]))


@settings(max_examples=60)
@given(said=st.lists(WORDS, min_size=1, max_size=4), name=WORDS, arguments=WORDS, heard=WORDS)
def test_any_text_of_an_adapter_can_be_sent_and_stored(
    said: list[str], name: str, arguments: str, heard: str
) -> None:
    pieces: list[str | FunctionCall] = [
        *said,
        FunctionCall(call_id="c1", name=name, arguments=arguments),
    ]
    stt = FakeStt()

    async def listen(*_: object, **__: object) -> Transcript:
        return Transcript(heard, languages=(heard,))

    stt.listen = listen  # type: ignore[method-assign]
    script: list[tuple[float, ClientEvent]] = [*ASK, *speech(4, 5)]
    call = Call(script, stt=stt, brain=FakeBrain(pieces)).live()
    assert call.wire.closed is None
    assert call.statuses[0] == "completed"
    (_, event) = call.wire.first(server.TranscriptionCompleted)
    assert event.transcript == heard.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@settings(max_examples=60)
@given(st.lists(WORDS, min_size=1, max_size=5))
def test_X4_any_text_of_a_client_is_taken_or_refused(words: list[str]) -> None:
    call = Call([(5.0, client.ResponseCreate())])
    begun = call.wire.script

    def script(events: Any, hang_up_at: float) -> None:  # noqa: ANN401
        begun(events, hang_up_at)
        for text in words:
            part = {"type": "input_text", "text": text}
            item = {"type": "message", "role": "user", "content": [part]}
            said = {"type": "conversation.item.create", "item": item}
            call.wire.say(json.dumps(said).encode())

    call.wire.script = script  # type: ignore[method-assign]
    call.live()
    refused = [e.error.code for _, e in call.wire.all(server.Error)]
    items = [e.item for _, e in call.wire.all(server.ItemDone)]
    taken = [item for item in items if isinstance(item, Message) and item.role == "user"]
    assert set(refused) <= {"invalid_event"}
    assert len(refused) + len(taken) == len(words)
    assert call.statuses == ["completed"]


ODD = [
    "፩ may",
    "9" * 400 + " may",
    "٣٣ rooms",
    "at " + "9" * 400,
    "\0",
    "what is 獲取天氣",
    "² may",
]


@pytest.mark.parametrize("text", ODD)
def test_the_embedded_brain_never_ends_a_call(text: str) -> None:
    """The brain answers or fails on a number that it cannot read, or on half a pair."""
    part = Part(type="input_text", text=text)
    call = FunctionCall(id="f", call_id="c", name="获取天气", arguments="{}")
    output = FunctionOutput(call_id="c", output='{"weather": "\\ud800"}')
    tool = {"type": "function", "name": "获取天气", "parameters": {"type": "object"}}
    script: list[tuple[float, ClientEvent]] = [
        (0.0, client.SessionUpdate(session={"type": "realtime", "tools": [tool]})),
        (0.1, client.ItemCreate(item=Message(role="user", content=(part,)))),
        (0.2, client.ResponseCreate()),
        (3.0, client.ItemCreate(item=call)),
        (3.1, client.ItemCreate(item=output)),
        (3.2, client.ResponseCreate()),
        (6.0, client.ItemCreate(item=Message(role="user", content=(HELLO,)))),
        (6.1, client.ResponseCreate()),
    ]
    brain: Any = InProcess()
    lived = Call(script, brain=brain).live()
    assert lived.wire.closed is None
    assert len(lived.statuses) == 3
    assert lived.statuses[-1] == "completed"


def test_a_text_of_megabytes_is_spoken_a_sentence_at_a_time() -> None:
    began = time.perf_counter()
    for text in ("e.g. " * 300_000, "x" * 1_500_000, "1." * 700_000):
        call = Call(ASK, brain=FakeBrain([text]), hang_up_at=2.0, limit=10**9).live()
        assert call.wire.all(server.AudioDelta)
    assert time.perf_counter() - began < 10


# The voice detector


class Deaf:
    def __init__(self, error: BaseException, fails: int) -> None:
        self.error, self.fails = error, fails

    def step(self, frame: bytes) -> float:
        self.fails -= 1
        if self.fails >= 0:
            raise self.error
        return 1.0


@pytest.mark.parametrize("error", [e for e in ERRORS if e not in ("EngineError", "GeneratorExit")])
def test_a_detector_that_fails_hears_nothing_in_that_frame_and_is_replaced(
    error: str, caplog: pytest.LogCaptureFixture
) -> None:
    made: list[Deaf] = []

    def detector() -> Deaf:
        made.append(Deaf(ERRORS[error](), fails=len(made) < 3))
        return made[-1]

    pipeline = InputPipeline(detector, lambda: config(ServerVad()).audio.input)
    verdicts = [p for heard in pipeline.decode(LOUD * 8) for p in heard.probabilities]
    assert verdicts[:3] == [0.0, 0.0, 0.0]
    assert set(verdicts[3:]) == {1.0}
    assert len(made) == 4
    assert len(logged(caplog)) == 1, "a row of failures is one line"


@pytest.mark.parametrize("value", [float("nan"), 2.0, -1, None, "much", True])
def test_a_verdict_that_is_not_a_probability_is_ignored(value: Any) -> None:  # noqa: ANN401
    class Odd:
        def step(self, frame: bytes) -> float:
            return value  # type: ignore[no-any-return]

    pipeline = InputPipeline(Odd, lambda: config(ServerVad()).audio.input)
    assert {p for heard in pipeline.decode(LOUD * 8) for p in heard.probabilities} == {0.0}


def test_a_detector_that_cannot_be_made_leaves_the_sound(caplog: pytest.LogCaptureFixture) -> None:
    def detector() -> Deaf:
        raise MemoryError(SECRET)

    pipeline = InputPipeline(detector, lambda: config(ServerVad()).audio.input)
    assert b"".join(heard.pcm for heard in pipeline.decode(LOUD * 8)) == LOUD * 8
    assert len(logged(caplog)) == 1
