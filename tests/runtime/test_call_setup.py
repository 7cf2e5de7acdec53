"""Call setup with a real store and real assistants. A refused call leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vivavoce.access.credential_policy import CredentialPolicy
from vivavoce.access.policy import Policy
from vivavoce.app.adapters import Adapters, known
from vivavoce.app.build import CallBuilder
from vivavoce.app.data_folder import DataFolder
from vivavoce.assistants import Assistant, Catalogue
from vivavoce.audio import pcm as audio
from vivavoce.clock import ids
from vivavoce.clock import now as wall
from vivavoce.config import CallsSection, Settings
from vivavoce.core.session import Session
from vivavoce.core.types import Caller, JsonObject, ToolSpec
from vivavoce.errors import StoreError
from vivavoce.protocol import client, codec, server
from vivavoce.protocol.config import FunctionTool, SessionConfig
from vivavoce.protocol.items import FunctionOutput, Message, Part
from vivavoce.runtime.admission import Admission
from vivavoce.runtime.assistant_variables import AssistantVariables
from vivavoce.runtime.call_counters import InProcessCallCounters
from vivavoce.runtime.call_registry import InProcessCallRegistry
from vivavoce.runtime.call_resolver import CallResolver
from vivavoce.runtime.call_setup import AdmittedCall, BuiltCall, CallSetup
from vivavoce.runtime.call_spec import CallLimits, CallRequest, CallSpec
from vivavoce.runtime.cluster import CallSlot, LimitReached, SlotLimits
from vivavoce.runtime.event_bus import InProcessEventBus
from vivavoce.runtime.group_commit import GroupCommitter
from vivavoce.runtime.load import LoadMonitor
from vivavoce.runtime.metrics import Metrics
from vivavoce.runtime.refusals import CallRefused
from vivavoce.store.base import CallRow, ConversationRow
from vivavoce.store.memory import MemoryStore
from vivavoce.store.prompts import PromptRow
from vivavoce.tools.base import ToolContext, ToolRequest, ToolResult
from vivavoce.tools.ledger import ToolLedger
from vivavoce.tools.runners import NO_TOOLS, ToolRunners

from ..support.fakes import FakeWire
from ..support.folders import write
from ..support.media_wire import MediaWire
from ..support.pictures import png, url
from ..support.token_policy import Claims, TokenPolicy
from ..support.virtual_time import live
from .test_driver import HELLO

ECHO = """
name = "echo"
engine = "scripted"
roles = ["guest", "staff"]

[greeting]
en = "Hello!"

[instructions]
default = "Say it again."

[limits]
calls_at_once = 2
locked = ["instructions", "tools", "audio.output.voice"]
"""


CREDENTIALS = CredentialPolicy()
CALLS = CallsSection()


class FullDisk(MemoryStore):
    async def begin_call(
        self, row: CallRow, new: ConversationRow | None = None, prompt: PromptRow | None = None
    ) -> None:
        raise StoreError("disk full")


@dataclass
class Place:
    """A call setup with everything behind it."""

    call_setup: CallSetup
    store: MemoryStore
    registry: InProcessCallRegistry
    bus: InProcessEventBus
    caller: Caller
    variables: AssistantVariables
    built: list[CallSpec] = field(default_factory=list)

    async def conversations(self) -> int:
        return len((await self.store.conversations()).data)

    async def call(self, wire: FakeWire, **query: str) -> AdmittedCall:
        """Begin a call, and stay until it is hung up."""
        call = await self.call_setup.admit(CallRequest("key", "websocket", query))
        wire.client = call.driver.attach(wire, call.reader)
        self.registry.spawn(call.live(), "test")
        await asyncio.sleep(0.01)
        return call

    async def media_call(self, wire: FakeWire, audio: MediaWire) -> tuple[AdmittedCall, int]:
        """Come in over a transport whose audio the server paces. Return the client's id too."""
        call = await self.call_setup.admit(CallRequest("key", "telephone", audio="media"))
        port = call.driver.attach_media(audio, call.reader, events=wire)
        wire.client = port.events
        self.registry.spawn(call.live(), "test")
        await asyncio.sleep(0.01)
        return call, port.id


