// A call that is closed and started again: what the old loudspeaker still reports is out of date.

import { expect, test } from "vitest";
import { callError } from "../src/errors";
import { reduce } from "../src/turn";
import { initialTurn, type Input } from "../src/turnState";

test("a late report of the loudspeaker does not make a restarted call speak", () => {
  const inputs: Input[] = [
    { type: "closed" },
    { type: "started" },
    { type: "connection_opening", link: "connecting" },
    { type: "playback_progressed", item: "item_1", ms: 500, drained: false },
  ];
  const turn = inputs.reduce((before, input) => reduce(before, input).turn, initialTurn({}));
  expect(turn.playing).toBe(false);
});

test("what has arrived before a failure is heard to its end, and then the call is silent", () => {
  const playing = { ...initialTurn({}), playing: true };
  const inputs: Input[] = [
    { type: "connection_failed", error: callError("continued_elsewhere") },
    { type: "playback_progressed", item: "item_1", ms: 500, drained: false },
    { type: "playback_progressed", item: "item_1", ms: 900, drained: true },
    { type: "started" },
  ];
  const turns = inputs.map((_, n) =>
    inputs.slice(0, n + 1).reduce((before, input) => reduce(before, input).turn, playing),
  );
  expect(turns.map((turn) => turn.playing)).toEqual([true, true, false, false]);
});
