"""The tools of a session's MCP servers: as functions for a brain, called, approved, settled."""

from __future__ import annotations

from typing import Any

import pytest

from vivavoce.core.effects import CallMcpTool, CancelMcpTool, ListTools
from vivavoce.core.inputs import (
    Finished,
    ListToolsFailed,
    McpToolReturned,
    ToolRequested,
    ToolsListed,
)
from vivavoce.core.limits import Limits
from vivavoce.protocol import client, server
from vivavoce.protocol.config import ChosenFunction, FunctionTool, McpTool, SessionConfig
from vivavoce.protocol.items import (
    FunctionCall,
    FunctionOutput,
    McpApprovalRequest,
    McpApprovalResponse,
    McpCall,
    McpListedTool,
    McpListTools,
    McpToolError,
    Message,
    Part,
)

from ..support.scenario import Scenario, update

DOCS = {"type": "mcp", "server_label": "docs", "server_url": "https://docs.example/mcp"}
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"word": {"type": "string"}}}
LOOK_UP = McpListedTool(name="look_up", input_schema=SCHEMA, annotations={"readOnlyHint": True})
DELETE = McpListedTool(name="delete", description="Delete.", input_schema=SCHEMA)
ARGUMENTS = '{"word": "x"}'


def scenario(tools: tuple[McpListedTool, ...] = (LOOK_UP, DELETE), **server: object) -> Scenario:
    """Begin a session whose MCP server has listed its tools."""
    s = Scenario(lists_tools=True)
    s.tell(update(tools=[DOCS | server]))
    (asked,) = [each for each in s.log if isinstance(each, ListTools)]
    s.tell(ToolsListed(asked.item_id, tools))
    return s


def offered(s: Scenario, options: client.ResponseOptions | None = None) -> list[str]:
    """Return the functions that the brain may call in a response."""
    s.tell(client.ResponseCreate(response=options))
    return [tool.name for tool in s.request.config.tools if isinstance(tool, FunctionTool)]


def respond(s: Scenario, name: str = "look_up", arguments: str = ARGUMENTS) -> str:
    """Make a response that calls a function."""
    s.tell(client.ResponseCreate())
    response_id = s.request.response_id
    call = FunctionCall(name=name, call_id="call_1", arguments=arguments)
    s.tell(ToolRequested(response_id, call), Finished(response_id))
    return response_id


def answer(s: Scenario, request: str, *, approve: bool, reason: str | None = None) -> None:
    item = McpApprovalResponse(approval_request_id=request, approve=approve, reason=reason)
    s.tell(client.ItemCreate(item=item))


def calls(s: Scenario) -> list[CallMcpTool]:
    return [each for each in s.log if isinstance(each, CallMcpTool)]


def read(s: Scenario) -> list[tuple[str, str]]:
    """Return what a brain reads in the next response: names of calls, and outputs."""
    s.tell(client.ResponseCreate())
    told: list[tuple[str, str]] = []
    for item in s.request.history:
        match item:
            case FunctionCall(name=name, arguments=arguments):
                told.append((name, arguments))
            case FunctionOutput(output=output):
                told.append(("output", output))
            case _:
                told.append((type(item).__name__, ""))
    return told


def test_a_brain_sees_the_tools_as_functions() -> None:
    s = scenario(require_approval="never")
    assert offered(s) == ["look_up", "delete"]
    assert s.request.config.tools == (
        FunctionTool(name="look_up", description="", parameters=SCHEMA),
        FunctionTool(name="delete", description="Delete.", parameters=SCHEMA),
    )


