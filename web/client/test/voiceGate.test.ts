// Client-side voice activity, on noise and on bursts that are as loud as speech.

import { expect, test } from "vitest";
import { VoiceGate } from "../src/voiceGate";

const PIECE_MS = 20;

/** Return noise of this loudness. The same noise in every run. */
function noise(db: number, random: () => number): Int16Array {
  const amplitude = 32768 * 10 ** (db / 20) * Math.sqrt(3);
  return Int16Array.from({ length: 480 }, () => (random() * 2 - 1) * amplitude);
}

function generator(): () => number {
  let seed = 1;
  return () => (seed = (seed * 48271) % 2147483647) / 2147483647;
}

/** Play parts, each of some ms and dB. Return the ms at which pieces were sent, and how many ms. */
function play(parts: [ms: number, db: number][], held: (ms: number) => boolean = () => false) {
  const gate = new VoiceGate();
  const random = generator();
  const sentAt: number[] = [];
  let sentMs = 0;
  let now = 0;
  for (const [ms, db] of parts)
    for (const end = now + ms; now < end; now += PIECE_MS) {
      const pieces = gate.push(noise(db, random), held(now));
      if (pieces.length) sentAt.push(now);
      sentMs += pieces.length * PIECE_MS;
    }
  return { sentAt, sentMs };
}

test("silence is not sent, and neither is a click", () => {
  expect(play([[20_000, -65]]).sentMs).toBe(0);
  expect(play([[2000, -55], [20, -20], [5000, -55]]).sentMs).toBe(0); // prettier-ignore
});

test("speech is sent with 300 ms before it and 1 s after it", () => {
  const { sentAt, sentMs } = play([[5000, -60], [2000, -25], [8000, -60]]); // prettier-ignore
  expect(sentAt[0]).toBe(5020); // the second loud piece opens the gate
  expect(sentAt.at(-1)).toBe(7960);
  expect(sentMs).toBe(280 + 2000 + 980);
});

test("pauses within a sentence do not close the gate", () => {
  const words: [number, number][] = [[300, -25], [600, -60]]; // prettier-ignore
  const { sentAt } = play([[3000, -60], ...words, ...words, ...words, [5000, -60]]);
  expect((sentAt.at(-1)! - sentAt[0]!) / PIECE_MS + 1).toBe(sentAt.length);
});

test("a noisy room counts as silence after some seconds, and speech is still heard over it", () => {
  const parts: [number, number][] = [[20_000, -42], [1000, -20], [3000, -42]]; // prettier-ignore
  const { sentAt } = play(parts);
  expect(sentAt.filter((ms) => ms > 10_000 && ms < 20_000)).toEqual([]);
  expect(sentAt.filter((ms) => ms >= 20_000)[0]).toBe(20_020);
});

test("what follows speech is sent until the server has found its end", () => {
  const until = (end: number) => (ms: number) => ms > 5000 && ms < end;
  const { sentAt } = play([[5000, -60], [1000, -25], [9000, -60]], until(12_000)); // prettier-ignore
  expect(sentAt.at(-1)).toBe(11_980);
});
