// Announcements: sentence by sentence.

import { expect, test } from "vitest";
import { finishedSentences } from "../src/sentences";

test("a sentence is announced when the next one begins, and the last one at the end", () => {
  const text = "It starts at 9:30. It lasts one hour.";
  expect(finishedSentences({ text: "It starts at 9", status: "in_progress" }, "en")).toEqual([]);
  expect(finishedSentences({ text, status: "in_progress" }, "en")).toEqual(["It starts at 9:30."]);
  expect(finishedSentences({ text, status: "done" }, "en")).toEqual([
    "It starts at 9:30.",
    "It lasts one hour.",
  ]);
});