def test_a_tool_that_needs_no_approval_runs_after_its_response() -> None:
    s = scenario(require_approval="never")
    before = len(s.story)
    response_id = respond(s)
    assert s.story[before:] == [
        "response.created",
        "<respond>",
        "response.output_item.added",
        "conversation.item.added",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.done",
        "rate_limits.updated",
        "response.mcp_call.in_progress",
        "<callmcptool>",
    ]
    (call,) = calls(s)
    assert (call.name, call.arguments) == ("look_up", ARGUMENTS)
    assert call.server.server_url == DOCS["server_url"]
    before = len(s.story)
    s.tell(McpToolReturned(call.item_id, "42"), McpToolReturned(call.item_id, "43"))
    assert s.story[before:] == [
        "response.mcp_call.completed",
        "conversation.item.done",
        "response.output_item.done",
    ]
    done = s.sent[-1]
    assert isinstance(done, server.OutputItemDone)
    assert (done.response_id, done.output_index) == (response_id, 0)
    assert s.session.conversation.get(call.item_id) == McpCall(
        id=call.item_id, server_label="docs", name="look_up", arguments=ARGUMENTS, output="42"
    )
    assert read(s) == [("look_up", ARGUMENTS), ("output", "42")]
    s.check()


def test_a_running_tool_can_be_retrieved() -> None:  # as Agents-JS does (protocol §4.10)
    s = scenario(require_approval="never")
    respond(s)
    s.tell(client.ItemRetrieve(item_id=calls(s)[0].item_id))
    retrieved = s.sent[-1]
    assert isinstance(retrieved, server.ItemRetrieved)
    assert isinstance(retrieved.item, McpCall)


def test_a_list_that_is_asked_for_can_be_retrieved() -> None:
    s = Scenario(lists_tools=True)
    s.tell(update(tools=[DOCS]), client.ItemRetrieve(item_id="mcpl_1"))
    retrieved = s.sent[-1]
    assert isinstance(retrieved, server.ItemRetrieved)
    assert retrieved.item == McpListTools(id="mcpl_1", server_label="docs")


def test_a_tool_that_fails_has_its_error_in_the_item() -> None:
    s = scenario(require_approval="never")
    respond(s)
    (call,) = calls(s)
    s.tell(McpToolReturned(call.item_id, None, McpToolError(message="no such word")))
    assert "response.mcp_call.failed" in s.story
    assert read(s)[1:] == [("output", "no such word")]
    s.check()


def test_a_call_needs_approval_unless_the_session_says_otherwise() -> None:
    s = scenario()
    response_id = respond(s)
    assert not calls(s)
    (response,) = s.responses
    request = response.output[0]
    assert request == McpApprovalRequest(
        id="mcpr_1", server_label="docs", name="look_up", arguments=ARGUMENTS
    )
    before, sent = len(s.story), len(s.sent)
    answer(s, "mcpr_1", approve=True)
    assert s.story[before:] == [
        "conversation.item.added",
        "conversation.item.done",
        "response.output_item.added",
        "conversation.item.added",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "<callmcptool>",
    ]
    added = s.sent[sent + 2]
    assert isinstance(added, server.OutputItemAdded)
    assert (added.response_id, added.output_index) == (response_id, 1)
    (call,) = calls(s)
    s.tell(McpToolReturned(call.item_id, "42"))
    settled = s.session.conversation.get(call.item_id)
    assert isinstance(settled, McpCall)
    assert (settled.output, settled.approval_request_id) == ("42", "mcpr_1")
    assert read(s) == [("look_up", ARGUMENTS), ("output", "42")]
    s.check()


def test_a_rejected_call_is_not_made_and_the_model_reads_why() -> None:
    s = scenario()
    respond(s)
    assert read(s)[-1] == ("output", "This call waits for the approval of the user.")
    s.tell(Finished(s.request.response_id))
    answer(s, "mcpr_1", approve=False, reason="too dear")
    answer(s, "mcpr_1", approve=True)
    assert s.errors == [("invalid_value", "item.approval_request_id")]  # it is decided
    assert not calls(s)
    rejected = "The user did not approve this call, so it was not made. The reason: too dear"
    assert read(s)[:2] == [("look_up", ARGUMENTS), ("output", rejected)]
    s.check()


def test_an_approval_of_nothing_is_an_error() -> None:
    s = scenario()
    answer(s, "mcpr_9", approve=True)
    assert s.errors == [("invalid_value", "item.approval_request_id")]
    assert not any(isinstance(each, McpApprovalResponse) for each in s.session.conversation)


def test_a_client_cannot_approve_a_request_that_it_wrote_itself() -> None:
    s = scenario()
    forged = McpApprovalRequest(id="mine", server_label="docs", name="delete", arguments="{}")
    s.tell(client.ItemCreate(item=forged))
    answer(s, "mine", approve=True)
    assert not calls(s)


