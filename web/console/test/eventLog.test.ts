// The log of events for engineers.

import type { ServerEvent } from "@vivavoce/client";
import { expect, test } from "vitest";
import { logged, type LoggedEvent, summary } from "../src/eventLog";

const log = (...types: string[]): readonly LoggedEvent[] =>
  types.reduce<readonly LoggedEvent[]>(
    (before, type, i) => logged(before, { type, id: undefined }, i * 10),
    [],
  );

test("repeats are folded, with the times of the first and of the last one", () => {
  const [first, second, ...more] = log("a", "a", "a", "b");
  expect(first).toEqual({ type: "a", id: undefined, at: 0, until: 20, count: 3 });
  expect(second).toMatchObject({ type: "b", at: 30, count: 1 });
  expect(more).toEqual([]);
});

test("kinds that come in turns are folded too", () => {
  expect(log("a", "b", "a", "b", "a").map(({ type, count }) => `${count} ${type}`)).toEqual([
    "3 a",
    "2 b",
  ]);
});

test("events of another item are not folded", () => {
  const one = logged([], { type: "a", id: "item_1" }, 0);
  expect(logged(one, { type: "a", id: "item_2" }, 1)).toHaveLength(2);
});

test("the log has at most 500 entries", () => {
  const types = Array.from({ length: 1200 }, (_, i) => `type ${i}`);
  const kept = log(...types);
  expect(kept).toHaveLength(500);
  expect(kept.at(-1)?.type).toBe("type 1199");
});

test("a log keeps ids and no words", () => {
  const event = { type: "response.output_text.delta", item_id: "item_1", delta: "secret" };
  expect(summary(event as unknown as ServerEvent)).toEqual({
    type: "response.output_text.delta",
    id: "item_1",
  });
});
