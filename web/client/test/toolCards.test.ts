// Cards for the tools that the server runs, as a page shows them.

import { afterEach, expect, test } from "vitest";
import type { ToolRun } from "../src/ownEvents";
import { openCall, ScriptedSocket } from "./support";

afterEach(() => void (ScriptedSocket.opened.length = 0));

const message = (id: string, role: "user" | "assistant", text: string) => ({
  type: "conversation.item.added",
  previous_item_id: "?",
  item: {
    type: "message",
    id,
    role,
    status: "completed",
    content: [{ type: role === "user" ? "input_text" : "output_text", text }],
  },
});
const called = (call_id: string, name = "book_table", args = '{"seats":4}') => ({
  type: "conversation.item.added",
  previous_item_id: "?",
  item: { type: "function_call", id: `item_${call_id}`, call_id, name, arguments: args },
});
const returned = (call_id: string, output: string) => ({
  type: "conversation.item.added",
  previous_item_id: "?",
  item: { type: "function_call_output", id: `out_${call_id}`, call_id, output },
});
const started = (call_id: string, name = "book_table") => ({
  type: "vivavoce.tool.started",
  call_id,
  name,
});
const done = (call_id: string, run_id: string, state: string) => ({
  type: "vivavoce.tool.done",
  call_id,
  name: "book_table",
  run_id,
  state,
});
const requested = (call_id: string, run_id: string) => ({
  type: "vivavoce.approval.requested",
  run_id,
  call_id,
  name: "book_table",
  arguments: '{"seats":4}',
  arguments_sha256: "abc",
  approve: "user",
  expires_at: "2027-05-12T09:35:00+00:00",
});
const waits = [
  started("call_1"),
  requested("call_1", "run_1"),
  done("call_1", "run_1", "requested"),
];
const read: ToolRun = {
  id: "run_1",
  tool: "book_table",
  arguments: '{"seats":4}',
  arguments_sha256: "abc",
  state: "approved",
  approve: "user",
  approved_by: "si_1",
  tool_call_id: "call_run_1",
  expires_at: null,
  result: null,
};

test("the page asks for our own events, where it wants them", async () => {
  const { socket } = await openCall({ events: ["vivavoce"] });
  expect(new URL(socket.url).searchParams.get("events")).toBe("vivavoce");
  const { socket: plain } = await openCall();
  expect(new URL(plain.url).searchParams.has("events")).toBe(false);
});

test("a tool runs, reports its progress, and returns", async () => {
  const { call, socket } = await openCall();
  socket.deliver(message("item_1", "user", "A table for four"), called("call_1"));
  expect(call.state.toolCards, "a client tool, perhaps").toEqual([]);
  socket.deliver(started("call_1"));
  const card = { callId: "call_1", name: "book_table", arguments: '{"seats":4}', after: "item_1" };
  expect(call.state.toolCards).toEqual([{ ...card, state: "running" }]);
  socket.deliver({ type: "vivavoce.tool.progress", call_id: "call_1", text: "Two are free." });
  expect(call.state.toolCards[0]).toMatchObject({ state: "running", progress: "Two are free." });
  socket.deliver(done("call_1", "run_1", "done"), returned("call_1", '{"table":7}'));
  socket.deliver(message("item_2", "assistant", "Done."));
  expect(call.state.toolCards).toEqual([
    { ...card, state: "done", progress: "Two are free.", runId: "run_1", result: '{"table":7}' },
  ]);
});

test("a run that failed, and one that may have happened, say so", async () => {
  const { call, socket } = await openCall();
  socket.deliver(started("call_1"), done("call_1", "run_1", "failed"));
  socket.deliver(started("call_2"), done("call_2", "run_2", "unknown"));
  expect(call.state.toolCards.map(({ state }) => state)).toEqual(["failed", "unknown"]);
});

test("what the model reads while a run waits is no result", async () => {
  const { call, socket } = await openCall();
  socket.deliver(called("call_1"), ...waits, returned("call_1", '{"state":"requested"}'));
  expect(call.state.toolCards).toEqual([
    {
      callId: "call_1",
      name: "book_table",
      arguments: '{"seats":4}',
      state: "waiting",
      runId: "run_1",
      approval: {
        by: "user",
        argumentsSha256: "abc",
        expiresAt: "2027-05-12T09:35:00+00:00",
      },
    },
  ]);
});

test("a pressed yes: the card that waited shows the run, and its result", async () => {
  const { call, socket } = await openCall();
  socket.deliver(called("call_1"), ...waits, returned("call_1", '{"state":"requested"}'));
  call.noteToolRun(read);
  expect(call.state.toolCards.map(({ state }) => state)).toEqual(["running"]);
  socket.deliver(done("call_run_1", "run_1", "done"));
  socket.deliver(called("call_run_1"), returned("call_run_1", "Table 7"));
  expect(call.state.toolCards).toMatchObject([
    { callId: "call_1", state: "done", result: "Table 7" },
  ]);
});

test("a run that ends before the answer to the yes stays ended", async () => {
  const { call, socket } = await openCall();
  socket.deliver(called("call_1"), ...waits);
  socket.deliver(done("call_run_1", "run_1", "done"), returned("call_run_1", "Table 7"));
  call.noteToolRun(read);
  expect(call.state.toolCards).toMatchObject([{ state: "done", result: "Table 7" }]);
});