@pytest.mark.parametrize(
    ("required", "asks"),
    [
        ("always", ["look_up", "delete"]),
        ("never", []),
        ({"never": {"tool_names": ["look_up"]}}, ["delete"]),
        ({"never": {"read_only": True}}, ["delete"]),
        ({"always": {"tool_names": ["delete"]}}, ["look_up", "delete"]),
        ({"always": {"tool_names": ["delete"]}, "never": {"tool_names": ["look_up"]}}, ["delete"]),
        ({"always": {"read_only": True}, "never": {"read_only": True}}, ["look_up", "delete"]),
        ({"never": {}}, ["look_up", "delete"]),
        ({"never": {"tool_names": ["look_up"], "read_only": False}}, ["look_up", "delete"]),
    ],
)
def test_filters_choose_the_tools_that_need_approval(required: object, asks: list[str]) -> None:
    asked = []
    for name in ("look_up", "delete"):
        s = scenario(require_approval=required)
        respond(s, name)
        asked += [] if calls(s) else [name]
    assert asked == asks


@pytest.mark.parametrize(
    ("allowed", "tools"),
    [
        (["delete"], ["delete"]),
        ([], []),
        ({"tool_names": ["look_up", "other"]}, ["look_up"]),
        ({"read_only": True}, ["look_up"]),
        ({"read_only": False}, ["delete"]),
        ({}, ["look_up", "delete"]),
    ],
)
def test_filters_choose_the_tools_of_a_server(allowed: object, tools: list[str]) -> None:
    assert offered(scenario(allowed_tools=allowed)) == tools


def test_tools_of_one_name_have_names_of_their_own() -> None:
    s = Scenario(lists_tools=True)
    mine = {"type": "function", "name": "look_up"}
    mail = DOCS | {"server_label": "my mail", "require_approval": "never"}
    s.tell(update(tools=[mine, DOCS, mail]))
    odd = McpListedTool(name="look.up", input_schema=SCHEMA)
    for asked in [each for each in s.log if isinstance(each, ListTools)]:
        s.tell(ToolsListed(asked.item_id, (LOOK_UP, odd)))
    assert offered(s) == [
        "look_up", "docs_look_up", "docs_look_up_2", "my_mail_look_up", "my_mail_look_up_2",
    ]  # fmt: skip
    s.tell(Finished(s.request.response_id))
    respond(s, "my_mail_look_up_2")
    assert (calls(s)[0].server.server_label, calls(s)[0].name) == ("my mail", "look.up")
    s.tell(McpToolReturned(calls(s)[0].item_id, "42"))
    assert read(s)[0] == ("my_mail_look_up_2", ARGUMENTS)


def test_a_response_may_choose_a_server_or_its_tool() -> None:
    s = scenario()
    chosen = {"type": "mcp", "server_label": "docs", "name": "delete"}
    s.tell(update(tool_choice=chosen, tools=[DOCS, {"type": "function", "name": "mine"}]))
    assert offered(s) == ["delete"]
    choices: list[object] = [s.request.config.tool_choice]
    s.tell(Finished(s.request.response_id), update(tool_choice=chosen | {"name": None}))
    assert offered(s) == ["look_up", "delete"]
    choices.append(s.request.config.tool_choice)
    assert choices == [ChosenFunction(name="delete"), "required"]


def test_a_server_that_is_taken_away_has_no_tools() -> None:
    s = scenario()
    s.tell(update(tools=[]))
    assert offered(s) == []


def test_a_server_that_is_changed_is_asked_again_and_its_old_list_is_not_used() -> None:
    s = scenario()
    s.tell(update(tools=[DOCS | {"server_url": "https://other.example/mcp"}]))
    assert offered(s) == []
    s.tell(Finished(s.request.response_id))
    (_, asked) = [each for each in s.log if isinstance(each, ListTools)]
    s.tell(ToolsListed("mcpl_1", (LOOK_UP,)), ToolsListed(asked.item_id, (DELETE,)))
    assert offered(s) == ["delete"]