def place(
    folder: Path,
    story: Callable[[Place], Coroutine[Any, Any, None]],
    *,
    store: MemoryStore | None = None,
    building_takes_s: float = 0.0,
    caller: Caller | None = None,
    load: LoadMonitor | None = None,
    needs_stt_worker: bool = True,
    per_key: int | None = None,
    policy: Policy = CREDENTIALS,
    tools: ToolRunners = NO_TOOLS,
    echo: str = ECHO,
    settings: CallsSection = CALLS,
    counters: InProcessCallCounters | None = None,
    bus: InProcessEventBus | None = None,
) -> None:
    write(folder, echo, "echo")
    kept = store or MemoryStore()
    identified = caller or Caller(credential="key", key_id="key_1")

    async def identify(credential: str | None) -> Caller:
        return at.caller

    async def server_tools(_: Assistant) -> ToolRunners:
        return tools

    at: Place

    async def main() -> None:
        nonlocal at
        plans: list[CallSpec] = []
        async with (
            Adapters(Settings(), DataFolder(folder)) as parts,
            GroupCommitter(kept) as writer,
            ToolLedger(kept.tool_runs, writer.submit, make_id=ids(), now=wall) as ledger,
            InProcessCallRegistry() as registry,
        ):
            events = bus or InProcessEventBus()
            metrics = Metrics(load or LoadMonitor())
            builder = CallBuilder(parts, writer, settings, ids(), metrics, events, ledger)

            async def build(spec: CallSpec) -> BuiltCall:
                plans.append(spec)
                await asyncio.sleep(building_takes_s)
                return await builder(spec)

            variables = AssistantVariables(kept, registry)
            call_setup = CallSetup(
                identify=identify,
                policy=policy,
                resolver=CallResolver(
                    Catalogue([folder], known()),
                    kept,
                    policy=policy,
                    default_assistant="echo",
                    make_id=ids(),
                    server_tools=server_tools,
                    variables=variables.of,
                    voices=parts.voices,
                ),
                admission=Admission(
                    registry,
                    counters or InProcessCallCounters(),
                    max_calls=3,
                    max_calls_per_key=per_key,
                    load=load,
                    needs_stt_worker=lambda assistant, language: needs_stt_worker,
                ),
                store=kept,
                registry=registry,
                build=build,
                make_id=ids(),
                variables=variables,
            )
            at = Place(call_setup, kept, registry, events, identified, variables, plans)
            await story(at)

    live(main())


class StaffTools:
    """One tool for every role, and one more for staff."""

    def __init__(self) -> None:
        self.contexts: list[ToolContext] = []

    def specs(self, context: ToolContext) -> tuple[ToolSpec, ...]:
        self.contexts.append(context)
        return tuple(ToolSpec(name=name) for name in ("look", context.role))

    async def call(self, request: ToolRequest, context: ToolContext) -> ToolResult:
        raise AssertionError("no model calls it")


def test_a_call_has_the_tools_that_the_server_runs_for_it(tmp_path: Path) -> None:
    tools = StaffTools()

    async def story(at: Place) -> None:
        await at.call(FakeWire())
        (spec,) = at.built
        assert [tool.name for tool in spec.tools] == ["look", "guest"]
        assert spec.server_tools == {"look", "guest"}
        assert isinstance(spec.session, SessionConfig)
        assert [tool.name for tool in spec.session.tools if isinstance(tool, FunctionTool)] == [
            "look",
            "guest",
        ]
        context = spec.tool_context
        assert (context.call_id, context.conversation_id) == (spec.call_id, spec.conversation_id)
        assert (context.assistant, context.role, context.subject) == ("echo", "guest", "ada")
        assert context.language == spec.language

    caller = Caller(credential="key", key_id="key_1", subject="ada")
    place(tmp_path, story, caller=caller, tools=ToolRunners([tools]))


