// What the page says of each status of the client, in each of its languages.

import type { State } from "@vivavoce/client";
import { expect, test } from "vitest";
import { hasFailed, isAtRest, presenceOf, presenceText } from "../src/presence";
import { pageLanguages, stringsFor } from "../src/strings";

const state = (changes: Partial<State>): State => ({
  status: "listening",
  transport: "websocket",
  mode: "open",
  items: [],
  lines: [],
  toolCards: [],
  sources: new Map(),
  microphone: false,
  requestingMicrophone: false,
  userSpeaking: false,
  ...changes,
});

test.each<[Partial<State>, string]>([
  [{ status: "idle" }, "idle"],
  [{ status: "asking_permission" }, "asking"],
  [{}, "listening"],
  [{ userSpeaking: true }, "hearing"],
  [{ why: "microphone_off" }, "ready"],
  [{ why: "microphone_refused" }, "ready"],
  [{ why: "sound_suspended" }, "paused"],
  [{ status: "using_tool" }, "usingTool"],
  [{ status: "ended", why: "closed" }, "idle"],
  [{ status: "ended", why: "hung_up" }, "idle"],
  [{ status: "ended", why: "network" }, "failed"],
])("of %j the page shows %s", (changes, presence) => {
  expect(presenceOf(state(changes))).toBe(presence);
});

test("a call that has ended is at rest or has failed, never both", () => {
  for (const why of ["closed", "hung_up", "network", "busy"] as const) {
    const ended = state({ status: "ended", why });
    expect(isAtRest(ended)).not.toBe(hasFailed(ended));
  }
});

test.each(pageLanguages)(
  "in %s every status has words, and a running tool its name",
  (language) => {
    const { strings } = stringsFor([language]);
    const statuses: Partial<State>[] = [
      { status: "idle" },
      { status: "asking_permission" },
      { status: "connecting" },
      {},
      { userSpeaking: true },
      { why: "push_to_talk", mode: "push-to-talk" },
      { why: "text_only", mode: "text" },
      { status: "thinking" },
      { status: "using_tool" },
      { status: "speaking" },
      { status: "reconnecting" },
      { status: "ended", why: "network" },
    ];
    for (const one of statuses) expect(presenceText(state(one), strings)).toMatch(/\p{L}/u);
    const card = { callId: "c", name: "book_table", arguments: "", state: "running" } as const;
    const working = state({ status: "using_tool", toolCards: [card] });
    expect(presenceText(working, strings)).toContain("Book table");
  },
);
