// The text of a conversation to copy, and numbers in words.

import type { Item } from "@vivavoce/client";
import { expect, test } from "vitest";
import { asText } from "../src/conversations";
import { asClock } from "../src/useSession";
import { qualityOf } from "../src/useConnection";

test("the text of a conversation has who said what, and nothing of tools", () => {
  const said = (role: "user" | "assistant" | "system", content: object[]) =>
    ({ type: "message", id: "i", role, status: "completed", content }) as unknown as Item;
  const items = [
    said("system", [{ type: "input_text", text: "secret" }]),
    said("user", [{ type: "input_image" }, { type: "input_text", text: "What is this?" }]),
    { type: "function_call", id: "f", call_id: "c", name: "look", arguments: "{}" } as Item,
    said("assistant", [{ type: "output_audio", transcript: " A door. " }]),
    said("user", [{ type: "input_audio", transcript: null }]),
  ];
  expect(asText(items, "You", "Echo")).toBe("You: What is this?\n\nEcho: A door.");
});

test("a length has minutes, and hours where there are some", () => {
  expect([0, 9.9, 61, 3599, 3600, 36_061].map(asClock)).toEqual([
    "0:00",
    "0:09",
    "1:01",
    "59:59",
    "1:00:00",
    "10:01:01",
  ]);
});

test("the connection is good below 150 ms", () => {
  expect([0, 149, 150, 399, 400].map(qualityOf)).toEqual(["good", "good", "fair", "fair", "poor"]);
});
