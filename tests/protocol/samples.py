"""One of every event, with every field set that it can have."""

from __future__ import annotations

from vivavoce.protocol import client, server
from vivavoce.protocol.config import (
    AnySession,
    Audio,
    AudioInput,
    AudioOutput,
    ChosenFunction,
    FunctionTool,
    McpApproval,
    McpTool,
    McpToolFilter,
    NoiseReduction,
    Pcm,
    Pcma,
    Pcmu,
    Prompt,
    Reasoning,
    RetentionRatio,
    SemanticVad,
    ServerVad,
    SessionConfig,
    TokenLimits,
    Tracing,
    Transcription,
    TranscriptionAudio,
    TranscriptionConfig,
)
from vivavoce.protocol.items import (
    FunctionCall,
    FunctionOutput,
    Item,
    ItemReference,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpHttpError,
    McpListedTool,
    McpListTools,
    McpProtocolError,
    McpToolError,
    Message,
    Part,
)

FUNCTION = FunctionTool(name="f", description="does", parameters={"type": "object"})
MCP = McpTool(
    server_label="docs",
    server_url="https://mcp.example",
    connector_id="connector_gmail",
    tunnel_id="t",
    authorization="a",
    headers={"x": "y"},
    allowed_tools=McpToolFilter(tool_names=("lookup",), read_only=True),
    require_approval=McpApproval(always=McpToolFilter(tool_names=("delete",))),
    server_description="Documents",
    defer_loading=True,
    allowed_callers=("direct",),
)
HEARING = Transcription(
    model="m", language="it", prompt="p", languages=("it",), keywords=("Turin",), delay="low"
)
SESSIONS: list[AnySession] = [
    SessionConfig(id="sess_1"),
    SessionConfig(
        id="sess_2",
        tools=(FUNCTION, MCP, McpTool(server_label="mail", allowed_tools=("send",))),
        tool_choice=ChosenFunction(name="f"),
        max_output_tokens=100,
        tracing=Tracing(workflow_name="w", group_id="g", metadata={"a": 1}),
        truncation=RetentionRatio(
            retention_ratio=0.8, token_limits=TokenLimits(post_instructions=1000)
        ),
        prompt=Prompt(id="p", version="1", variables={"city": "Turin"}),
        audio=Audio(
            input=AudioInput(
                format=Pcmu(),
                transcription=HEARING,
                noise_reduction=NoiseReduction(type="near_field", strength=0.5),
                turn_detection=SemanticVad(),
            ),
            output=AudioOutput(format=Pcma(), voice="voice_1", speed=1.5),
        ),
        include=("item.input_audio_transcription.logprobs",),
        parallel_tool_calls=True,
        reasoning=Reasoning(effort="low"),
    ),
    TranscriptionConfig(
        id="sess_3",
        audio=TranscriptionAudio(
            input=AudioInput(transcription=HEARING, turn_detection=ServerVad(idle_timeout_ms=5000))
        ),
    ),
]
ITEMS: list[Item] = [
    Message(
        id="i1",
        object="realtime.item",
        role="user",
        content=(
            Part(type="input_text", text="Hi"),
            Part(type="input_audio", transcript=None),
            Part(type="input_audio", audio=b"\0\1", transcript="Hi"),
            Part(type="input_image", image_url="data:image/png;base64,iVBORw0KGgo=", detail="low"),
        ),
    ),
    Message(id="i2", role="system", content=(Part(type="input_text", text="Be kind."),)),
    Message(
        id="i3",
        role="assistant",
        status="incomplete",
        phase="final_answer",
        content=(
            Part(type="output_text", text="Hi"),
            Part(type="output_audio", transcript="Hi", audio=b"\0\1"),
        ),
    ),
    FunctionCall(
        id="i4",
        object="realtime.item",
        name="f",
        call_id="call_1",
        arguments="{}",
        status="in_progress",
    ),
    FunctionOutput(
        id="i5", object="realtime.item", status="completed", call_id="call_1", output="12"
    ),
    McpListTools(
        id="i6",
        server_label="docs",
        tools=(McpListedTool(name="lookup", input_schema={"type": "object"}, annotations={}),),
    ),
    McpApprovalRequest(id="i7", server_label="docs", name="lookup", arguments="{}"),
    McpApprovalResponse(id="i8", approval_request_id="i7", approve=True, reason="why not"),
    McpCall(
        id="i9",
        server_label="docs",
        name="lookup",
        arguments="{}",
        output="42",
        approval_request_id="i7",
    ),
    *(
        McpCall(id="i10", server_label="docs", name="lookup", arguments="{}", error=error)
        for error in (
            McpProtocolError(code=1, message="no"),
            McpToolError(message="no"),
            McpHttpError(code=502, message="no"),
        )
    ),
]
RESPONSES = [
    server.Response(
        id="r1",
        status="in_progress",
        conversation_id="conv_1",
        output_modalities=("audio",),
        audio=server.ResponseAudio(output=server.ResponseVoice(format=Pcm(), voice="marin")),
        metadata={"topic": "mood"},
    ),
    server.Response(
        id="r2",
        status="cancelled",
        status_details=server.StatusDetails(type="cancelled", reason="turn_detected"),
        conversation_id=None,
        output_modalities=("text",),
        output=tuple(ITEMS),
        max_output_tokens=10,
        usage=server.Usage(
            total_tokens=3,
            input_tokens=1,
            output_tokens=2,
            output_token_details=server.OutputTokens(text_tokens=2, reasoning_tokens=1),
        ),
    ),
    server.Response(
        id="r3",
        status="failed",
        status_details=server.StatusDetails(
            type="failed", error=server.Failure(type="t", code="c", message="m")
        ),
        output_modalities=("text",),
        usage=server.Usage(),
    ),
    server.Response(
        id="r4",
        status="incomplete",
        status_details=server.StatusDetails(type="incomplete", reason="max_output_tokens"),
        output_modalities=("text",),
        usage=server.Usage(),
    ),
]