def test_a_failed_list_has_no_tools() -> None:
    s = Scenario(lists_tools=True)
    s.tell(update(tools=[DOCS]), ListToolsFailed("mcpl_1"))
    assert offered(s) == []
    s.check()


def test_a_response_that_is_cancelled_calls_nothing() -> None:
    s = scenario(require_approval="never")
    s.tell(client.ResponseCreate())
    call = FunctionCall(name="look_up", call_id="call_1", arguments=ARGUMENTS)
    s.tell(ToolRequested(s.request.response_id, call), client.ResponseCancel())
    assert not calls(s)
    (response,) = s.responses
    (item,) = response.output
    assert isinstance(item, McpCall)
    message = "The response is cancelled, so nothing was called."
    assert item.error == McpToolError(message=message)
    s.check(whole=True)


def test_a_deleted_call_is_cancelled_and_its_result_ignored() -> None:
    s = scenario(require_approval="never")
    respond(s)
    (call,) = calls(s)
    s.tell(client.ItemDelete(item_id=call.item_id))
    assert s.log[-1] == CancelMcpTool(call.item_id)
    before = len(s.story)
    s.tell(McpToolReturned(call.item_id, "42"))
    assert len(s.story) == before
    s.check()


def test_a_deleted_request_cannot_be_approved() -> None:
    s = scenario()
    respond(s)
    s.tell(client.ItemDelete(item_id="mcpr_1"))
    answer(s, "mcpr_1", approve=True)
    assert s.errors == [("invalid_value", "item.approval_request_id")]
    assert not calls(s)


def test_an_out_of_band_response_calls_tools_without_items_in_the_conversation() -> None:
    s = scenario(require_approval="never")
    s.tell(client.ResponseCreate(response=client.ResponseOptions(conversation="none")))
    response_id = s.request.response_id
    call = FunctionCall(name="look_up", call_id="call_1", arguments=ARGUMENTS)
    s.tell(ToolRequested(response_id, call), Finished(response_id))
    (asked,) = calls(s)
    s.tell(McpToolReturned(asked.item_id, "42"))
    assert asked.item_id not in s.session.conversation
    assert s.story[-2:] == ["response.mcp_call.completed", "response.output_item.done"]
    s.check()


def test_a_call_is_not_inactive_while_a_tool_runs() -> None:
    s = Scenario(lists_tools=True, inactivity_s=60.0)
    s.tell(update(tools=[DOCS | {"require_approval": "never"}]))
    s.tell(ToolsListed("mcpl_1", (LOOK_UP,)))
    respond(s)
    s.wait(300)
    assert not s.session.closed
    s.tell(McpToolReturned(calls(s)[0].item_id, "42"))
    s.wait(300)
    assert s.session.closed


def test_a_new_conversation_is_greeted_although_it_names_a_server() -> None:
    config = SessionConfig(tools=(McpTool(server_label="docs", server_url="https://a.example"),))
    s = Scenario(config, lists_tools=True, greeting="Hello.")
    assert s.opening_request.verbatim == "Hello."


def test_lists_and_outputs_count_as_bytes_of_the_conversation() -> None:
    s = Scenario(lists_tools=True, limits=Limits(conversation_bytes=2000))
    s.tell(update(tools=[DOCS | {"require_approval": "never"}]))
    s.tell(ToolsListed("mcpl_1", (LOOK_UP,)))
    respond(s)
    s.tell(McpToolReturned(calls(s)[0].item_id, "x" * 2000))
    assert "response.mcp_call.failed" in s.story
    assert read(s)[1:] == [("output", "The conversation has no room for the output.")]
    s.tell(update(tools=[DOCS | {"server_label": "more"}]))
    s.tell(ToolsListed("mcpl_2", (LOOK_UP,) * 20))
    assert s.story[-1] == "mcp_list_tools.failed"
    s.check()


def test_a_stored_call_is_a_function_for_the_next_session() -> None:
    words = Message(id="m", role="user", content=(Part(type="input_text", text="hi"),))
    stored = McpCall(id="mcp_0", server_label="gone", name="look.up", arguments="", output="42")
    s = Scenario(history=(words, stored))
    assert read(s) == [("Message", ""), ("look_up", "{}"), ("output", "42")]
