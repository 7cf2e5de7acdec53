// The grille: every state looks different, and levels, onsets and interruptions move it.

import { expect, test } from "vitest";
import { gathering, HOLES, isStill, type Moment, opening } from "../src/grille";
import type { Presence } from "../src/presence";

const PRESENCES: Presence[] = [
  "idle",
  "asking",
  "connecting",
  "ready",
  "listening",
  "hearing",
  "thinking",
  "usingTool",
  "speaking",
  "paused",
  "reconnecting",
  "failed",
];

const moment = (changes: Partial<Moment>): Moment => ({
  presence: "listening",
  level: 0,
  time: 3,
  sinceOnset: Infinity,
  sinceInterruption: Infinity,
  still: false,
  ...changes,
});
const openings = (changes: Partial<Moment>): number[] =>
  HOLES.map((hole) => opening(hole, moment(changes)));
const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);

test.each(PRESENCES)("while %s each hole is between closed and open", (presence) => {
  for (const level of [0, 0.3, 1, 7])
    for (const time of [0, 0.4, 1e5])
      for (const value of openings({ presence, level, time, sinceOnset: 0.2 })) {
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(1);
      }
});

test.each<Presence>(["listening", "hearing", "speaking", "thinking", "usingTool"])(
  "while %s a louder voice opens more",
  (presence) => {
    const sums = [0, 0.1, 0.3, 0.6, 1].map((level) => sum(openings({ presence, level })));
    for (let i = 1; i < sums.length; i++) expect(sums[i]).toBeGreaterThan(sums[i - 1]!);
  },
);

test("in silence a slow wave runs, and stands still for people who wish so", () => {
  expect(openings({ time: 1 })).not.toEqual(openings({ time: 2 }));
  expect(openings({ time: 1, still: true })).toEqual(openings({ time: 2, still: true }));
});

test("the onset of a voice is a ring that runs outwards and ends", () => {
  const farthest = (sinceOnset: number): number => {
    const rest = openings({ presence: "hearing" });
    const grown = openings({ presence: "hearing", sinceOnset }).map((value, i) => value - rest[i]!);
    return HOLES[grown.indexOf(Math.max(...grown))]!.distance;
  };
  expect(farthest(0.2)).toBeLessThan(farthest(0.4));
  expect(openings({ sinceOnset: 1 })).toEqual(openings({}));
});

test("at an interruption the dots gather, and come back", () => {
  const at = (sinceInterruption: number): number => gathering(moment({ sinceInterruption }));
  expect([at(0), at(2), at(Infinity)]).toEqual([0, 0, 0]);
  expect(at(0.3)).toBeGreaterThan(0.3);
  expect(gathering(moment({ sinceInterruption: 0.3, still: true }))).toBe(0);
});

test("nothing is drawn again at rest, until a level or an interruption comes", () => {
  expect(isStill(moment({ presence: "idle" }))).toBe(true);
  expect(isStill(moment({ presence: "idle", level: 0.2 }))).toBe(false);
  expect(isStill(moment({ presence: "idle", sinceInterruption: 0.1 }))).toBe(false);
  expect(isStill(moment({ presence: "listening" }))).toBe(false);
});
