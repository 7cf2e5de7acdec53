// What a tab remembers over a reload.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { forgetAll, recall, remember, rememberConversation } from "../src/memory";

let stored: Map<string, string>;

beforeEach(() => {
  stored = new Map();
  vi.stubGlobal("sessionStorage", {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => void stored.set(key, value),
  });
});
afterEach(() => vi.unstubAllGlobals());

test("N8_ each assistant's conversation is remembered, until it is forgotten", () => {
  remember({ assistant: "charlotte", mode: "text" });
  rememberConversation("charlotte", "conv_1");
  rememberConversation("echo", "conv_2");
  expect(recall()).toEqual({
    assistant: "charlotte",
    mode: "text",
    conversations: { charlotte: "conv_1", echo: "conv_2" },
    voices: {},
  });
  rememberConversation("charlotte", undefined);
  expect(recall().conversations).toEqual({ echo: "conv_2" });
  forgetAll();
  expect(recall()).toEqual({ conversations: {}, voices: {} });
});

test.each(["", "{", "null", "3", "[]", '{"conversations":3}'])(
  "N8_ storage that contains %j is as good as none",
  (text) => {
    stored.set("vivavoce", text);
    expect(recall().conversations).toEqual({});
  },
);

test("N8_ a browser that refuses storage begins anew", () => {
  const refuse = () => {
    throw new DOMException("no", "SecurityError");
  };
  vi.stubGlobal("sessionStorage", { getItem: refuse, setItem: refuse });
  rememberConversation("echo", "conv_1");
  expect(recall()).toEqual({ conversations: {}, voices: {} });
});