EVENT, RESPONSE, ITEM = "event_1", "resp_1", "item_1"
LOGPROBS = (server.Logprob(token="Hi", logprob=-0.1, bytes=(72, 105)),)
PARTS = [
    server.ContentPart(type="text", text="Hi"),
    server.ContentPart(type="audio", transcript="Hi", audio=b"\0\1"),
]

SERVER: list[server.ServerEvent] = [
    server.Error(
        event_id=EVENT,
        error=server.ErrorBody(type="server_error", code="c", message="m", param="p", event_id="x"),
    ),
    *(server.SessionCreated(event_id=EVENT, session=session) for session in SESSIONS),
    *(server.SessionUpdated(event_id=EVENT, session=session) for session in SESSIONS),
    server.SpeechStarted(event_id=EVENT, audio_start_ms=0, item_id=ITEM),
    server.SpeechStopped(event_id=EVENT, audio_end_ms=10, item_id=ITEM),
    server.TimeoutTriggered(event_id=EVENT, audio_start_ms=0, audio_end_ms=10, item_id=ITEM),
    server.AudioCommitted(event_id=EVENT, previous_item_id=None, item_id=ITEM),
    server.AudioCleared(event_id=EVENT),
    server.DtmfReceived(event_id=EVENT, event="#", received_at=1763605109),
    server.PlayoutStarted(event_id=EVENT, response_id=RESPONSE),
    server.PlayoutStopped(event_id=EVENT, response_id=RESPONSE),
    server.PlayoutCleared(event_id=EVENT, response_id=RESPONSE),
    server.ConversationCreated(event_id=EVENT, conversation=server.ConversationBody(id="conv_1")),
    *(server.ItemCreated(event_id=EVENT, previous_item_id="i0", item=item) for item in ITEMS),
    *(server.ItemAdded(event_id=EVENT, previous_item_id="i0", item=item) for item in ITEMS),
    *(server.ItemDone(event_id=EVENT, previous_item_id="i0", item=item) for item in ITEMS),
    *(server.ItemRetrieved(event_id=EVENT, item=item) for item in ITEMS),
    server.ItemDeleted(event_id=EVENT, item_id=ITEM),
    server.ItemTruncated(event_id=EVENT, item_id=ITEM, content_index=0, audio_end_ms=10),
    server.TranscriptionDelta(
        event_id=EVENT, item_id=ITEM, delta="Hi", logprobs=LOGPROBS, obfuscation="x"
    ),
    server.TranscriptionSegment(
        event_id=EVENT, item_id=ITEM, id="seg_1", text="Hi", speaker="A", start=0.0, end=1.5
    ),
    server.TranscriptionCompleted(
        event_id=EVENT,
        item_id=ITEM,
        transcript="Hi",
        usage=server.Duration(seconds=1.5),
        languages=(server.DetectedLanguage(code="en"),),
        logprobs=LOGPROBS,
    ),
    server.TranscriptionCompleted(
        event_id=EVENT,
        item_id=ITEM,
        transcript="Hi",
        usage=server.Tokens(total_tokens=3, input_tokens=2, output_tokens=1),
    ),
    server.TranscriptionFailed(
        event_id=EVENT, item_id=ITEM, error=server.TranscriptionError(code="c", message="too noisy")
    ),
    *(server.ResponseCreated(event_id=EVENT, response=response) for response in RESPONSES[:1]),
    *(server.ResponseDone(event_id=EVENT, response=response) for response in RESPONSES[1:]),
    *(server.OutputItemAdded(event_id=EVENT, response_id=RESPONSE, item=item) for item in ITEMS),
    *(server.OutputItemDone(event_id=EVENT, response_id=RESPONSE, item=item) for item in ITEMS),
    *(
        server.PartAdded(event_id=EVENT, response_id=RESPONSE, item_id=ITEM, part=part)
        for part in PARTS
    ),
    *(
        server.PartDone(event_id=EVENT, response_id=RESPONSE, item_id=ITEM, part=part)
        for part in PARTS
    ),
    server.TextDelta(
        event_id=EVENT, response_id=RESPONSE, item_id=ITEM, delta="Hi", obfuscation="x"
    ),
    server.TextDone(event_id=EVENT, response_id=RESPONSE, item_id=ITEM, text="Hi"),
    server.TranscriptDelta(
        event_id=EVENT, response_id=RESPONSE, item_id=ITEM, delta="Hi", obfuscation="x"
    ),
    server.TranscriptDone(event_id=EVENT, response_id=RESPONSE, item_id=ITEM, transcript="Hi"),
    server.AudioDelta(event_id=EVENT, response_id=RESPONSE, item_id=ITEM, delta=b"\0\1"),
    server.AudioDone(event_id=EVENT, response_id=RESPONSE, item_id=ITEM),
    server.ArgumentsDelta(
        event_id=EVENT, response_id=RESPONSE, item_id=ITEM, call_id="c", delta="{}"
    ),
    server.ArgumentsDone(
        event_id=EVENT, response_id=RESPONSE, item_id=ITEM, call_id="c", name="f", arguments="{}"
    ),
    server.McpArgumentsDelta(event_id=EVENT, response_id=RESPONSE, item_id=ITEM, delta="{}"),
    server.McpArgumentsDone(event_id=EVENT, response_id=RESPONSE, item_id=ITEM, arguments="{}"),
    server.McpCallInProgress(event_id=EVENT, item_id=ITEM),
    server.McpCallCompleted(event_id=EVENT, item_id=ITEM),
    server.McpCallFailed(event_id=EVENT, item_id=ITEM),
    server.McpListInProgress(event_id=EVENT, item_id=ITEM),
    server.McpListCompleted(event_id=EVENT, item_id=ITEM),
    server.McpListFailed(event_id=EVENT, item_id=ITEM),
    server.RateLimitsUpdated(
        event_id=EVENT,
        rate_limits=(server.RateLimit(name="tokens", limit=9, remaining=8, reset_seconds=0.5),),
    ),
]

