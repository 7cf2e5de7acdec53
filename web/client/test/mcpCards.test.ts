// Cards for the calls of MCP tools, which the protocol has as items.

import { afterEach, expect, test } from "vitest";
import { openCall, ScriptedSocket } from "./support";

afterEach(() => void (ScriptedSocket.opened.length = 0));

const added = (item: object) => ({
  type: "conversation.item.added",
  previous_item_id: "?",
  item: { server_label: "notes", name: "add_note", arguments: '{"text":"milk"}', ...item },
});
const requested = added({ type: "mcp_approval_request", id: "mcpr_1" });
const answered = (approve: boolean) =>
  added({ type: "mcp_approval_response", id: "r", approval_request_id: "mcpr_1", approve });
const called = added({ type: "mcp_call", id: "mcp_1", approval_request_id: "mcpr_1" });
const ended = (ending: object) => ({
  ...called,
  type: "conversation.item.done",
  item: { ...called.item, ...ending },
});

test("a request waits, and a yes runs the call and asks for a response to its result", async () => {
  const { call, socket } = await openCall();
  socket.deliver(requested);
  expect(call.state.toolCards).toMatchObject([
    { callId: "mcpr_1", name: "add_note", state: "waiting", mcpRequest: true },
  ]);
  call.answerMcpRequest("mcpr_1", true);
  const response = { type: "mcp_approval_response", approval_request_id: "mcpr_1", approve: true };
  expect(socket.sent.at(-1)).toMatchObject({ type: "conversation.item.create", item: response });
  socket.deliver(answered(true));
  expect(call.state.toolCards).toMatchObject([{ state: "running" }]);
  socket.deliver(called);
  socket.deliver(ended({ output: "noted" }));
  socket.deliver({ type: "response.mcp_call.completed", item_id: "mcp_1" });
  expect(call.state.toolCards).toMatchObject([{ state: "done", result: "noted" }]);
  expect(socket.sent.at(-1)).toMatchObject({ type: "response.create" });
});

test("a no is told at once, and a second answer is not sent", async () => {
  const { call, socket } = await openCall();
  socket.deliver(requested);
  call.answerMcpRequest("mcpr_1", false);
  expect(socket.sent.slice(-2)).toMatchObject([
    { item: { approve: false } },
    { type: "response.create" },
  ]);
  socket.deliver(answered(false));
  expect(call.state.toolCards).toMatchObject([{ state: "rejected" }]);
  const { length } = socket.sent;
  call.answerMcpRequest("mcpr_1", true);
  expect(socket.sent).toHaveLength(length);
});

test("a call without a request has a card, and its failure the reason", async () => {
  const { call, socket } = await openCall();
  const plain = { type: "mcp_call", id: "mcp_2" };
  socket.deliver(added(plain));
  expect(call.state.toolCards).toMatchObject([{ callId: "mcp_2", state: "running" }]);
  const error = { type: "tool_execution_error", message: "no ink" };
  socket.deliver({ type: "conversation.item.done", item: { ...added(plain).item, error } });
  expect(call.state.toolCards).toMatchObject([{ state: "failed", result: "no ink" }]);
});