test("a spoken yes: the second call of the model is the card of the run", async () => {
  const { call, socket } = await openCall();
  socket.deliver(called("call_1"), ...waits);
  socket.deliver(called("call_2"), started("call_2"), done("call_2", "run_1", "done"));
  expect(call.state.toolCards).toMatchObject([{ callId: "call_2", state: "done" }]);
});

test("a second call without a yes asks again, with one card", async () => {
  const { call, socket } = await openCall();
  socket.deliver(called("call_1"), ...waits, started("call_2"), requested("call_2", "run_1"));
  socket.deliver(done("call_2", "run_1", "requested"));
  expect(call.state.toolCards).toMatchObject([{ callId: "call_2", state: "waiting" }]);
});

test("a no is a rejection, whether the event of it comes before or after", async () => {
  const { call, socket } = await openCall();
  const rejected: ToolRun = { ...read, state: "failed", approved_by: null, result: "No." };
  socket.deliver(...waits);
  call.noteToolRun(rejected);
  socket.deliver(done("call_run_1", "run_1", "failed"));
  expect(call.state.toolCards).toMatchObject([{ state: "rejected" }]);
  socket.deliver(started("call_2"), requested("call_2", "run_2"));
  socket.deliver(done("call_run_2", "run_2", "failed"));
  call.noteToolRun({ ...rejected, id: "run_2" });
  expect(call.state.toolCards).toMatchObject([{ state: "rejected" }, { state: "rejected" }]);
});

test("a lost connection: a running tool has no end, one that waits can still be approved", async () => {
  const { call, socket } = await openCall();
  socket.deliver(started("call_0", "look_up"), ...waits);
  socket.close(1012);
  expect(call.state.toolCards.map(({ state }) => state)).toEqual(["lost", "waiting"]);
});

test("a run that waited in an earlier visit is shown from what the page read", async () => {
  const { call } = await openCall();
  call.noteToolRun({ ...read, state: "requested", approved_by: null, tool_call_id: "call_1" });
  expect(call.state.toolCards).toMatchObject([{ callId: "call_1", state: "waiting" }]);
});

test("the runs of a deleted conversation are gone", async () => {
  const { call, socket } = await openCall();
  socket.deliver(...waits);
  socket.close(4000, "conversation_deleted");
  expect(call.state.toolCards).toEqual([]);
});

test("a card that did not change is the same object", async () => {
  const { call, socket } = await openCall();
  socket.deliver(...waits);
  const before = call.state.toolCards;
  socket.deliver(message("item_2", "user", "Wait"), message("item_3", "assistant", "Yes."));
  const again = call.state.toolCards;
  socket.deliver({ type: "conversation.item.deleted", item_id: "none" });
  expect(call.state.toolCards).toBe(again);
  expect(before).toHaveLength(1);
});

test("the sources of an answer are known by its line", async () => {
  const { call, socket } = await openCall();
  const source = "knowledge/agenda.csv";
  const found = { id: "p1", source, place: "row 3", title: "Keynote", score: 1, revision: "r1" };
  const sources = [found];
  socket.deliver(message("item_2", "assistant", "At noon."));
  socket.deliver({ type: "vivavoce.sources", item_id: "item_2", sources });
  expect(call.state.sources.get("item_2")).toEqual(sources);
});

test("a picture goes with its message, and stays in the line when the server has it", async () => {
  const { call, socket } = await openCall();
  const image = "data:image/png;base64,AA==";
  await call.sendText("What is this?", [image]);
  const sent = socket.sent.find(({ type }) => type === "conversation.item.create")!;
  expect(sent.item).toMatchObject({
    content: [
      { type: "input_image", image_url: image },
      { type: "input_text", text: "What is this?" },
    ],
  });
  expect(call.state.lines[0]).toMatchObject({ text: "What is this?", images: [image] });
  const { id } = sent.item as { id: string };
  socket.deliver(
    { type: "conversation.item.added", previous_item_id: null, item: sent.item as object },
    { type: "conversation.item.done", item: sent.item as object },
  );
  expect(call.state.lines).toMatchObject([{ id, status: "done", images: [image] }]);
});

test("a picture that is too large for the server's events stays in the line", async () => {
  const { call, socket } = await openCall();
  const image = "data:image/png;base64,AA==";
  await call.sendText("", [image]);
  const sent = socket.sent.find(({ type }) => type === "conversation.item.create")!;
  const item = { ...(sent.item as object), content: [{ type: "input_image" }] };
  socket.deliver({ type: "conversation.item.added", previous_item_id: null, item });
  socket.deliver({ type: "conversation.item.done", item });
  expect(call.state.lines).toMatchObject([{ status: "done", images: [image] }]);
});

test("a picture may come without words", async () => {
  const { call, socket } = await openCall();
  await call.sendText("", ["data:image/png;base64,AA=="]);
  const sent = socket.sent.find(({ type }) => type === "conversation.item.create")!;
  expect(sent.item).toEqual(
    expect.objectContaining({
      content: [{ type: "input_image", image_url: "data:image/png;base64,AA==" }],
    }),
  );
});