CLIENT: list[client.ClientEvent] = [
    client.SessionUpdate(event_id=EVENT, session={"type": "realtime", "instructions": "Be brief."}),
    client.AudioAppend(audio=b"\0\1"),
    client.AudioCommit(event_id=EVENT),
    client.AudioClear(event_id=EVENT),
    client.PlayoutClear(event_id=EVENT),
    *(client.ItemCreate(event_id=EVENT, item=item, previous_item_id="root") for item in ITEMS),
    client.ItemRetrieve(event_id=EVENT, item_id=ITEM),
    client.ItemDelete(event_id=EVENT, item_id=ITEM),
    client.ItemTruncate(event_id=EVENT, item_id=ITEM, content_index=0, audio_end_ms=10),
    client.ResponseCreate(),
    client.ResponseCreate(
        event_id=EVENT,
        response=client.ResponseOptions(
            conversation="none",
            instructions="Classify.",
            output_modalities=("text",),
            audio=client.AudioOptions(
                output=client.VoiceOptions(format=Pcmu(), voice=client.CustomVoice(id="voice_1"))
            ),
            tools=(FUNCTION, McpTool(server_label="docs")),
            tool_choice="required",
            max_output_tokens="inf",
            parallel_tool_calls=False,
            reasoning=Reasoning(effort="minimal"),
            prompt=Prompt(id="p"),
            metadata={"topic": "mood"},
            input=(*ITEMS, ItemReference(id="i1")),
        ),
    ),
    client.ResponseCancel(event_id=EVENT, response_id=RESPONSE),
]
