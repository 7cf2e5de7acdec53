"""Make rows for tests of the store, and run a story on a store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from vivavoce.protocol.items import (
    FunctionCall,
    FunctionOutput,
    Item,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpHttpError,
    McpListedTool,
    McpListTools,
    Message,
    Part,
)
from vivavoce.store.base import (
    AuditRow,
    CallRow,
    Change,
    ConversationRow,
    Grant,
    ItemRow,
    KeyRow,
    ResponseRow,
    SecretRow,
    Store,
)

NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, UTC)
LATER = NOON + timedelta(minutes=1)

Make = Callable[[], Awaitable[Store]]
Story = Callable[[Store], Awaitable[None]]


def tell(make: Make, story: Story) -> None:
    async def main() -> None:
        async with asyncio.timeout(30):
            store = await make()
            try:
                await story(store)
            finally:
                await store.close()

    asyncio.run(main())


def conversation(
    name: str = "conv_1",
    at: datetime = NOON,
    assistant: str = "charlotte",
    subject: str | None = None,
) -> ConversationRow:
    return ConversationRow(name, assistant, subject, "en", at, at)


def call(name: str = "rtc_1", of: str = "conv_1", at: datetime = NOON) -> CallRow:
    return CallRow(name, of, "charlotte", None, "websocket", "cascade", at)


def response(name: str = "resp_1", of: str = "rtc_1", at: datetime = NOON) -> ResponseRow:
    usage: dict[str, object] = {"total_tokens": 3, "input_token_details": {"audio_tokens": 1}}
    return ResponseRow(
        name, of, "completed", None, usage, at, at, first_audio_ms=41.5, stt_ms=12.25
    )


def said(name: str, text: str = "When does it start?", position: float = 1024.0) -> ItemRow:
    part = Part(type="input_text", text=text)
    return ItemRow(Message(id=name, role="user", content=(part,)), position, NOON)


def key(name: str = "key_1", hash: str = "aa", at: datetime = NOON) -> KeyRow:
    return KeyRow(name, "laptop", hash, at)


GRANT = Grant(
    subject="ann",
    assistant="charlotte",
    role="guest",
    language="it",
    variables={"city": "Torino"},
    conversation_id="conv_1",
    session={"audio": {"output": {"voice": "marin", "speed": 1.5}}, "tools": []},
)


def secret(
    name: str = "cs_1",
    hash: str = "aa",
    expires_at: datetime = LATER,
    minted_by: str | None = "key_1",
) -> SecretRow:
    return SecretRow(name, hash, expires_at, GRANT, minted_by)


SPOKEN = ItemRow(
    Message(
        id="item_spoken",
        role="assistant",
        status="incomplete",
        content=(Part(type="output_audio", transcript="At nine, in the"),),
    ),
    position=2048.5,
    created_at=NOON,
    generated="At nine, in the Auditorium. È là — 九時 🕘",
    sent_ms=2400,
    heard_ms=900,
    input_method="voice",
    model="extractive",
    voice="marin",
)
UNHEARD = ItemRow(
    Message(id="item_unheard", role="user", content=(Part(type="input_audio", transcript=None),)),
    position=3072.0,
    created_at=NOON,
)
OTHER_ITEMS: list[Item] = [
    FunctionCall(id="item_call", name="show_map", call_id="call_1", arguments='{"a":1}'),
    FunctionOutput(id="item_output", call_id="call_1", output="\x00 done"),
    FunctionOutput(id="item_marked", status="completed", call_id="call_1", output=""),
    Message(
        id="item_shown",
        object="realtime.item",
        role="user",
        content=(
            Part(type="input_image", image_url="data:image/png;base64,AA==", detail="low"),
            Part(type="input_audio", audio=bytes(range(256)), transcript="Look."),
        ),
    ),
    Message(id="item_empty", role="system", phase=None),
    McpListTools(
        id="mcpl_1",
        server_label="shop",
        tools=(McpListedTool(name="find", input_schema={"type": "object"}),),
    ),
    McpApprovalRequest(id="mcpr_1", server_label="shop", name="find", arguments="{}"),
    McpApprovalResponse(id="item_yes", approval_request_id="mcpr_1", approve=True),
    McpCall(
        id="mcp_1",
        server_label="shop",
        name="find",
        arguments="{}",
        error=McpHttpError(code=500, message="out of order"),
    ),
]
ALL_KINDS = [
    SPOKEN,
    UNHEARD,
    *(ItemRow(item, 4096.0 + number, NOON) for number, item in enumerate(OTHER_ITEMS)),
]


def change(*rows: ItemRow, of: str = "conv_1", deleted: tuple[str, ...] = ()) -> Change:
    return Change(of, rows, deleted)


def act(
    name: str = "aud_1",
    at: datetime = NOON,
    actor: str = "key_1",
    action: str = "secret_minted",
    target: str | None = "cs_1",
) -> AuditRow:
    return AuditRow(name, at, actor, action, target, {"peer": "127.0.0.1"})
