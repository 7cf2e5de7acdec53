import { expect, test } from "vitest";
import conversations from "../../../tests/recordings/conversations.json?raw";
import { apply, type Conversation } from "../src/conversation";
import type { Item, ServerEvent } from "../src/protocol";
import { openCall } from "./support";

const texts = import.meta.glob<string>("../../../tests/recordings/**/*.jsonl", {
  query: "?raw",
  import: "default",
  eager: true,
});
/** What the server's fold makes of each recording: see scripts/recorded_conversations.py. */
const folded = JSON.parse(conversations) as Record<string, Item[]>;

/** Return the server events of a recording. Some recordings have both directions. */
function recorded(name: string): ServerEvent[] {
  const lines = texts[`../../../tests/recordings/${name}`]!.trim().split("\n");
  return lines
    .map((line) => JSON.parse(line) as ServerEvent & { direction?: string; data?: ServerEvent })
    .flatMap((line) => (line.direction ? (line.direction === "received" ? line.data! : []) : line));
}

const message = (id: string): Item => ({ type: "message", id, role: "user", content: [] });
const added = (id: string, previous_item_id: string | null): ServerEvent => ({
  type: "conversation.item.added",
  item: message(id),
  previous_item_id,
});
const order = (...list: ServerEvent[]) =>
  list.reduce<Conversation>(apply, []).map((item) => item.id);

test.each(Object.keys(folded))("%s folds to the same conversation as in the server", (name) => {
  const items = recorded(name).reduce<Conversation>(apply, []);
  expect(items).toEqual(folded[name]);
});

test("a call that plays the recording shows its conversation", async () => {
  const { call, socket } = await openCall();
  socket.deliver(...recorded("barge_in.jsonl"));
  expect(call.state.items).toEqual(folded["barge_in.jsonl"]);
  expect(call.state.conversationId).toBe("conv_1");
  expect(call.state.lines.map(({ role, text }) => [role, text])).toEqual([
    ["user", "what time is it"],
    ["assistant", "It is noon. Lunch?"],
    ["user", ""], // the speech that interrupted has no transcript yet
  ]);
});

test("an item is inserted after its previous item", () => {
  expect(order(added("a", null), added("b", "a"), added("c", "a"))).toEqual(["a", "c", "b"]);
  expect(order(added("a", null), added("b", null))).toEqual(["b", "a"]);
  expect(order(added("a", null), added("b", "unknown"))).toEqual(["a", "b"]);
});

test("an item added twice, as after a reconnection, exists once and keeps its place", () => {
  expect(order(added("a", null), added("b", "a"), added("a", "b"))).toEqual(["a", "b"]);
});

test("a deleted item is removed, an unknown item or event changes nothing", () => {
  const deleted: ServerEvent = { type: "conversation.item.deleted", item_id: "a" };
  expect(order(added("a", null), deleted)).toEqual([]);
  const items: Conversation = [message("a")];
  expect(apply(items, { type: "conversation.item.done", item: message("z") })).toBe(items);
  expect(apply(items, { type: "rate_limits.updated" } as unknown as ServerEvent)).toBe(items);
});