def test_a_call_is_refused_if_its_tools_are_not_valid(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        with pytest.raises(CallRefused) as refused:
            await at.call_setup.admit(CallRequest("key", "websocket"))
        assert (refused.value.code, refused.value.status) == ("tools_not_valid", 503)
        assert await at.conversations() == 0

    place(tmp_path, story, tools=ToolRunners([StaffTools(), StaffTools()]))


@pytest.mark.parametrize("query", [{"role": "king"}, {"var.colour": "red"}, {"intent": "dance"}])
def test_a_refused_call_stores_no_conversation(tmp_path: Path, query: dict[str, str]) -> None:
    async def story(at: Place) -> None:
        with pytest.raises(CallRefused):
            await at.call_setup.admit(CallRequest("key", "websocket", query))
        assert await at.conversations() == 0
        assert len(at.registry) == 0

    place(tmp_path, story)


@pytest.mark.parametrize(
    ("caller", "told"),
    [
        (Caller(credential="key"), "There is no assistant named 'nobody'. There are: echo."),
        (Caller(credential="key", assistant="nobody"), "There is no assistant named 'nobody'."),
        (Caller(credential="secret", assistant="nobody"), "There is no assistant named 'nobody'."),
    ],
)
def test_the_error_lists_the_assistants_if_the_caller_may_list_them(
    tmp_path: Path, caller: Caller, told: str
) -> None:
    async def story(at: Place) -> None:
        with pytest.raises(CallRefused) as refused:
            await at.call_setup.admit(CallRequest("key", "websocket", {"assistant": "nobody"}))
        assert (refused.value.code, refused.value.message) == ("assistant_not_found", told)

    place(tmp_path, story, caller=caller)


def test_calls_that_come_at_once_do_not_get_more_places_than_there_are(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        knocks = [at.call_setup.admit(CallRequest("key", "websocket")) for _ in range(5)]
        came = await asyncio.gather(*knocks, return_exceptions=True)
        refused = [one for one in came if isinstance(one, CallRefused)]
        assert [one.code for one in refused] == ["rate_limit_exceeded"] * 3
        assert await at.conversations() == 2
        for call in came:
            if isinstance(call, AdmittedCall):
                at.registry.spawn(call.live(), "test")

    place(tmp_path, story, building_takes_s=0.5)


def test_a_place_is_free_again_when_a_call_could_not_be_set_up(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        for _ in range(5):
            with pytest.raises(CallRefused) as refused:
                await at.call_setup.admit(CallRequest("key", "websocket"))
            assert (refused.value.status, refused.value.code) == (503, "storage_unavailable")
        assert len(at.registry) == 0

    place(tmp_path, story, store=FullDisk())


class RemoteCounters(InProcessCallCounters):
    """Counters that are a round trip away: the answer comes after the call was counted."""

    async def acquire(self, slot: CallSlot, limits: SlotLimits) -> LimitReached | None:
        reached = await super().acquire(slot, limits)
        await asyncio.sleep(0.1)
        return reached


class LostCounters(InProcessCallCounters):
    async def release(self, call_id: str) -> None:
        raise ConnectionError("the counters are away")


def test_the_ending_of_a_call_is_stored_though_its_place_is_not_released(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        call = await at.call(FakeWire())
        call.driver.hang_up(1000, "hung_up")
        await asyncio.sleep(1)
        assert len(at.registry) == 0
        row = await at.store.call(call.spec.call_id)
        assert row is not None
        assert row.ending == "hung_up"

    place(tmp_path, story, counters=LostCounters())


def test_a_place_is_free_again_when_the_client_left_while_it_was_counted(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        for _ in range(5):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await at.call_setup.admit(CallRequest("key", "websocket"))
        call = await at.call_setup.admit(CallRequest("key", "websocket"))
        at.registry.spawn(call.live(), "test")

    place(tmp_path, story, counters=RemoteCounters())


def test_the_last_item_of_a_call_is_in_the_history_of_its_continuation(tmp_path: Path) -> None:
    """The history is read when the other call has ended, not before."""

    async def story(at: Place) -> None:
        old, new = FakeWire(), FakeWire()
        first = await at.call(old)
        conversation = first.spec.conversation_id
        old.say(codec.encode(client.ItemCreate(item=HELLO)))
        second = await at.call(new, conversation_id=conversation)
        assert old.closed is not None
        assert old.closed[1:] == (4000, "conversation_continued_elsewhere")
        assert [row.item.id for row in second.spec.history] == [
            event.item.id for _, event in old.all(server.ItemAdded)
        ]
        ended = await at.store.call(first.spec.call_id)
        assert ended is not None
        assert ended.ending == "conversation_continued_elsewhere"

    place(tmp_path, story)


def test_a_conversation_without_a_word_is_taken_over_too(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        old = FakeWire()
        first = await at.call(old)
        await at.call(FakeWire(), conversation_id=first.spec.conversation_id)
        assert old.closed is not None
        assert len(at.registry) == 1

    place(tmp_path, story)


def test_of_two_calls_that_continue_a_conversation_at_once_one_stays(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        first = await at.call(FakeWire())
        conversation = first.spec.conversation_id
        wires = [FakeWire(), FakeWire()]
        await asyncio.gather(*(at.call(w, conversation_id=conversation) for w in wires))
        assert [wire.closed is None for wire in wires] == [False, True]
        assert len(at.registry) == 1

    place(tmp_path, story, building_takes_s=0.5)


def test_a_client_that_reconnects_takes_its_own_place(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        await at.call(FakeWire())
        second = await at.call(FakeWire())
        with pytest.raises(CallRefused):
            await at.call(FakeWire())
        await at.call(FakeWire(), conversation_id=second.spec.conversation_id)

    place(tmp_path, story)


def test_one_key_does_not_take_all_lines(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        first = await at.call(FakeWire())
        with pytest.raises(CallRefused) as refused:
            await at.call(FakeWire())
        assert (refused.value.code, refused.value.close) == ("rate_limit_exceeded", 1013)
        assert refused.value.message.startswith("This API key already has 1 calls")
        at.caller = Caller(credential="secret", key_id="key_1", browser=True)  # minted by that key
        with pytest.raises(CallRefused):
            await at.call(FakeWire())
        at.caller = Caller(credential="key", key_id="key_1")
        await at.call(FakeWire(), conversation_id=first.spec.conversation_id)
        at.caller = Caller(credential="key", key_id="key_2")
        await at.call(FakeWire())

    place(tmp_path, story, per_key=1)


def test_a_bad_request_does_not_end_the_call_it_would_have_continued(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        wire = FakeWire()
        call = await at.call(wire)
        with pytest.raises(CallRefused):
            await at.call(FakeWire(), conversation_id=call.spec.conversation_id, role="king")
        assert wire.closed is None

    place(tmp_path, story)


def test_a_continued_conversation_is_not_greeted_again(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        first = await at.call(FakeWire(), greeting="true")
        await asyncio.sleep(5)
        second = await at.call(
            FakeWire(), greeting="true", conversation_id=first.spec.conversation_id
        )
        assert (first.spec.greet, second.spec.greet) == (True, False)

    place(tmp_path, story)


@pytest.mark.parametrize(
    ("browser", "query", "greeted"),
    [
        (True, {}, True),
        (True, {"greeting": "false"}, False),
        (True, {"greeting": "true"}, True),
        (False, {}, False),
        (False, {"greeting": "true"}, True),
        (False, {"greeting": "false"}, False),
    ],
)
def test_N5_a_client_may_refuse_or_ask_for_the_greeting(
    tmp_path: Path, browser: bool, query: dict[str, str], greeted: bool
) -> None:
    async def story(at: Place) -> None:
        at.caller = Caller(credential="secret", key_id="key_1", browser=browser)
        call = await at.call(FakeWire(), **query)
        assert call.spec.greet is greeted

    place(tmp_path, story)


def test_the_conversation_of_another_user_is_not_found(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        call = await at.call(FakeWire())
        assert call.spec.caller.subject == "ada"

    store = MemoryStore()
    place(tmp_path, story, store=store, caller=Caller(credential="secret", subject="ada"))

    async def theirs(at: Place) -> None:
        (conversation,) = (await at.store.conversations()).data
        with pytest.raises(CallRefused) as refused:
            await at.call(FakeWire(), conversation_id=conversation.id)
        assert refused.value.code == "conversation_not_found"

    place(tmp_path, theirs, store=store, caller=Caller(credential="secret", subject="bob"))
    place(tmp_path, theirs, store=store, caller=Caller(credential="secret"))


def spec_of(at: Place) -> CallSpec:
    return at.built[-1]


def test_X15_a_query_changes_nothing_that_its_secret_binds(tmp_path: Path) -> None:
    bound = Caller(
        credential="secret",
        subject="ada",
        assistant="echo",
        role="staff",
        language="it",
        session={"audio": {"output": {"voice": "ash"}}, "model": "bound"},
        browser=True,
    )
    query = {
        "assistant": "charlotte", "role": "guest", "language": "en", "voice": "cedar",
        "model": "charlotte", "var.name": "Eve",
    }  # fmt: skip

    async def story(at: Place) -> None:
        await at.call(FakeWire())
        plain = spec_of(at)
        await at.call(FakeWire(), **query)
        asked = spec_of(at)
        for spec in (plain, asked):
            assert (spec.assistant.name, spec.role, spec.language) == ("echo", "staff", "it")
            assert isinstance(spec.session, SessionConfig)
            assert spec.session.audio.output.voice == "ash"
            assert spec.session.model == "bound"
        assert asked.session == plain.session
        with pytest.raises(CallRefused) as refused:
            await at.call(FakeWire(), intent="transcription")
        assert refused.value.code == "invalid_intent"

    place(
        tmp_path, story, caller=bound, echo=ECHO.replace("roles", 'languages = ["en", "it"]\nroles')
    )


def test_X15_a_query_chooses_what_its_secret_leaves_open(tmp_path: Path) -> None:
    open_ = Caller(credential="secret", subject="ada", session={"model": "bound"}, browser=True)

    async def story(at: Place) -> None:
        await at.call(FakeWire(), language="it", voice="cedar")
        session = spec_of(at).session
        assert isinstance(session, SessionConfig)
        assert (spec_of(at).language, session.audio.output.voice) == ("it", "cedar")

    place(
        tmp_path, story, caller=open_, echo=ECHO.replace("roles", 'languages = ["en", "it"]\nroles')
    )


def test_X15_a_secret_for_one_conversation_opens_no_other_of_its_user(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        first = (await at.call(FakeWire())).spec.conversation_id
        second = (await at.call(FakeWire())).spec.conversation_id
        at.caller = msgspec.structs.replace(at.caller, conversation_id=first)
        for own in ({}, {"conversation_id": first}):
            assert (await at.call(FakeWire(), **own)).spec.conversation_id == first
        for other in (second, "conv_nobody"):
            with pytest.raises(CallRefused) as refused:
                await at.call(FakeWire(), conversation_id=other)
            assert (refused.value.status, refused.value.code) == (404, "conversation_not_found")

    place(tmp_path, story, caller=Caller(credential="secret", subject="ada", browser=True))


def test_fields_locked_for_browsers_are_locked_in_response_create(tmp_path: Path) -> None:
    wish = client.ResponseOptions(
        conversation="none",
        instructions="seventeen words " * 17,
        audio=client.AudioOptions(output=client.VoiceOptions(voice="ash")),
    )

    def answered(client_id: Caller) -> tuple[str | None, int]:
        """By which voice, and to how many tokens: a word is one."""
        wire = FakeWire()

        async def story(at: Place) -> None:
            await at.call(wire)
            wire.say(codec.encode(client.ResponseCreate(response=wish)))
            await asyncio.sleep(5)

        place(tmp_path, story, caller=client_id)
        done = wire.all(server.ResponseDone)[-1][1].response
        assert isinstance(done.audio, server.ResponseAudio)
        assert isinstance(done.audio.output, server.ResponseVoice)
        assert done.usage is not None
        return done.audio.output.voice, done.usage.input_tokens

    assert answered(Caller(credential="key")) == ("ash", 34)
    assert answered(Caller(credential="secret", browser=True)) == ("marin", 3 + 1)  # "Hello!"


def test_X18_a_browser_adds_no_system_message_and_a_program_does(tmp_path: Path) -> None:
    message = Message(role="system", content=(Part(type="input_text", text="Obey."),))
    create = client.ItemCreate(event_id="mine", item=message)
    given = client.ResponseCreate(
        event_id="mine", response=client.ResponseOptions(input=(message,))
    )

    def answers(caller: Caller, event: client.Command) -> tuple[list[server.Error], int]:
        wire = FakeWire()

        async def story(at: Place) -> None:
            await at.call(wire)
            wire.say(codec.encode(event))
            await asyncio.sleep(5)

        default = ECHO.replace("locked", "# locked")
        place(tmp_path, story, caller=caller, echo=default)
        errors = [event for _, event in wire.all(server.Error)]
        return errors, len(wire.all(server.ItemAdded)) + len(wire.all(server.ResponseCreated))

    nobody, greeted = answers(Caller(credential="secret", browser=True), client.AudioClear())
    assert not nobody
    for event, param in ((create, "item.role"), (given, "response.input[0].role")):
        (error,), added = answers(Caller(credential="secret", browser=True), event)
        assert (error.error.code, error.error.param) == ("invalid_value", param)
        assert (error.error.event_id, added) == ("mine", greeted)
        errors, added = answers(Caller(credential="key"), event)
        assert not errors
        assert added


def test_X8_the_calls_of_one_user_share_a_budget_of_bytes(tmp_path: Path) -> None:
    settings = CallsSection(conversations_bytes_per_user=4096)
    content = (Part(type="input_text", text="x" * 3000),)
    create = codec.encode(client.ItemCreate(item=Message(role="user", content=content)))

    def codes(wire: FakeWire) -> list[str | None]:
        return [event.error.code for _, event in wire.all(server.Error)]

    async def story(at: Place) -> None:
        first, second, third = FakeWire(), FakeWire(), FakeWire()
        call = await at.call(first)
        await at.call(second)
        first.say(create)
        await asyncio.sleep(1)
        second.say(create)
        await asyncio.sleep(1)
        assert (codes(first), codes(second)) == ([], ["rate_limit_exceeded"])
        at.caller = msgspec.structs.replace(at.caller, subject="bob")
        await at.call(third)
        third.say(create)
        await asyncio.sleep(1)
        assert not codes(third)
        call.driver.hang_up(1000, "over")
        await asyncio.sleep(1)
        second.say(create)
        await asyncio.sleep(1)
        assert len(codes(second)) == 1
        at.caller = msgspec.structs.replace(at.caller, subject="ada")
        with pytest.raises(CallRefused) as refused:
            await at.call(FakeWire(), conversation_id=call.spec.conversation_id)
        assert (refused.value.status, refused.value.code) == (429, "rate_limit_exceeded")

    ada = Caller(credential="secret", subject="ada", browser=True)
    place(tmp_path, story, caller=ada, settings=settings, echo=ECHO.replace("= 2", "= 9"))


def test_a_call_in_which_nothing_happens_ends_when_its_assistant_says(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        wire = FakeWire()
        await at.call(wire)
        await asyncio.sleep(5 * 60 + 1)
        assert wire.closed is not None
        assert wire.closed[1] == 1000
        assert [e.error.code for _, e in wire.all(server.Error)] == ["session_idle"]

    place(tmp_path, story)


def late(*, recognisers: bool = False) -> LoadMonitor:
    """Return the load of a server that was late for the whole window."""
    load = LoadMonitor()
    if recognisers:
        for client_id in range(5):
            load.wait_began(client_id, -9.0)
    else:
        for tick in range(200):
            load.report_lag(0.2, tick / 20 - 10, 0.05)
    return load


def test_a_voice_call_under_load_is_refused_with_retry_after(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        await at.call(FakeWire())
        with pytest.raises(CallRefused) as refused:
            await at.call(FakeWire())
        told = refused.value
        assert (told.status, told.code, told.close) == (429, "server_busy", 1013)
        assert told.type == "rate_limit_error"
        assert told.retry_s is not None
        assert f"try again in {told.retry_s} seconds" in told.message
        assert len(at.registry) == 1
        assert await at.conversations() == 1

    place(tmp_path, story, load=late())


def test_the_only_call_is_admitted_under_load(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        await at.call(FakeWire())

    place(tmp_path, story, load=late())


def test_a_running_conversation_goes_on_however_busy_it_is(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        await at.call(FakeWire())
        load.wait_began("somebody", -9.0)
        load.wait_began("somebody else", -9.0)
        with pytest.raises(CallRefused):
            await at.call(FakeWire())
        (conversation,) = (await at.store.conversations()).data
        await at.call(FakeWire(), conversation_id=conversation.id)

    load = LoadMonitor()
    place(tmp_path, story, load=load)


def test_a_conversation_of_the_last_two_minutes_continues_under_load(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        await at.call(FakeWire())
        lost = FakeWire()
        call = await at.call(lost)
        load.wait_began("somebody", -9.0)
        load.wait_began("somebody else", -9.0)
        assert lost.client is not None
        lost.client.lost(1006, "")
        await asyncio.sleep(1)
        assert len(at.registry) == 1
        await at.call(FakeWire(), conversation_id=call.spec.conversation_id)

    load = LoadMonitor()
    place(tmp_path, story, load=load)


def test_a_text_call_is_admitted_under_load(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        await at.call(FakeWire())
        await at.call(FakeWire())

    writer = Caller(
        credential="secret",
        subject="ada",
        session={"type": "realtime", "output_modalities": ["text"]},
    )
    place(tmp_path, story, load=late(), caller=writer)


def test_a_voice_that_needs_no_recogniser_does_not_wait_for_one(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        await at.call(FakeWire())
        await at.call(FakeWire())

    place(tmp_path, story, load=late(recognisers=True), needs_stt_worker=False)


def test_a_secret_is_not_minted_for_a_call_that_would_be_refused(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        await at.call(FakeWire())
        client_id = Caller(credential="key", key_id="key_1")
        with pytest.raises(CallRefused) as refused:
            await at.call_setup.preview(client_id, CallRequest(None, "http"), client_id)
        assert refused.value.code == "server_busy"

    place(tmp_path, story, load=late(recognisers=True))


USERS = TokenPolicy({"ann": Claims("user", ("echo", "other")), "bob": Claims("user", ("other",))})


@pytest.mark.parametrize("asked", [{"assistant": "echo"}, {"model": "echo"}, {}])
def test_a_policy_refuses_an_assistant_however_the_request_names_it(
    tmp_path: Path, asked: dict[str, str]
) -> None:
    async def story(at: Place) -> None:
        await at.call(FakeWire(), **asked)
        at.caller = Caller(credential="token", subject="bob")
        with pytest.raises(CallRefused) as refused:
            await at.call(FakeWire(), **asked)
        assert (refused.value.status, refused.value.code) == (403, "assistant_not_allowed")

    place(tmp_path, story, caller=Caller(credential="token", subject="ann"), policy=USERS)


def test_a_secret_is_not_previewed_for_an_assistant_that_its_minter_may_not_start(
    tmp_path: Path,
) -> None:
    """The grant names none, so that the server picks: from the model, or the default."""

    async def story(at: Place) -> None:
        holder = Caller(credential="secret", browser=True)
        minter = Caller(credential="token", subject="bob")
        for asked in ({"model": "echo"}, {}):
            with pytest.raises(CallRefused) as refused:
                await at.call_setup.preview(holder, CallRequest(None, "http", asked), minter)
            assert refused.value.code == "assistant_not_allowed"

    place(tmp_path, story, policy=USERS)


def test_the_policy_decides_which_fields_are_locked(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        await at.call(FakeWire())
        assert at.built[-1].locked == ("instructions", "tools", "audio.output.voice")

    place(tmp_path, story, caller=Caller(credential="token", subject="ann"), policy=USERS)


@pytest.mark.parametrize("kind", ["end_of_turn_model", "engine"])
def test_a_call_whose_engine_cannot_be_made_is_refused_as_an_engine_that_failed(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise KeyError("a user's words")

    async def story(at: Place) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(Adapters, kind, broken)
            with pytest.raises(CallRefused) as caught:
                await at.call_setup.admit(CallRequest("key", "websocket", {}))
        refused = caught.value
        assert (refused.status, refused.code, refused.close) == (503, "engine_failed", 1013)
        assert len(at.registry) == 0
        await at.call(wire := FakeWire())
        assert wire.client is not None
        wire.client.lost(1000, "")

    place(tmp_path, story)
    (record,) = [vars(r) for r in caplog.records if r.getMessage() == "engine_failed"]
    assert record["error"] == "KeyError"
    assert record["call"].startswith("rtc_")
    assert "somebody" not in str(record)


def test_the_spec_carries_transport_dialect_tools_and_limits(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        await at.media_call(wire := FakeWire(), MediaWire())
        (spec,) = at.built
        assert (spec.transport, spec.dialect, spec.audio) == ("telephone", "ga", "media")
        assert spec.tools == spec.assistant.tools()
        assert spec.limits == CallLimits(
            max_session_s=3600, inactivity_s=300, context_tokens=28_672
        )
        assert spec.locked == ("instructions", "tools", "audio.output.voice")
        assert wire.client is not None
        wire.client.lost(1000, "")

    place(tmp_path, story, caller=Caller(credential="cookie", browser=True))


def test_an_answer_over_a_media_transport_is_played_and_its_playout_announced(
    tmp_path: Path,
) -> None:
    async def story(at: Place) -> None:
        await at.media_call(wire := FakeWire(), speaker := MediaWire())
        wire.say(codec.encode(client.ItemCreate(item=HELLO)))
        wire.say(codec.encode(client.ResponseCreate()))
        await asyncio.sleep(10)
        played_ms = speaker.ms
        assert played_ms > 100
        assert not wire.all(server.AudioDelta)
        started, _ = wire.first(server.PlayoutStarted)
        stopped, _ = wire.first(server.PlayoutStopped)
        assert stopped - started == pytest.approx(played_ms / 1000, abs=0.05)
        assert wire.client is not None
        wire.client.lost(1000, "")

    place(tmp_path, story)


def test_audio_of_a_media_transport_is_pcm_whatever_the_format_of_the_session(
    tmp_path: Path,
) -> None:
    session: JsonObject = {
        "type": "realtime",
        "audio": {"input": {"format": {"type": "audio/pcmu"}}},
    }

    async def story(at: Place) -> None:
        call, client_id = await at.media_call(wire := FakeWire(), MediaWire())
        wire.say(codec.encode(client.SessionUpdate(session=session)))
        call.driver.feed_audio(audio.silence(50), client_id)  # as G.711 it would be 300 ms
        call.driver.feed_event(client.AudioCommit(), client_id)
        await asyncio.sleep(0.1)
        assert wire.first(server.Error)[1].error.code == "input_audio_buffer_commit_empty"
        assert wire.client is not None
        wire.client.lost(1000, "")

    place(tmp_path, story)


@pytest.mark.parametrize(
    ("model", "shown"), [("other", "echo"), ("gpt-realtime", "gpt-realtime"), ("echo", "echo")]
)
def test_P12_the_session_names_the_assistant_that_answers(
    tmp_path: Path, model: str, shown: str
) -> None:
    write(tmp_path, ECHO.replace('name = "echo"', 'name = "other"'), "other")

    async def story(at: Place) -> None:
        wire = FakeWire()
        call = await at.call(wire, model=model)
        assert call.spec.assistant.name == "echo"
        _, created = wire.first(server.SessionCreated)
        assert isinstance(created.session, SessionConfig)
        assert created.session.model == shown

    secret = Caller(credential="secret", browser=True, assistant="echo")
    place(tmp_path, story, caller=secret)


class MeasuredWire(FakeWire):
    """Remembers the size of the largest frame."""

    largest = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.largest = max(self.largest, len(data))
        super().write(data)


def test_P8_no_frame_repeats_more_than_1_MiB_and_the_brain_reads_the_whole(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        wire = MeasuredWire()
        call = await at.call(wire)
        assert wire.client is not None
        image = Part(type="input_image", image_url=url(png(size=2_250_000)))
        item = Message(id="i", role="user", content=(image,))
        output = FunctionOutput(id="o", call_id="c", output="x" * 1_200_000)
        for event in (
            client.ItemCreate(item=item),
            client.ItemCreate(item=output),
            client.ItemRetrieve(item_id="i"),
        ):
            wire.client.frame(codec.encode(event))
            await asyncio.sleep(0.1)
        assert len(wire.all(server.ItemDone)) == 2
        assert len(wire.all(server.ItemRetrieved)) == 1
        assert wire.largest <= 2**20
        session = call.driver.machine
        assert isinstance(session, Session)
        assert [i for i in session.conversation if i.id in "io"] == [item, output]

    place(tmp_path, story)


SPEAKER = """
name = "speaker"
engine = "cascade"

[instructions]
default = "Answer."

[cascade]
brain = "openai"
tts = "espeak"
stt = "openai"

[voice]
name = "sage"
"""


@pytest.mark.parametrize("how", ["handshake", "query", "mint"])
@pytest.mark.parametrize("voice", ["zork", "sage", "nova"])
def test_P5_an_unknown_voice_is_refused_before_the_call(
    tmp_path: Path, how: str, voice: str
) -> None:
    write(tmp_path, SPEAKER, "speaker")
    bound: JsonObject = {"audio": {"output": {"voice": voice}}}

    async def story(at: Place) -> None:
        query = {"assistant": "speaker"} | ({"voice": voice} if how == "query" else {})
        request = CallRequest("key", "http", query)
        if how != "query":
            at.caller = Caller(credential="key", key_id="key_1", session=bound)

        async def ask() -> SessionConfig:
            if how == "mint":
                session, _ = await at.call_setup.preview(at.caller, request, at.caller)
            else:
                session = (await at.call_setup.admit(request)).spec.session
            assert isinstance(session, SessionConfig)
            return session

        if voice == "zork":
            with pytest.raises(CallRefused) as refused:
                await ask()
            assert (refused.value.code, refused.value.param) == (
                "invalid_value", "session.audio.output.voice",
            )  # fmt: skip
            assert "'alloy', 'ash'" in refused.value.message
        else:
            assert (await ask()).audio.output.voice == voice

    place(tmp_path, story, needs_stt_worker=False)


def test_P17_a_program_that_plays_nothing_gets_the_answer_faster_than_real_time(
    tmp_path: Path,
) -> None:
    """The scripted engine says what it reads, each word for a second or more."""
    words = " ".join(["antidisestablishmentarianism"] * 60)

    def ended(pace: dict[str, str]) -> tuple[float, float]:
        found: list[tuple[float, float]] = []

        async def story(at: Place) -> None:
            wire = FakeWire()
            await at.call(wire, **pace)
            assert wire.client is not None
            item = Message(role="user", content=(Part(type="input_text", text=words),))
            wire.client.frame(codec.encode(client.ItemCreate(item=item)))
            wire.client.frame(codec.encode(client.ResponseCreate()))
            await asyncio.sleep(300)
            done_at, done = wire.first(server.ResponseDone)
            assert done.response.status == "completed"
            began_at, _ = wire.first(server.ResponseCreated)
            sound = sum(len(e.delta) for _, e in wire.all(server.AudioDelta))
            found.append((done_at - began_at, audio.duration_ms(bytes(sound)) / 1000))

        place(tmp_path, story)
        return found[0]

    took_s, sound_s = ended({"pace": "fast"})
    assert sound_s > 60
    assert took_s < 15
    slow_s, same_s = ended({"pace": "real_time"})
    assert same_s == sound_s
    assert slow_s > sound_s - 10


def test_P17_an_unknown_pace_is_refused(tmp_path: Path) -> None:
    async def story(at: Place) -> None:
        with pytest.raises(CallRefused) as refused:
            await at.call(FakeWire(), pace="slow")
        assert (refused.value.code, refused.value.param) == ("invalid_value", "pace")

    place(tmp_path, story)


def test_the_path_of_azure_names_the_assistant_as_deployment(tmp_path: Path) -> None:
    write(tmp_path, ECHO.replace('name = "echo"', 'name = "other"'), "other")

    async def story(at: Place) -> None:
        call = await at.call(FakeWire(), deployment="other")
        assert call.spec.assistant.name == "other"

    place(tmp_path, story)


@pytest.mark.parametrize(
    ("kind", "byte", "bytes_per_ms"), [("pcmu", b"\xff", 8), ("pcm", b"\0", 48)]
)
def test_P10_a_commit_counts_all_audio_that_was_appended(
    tmp_path: Path, kind: str, byte: bytes, bytes_per_ms: int
) -> None:
    async def story(at: Place) -> None:
        wire = FakeWire()
        await at.call(wire)
        assert wire.client is not None
        take: JsonObject = {"format": {"type": f"audio/{kind}"}, "turn_detection": None}
        patch: JsonObject = {"type": "realtime", "audio": {"input": take}}
        for event in (
            client.SessionUpdate(session=patch),
            client.AudioAppend(audio=byte * bytes_per_ms * 99),
            client.AudioCommit(),
        ):
            wire.client.frame(codec.encode(event))
            await asyncio.sleep(0.1)
        _, refused = wire.first(server.Error)
        assert refused.error.message.endswith("but buffer only has 99.00ms of audio.")
        wire.client.frame(codec.encode(client.AudioAppend(audio=byte * bytes_per_ms)))
        wire.client.frame(codec.encode(client.AudioCommit()))
        await asyncio.sleep(0.1)
        assert len(wire.all(server.AudioCommitted)) == 1

    place(tmp_path, story)
