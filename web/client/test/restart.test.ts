// A call that is closed and started again: what the old loudspeaker still reports is out of date.

import { expect, test } from "vitest";
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
