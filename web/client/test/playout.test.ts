import { expect, test } from "vitest";
import { loudness } from "../src/loudness";
import { decode, encode } from "../src/pcm";
import { heardMs, Playout } from "../src/playout";
import { Resampler } from "../src/resample";

const RATE = 24_000;
const sound = (ms: number, value = 16384) => new Int16Array((RATE * ms) / 1000).fill(value);
const render = (playout: Playout, ms: number) => {
  const out = new Float32Array((RATE * ms) / 1000);
  playout.render(out);
  return out;
};

test("the played position counts the samples of each item, not the clock", () => {
  const playout = new Playout(RATE);
  playout.push("a", sound(100));
  render(playout, 40);
  expect(playout.position).toEqual({ item: "a", ms: 40 });
  render(playout, 500); // the network was late: silence does not count
  expect(playout.position).toEqual({ item: "a", ms: 100 });
  playout.push("a", sound(100));
  render(playout, 30);
  expect(playout.position).toEqual({ item: "a", ms: 130 });
});

test("a flush reports where each item was cut, also items that had not begun", () => {
  const playout = new Playout(RATE);
  playout.push("a", sound(50));
  playout.push("b", sound(100));
  playout.push("c", sound(100));
  render(playout, 80);
  expect(playout.flush()).toEqual([
    { item: "b", ms: 30 },
    { item: "c", ms: 0 },
  ]);
  expect(playout.waiting).toBe(0);
  expect(playout.flush()).toEqual([]);
});

test("after a flush the audio fades within 5 ms and stays silent", () => {
  const playout = new Playout(RATE);
  playout.push("a", sound(100));
  render(playout, 10);
  playout.flush();
  const out = render(playout, 20);
  expect(out[0]).toBeGreaterThan(0.4);
  expect(out.slice((RATE * 5) / 1000).every((sample) => sample === 0)).toBe(true);
});

test("audio continues from piece to piece without a gap", () => {
  const playout = new Playout(RATE);
  for (let i = 0; i < 10; i++) playout.push("a", sound(7));
  expect(render(playout, 70).every((sample) => sample === 0.5)).toBe(true);
});

test("unplayed audio beyond ten minutes is dropped", () => {
  const playout = new Playout(RATE);
  for (let i = 0; i < 700; i++) playout.push("a", sound(1000));
  expect(playout.waiting).toBe(600 * RATE);
});

test("the heard position is the rendered position minus the latency", () => {
  expect(heardMs(1500.7, 0.05)).toBe(1450);
  expect(heardMs(20, 0.05)).toBe(0);
});

test("samples survive encoding and decoding", () => {
  const pcm = Int16Array.from({ length: 20_000 }, (_, i) => ((i * 7919) % 65536) - 32768);
  expect(decode(encode(pcm))).toEqual(pcm);
});

test("loudness runs from silence to full scale", () => {
  expect(loudness(sound(20, 0), 32768)).toBe(0);
  expect(loudness(sound(20, 32767), 32768)).toBe(1);
  expect(loudness(sound(20, 1000), 32768)).toBeCloseTo(0.47, 1);
});

const tone = (hz: number, rate: number, seconds: number) =>
  Float32Array.from({ length: rate * seconds }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate));
const rms = (samples: Float32Array) =>
  Math.sqrt(samples.reduce((sum, sample) => sum + sample ** 2, 0) / samples.length);

test.each([
  [48_000, 24_000],
  [44_100, 24_000],
  [24_000, 48_000],
  [24_000, 44_100],
])("resampling %i to %i Hz keeps speech and its length", (from, to) => {
  const resampler = new Resampler(from, to);
  const input = tone(1000, from, 1);
  const out: number[] = [];
  for (let at = 0; at < input.length; at += 128)
    out.push(...resampler.push(input.slice(at, at + 128)));
  expect(Math.abs(out.length - to)).toBeLessThan(20);
  expect(rms(Float32Array.from(out).slice(100))).toBeCloseTo(Math.SQRT1_2, 1);
});

test("frequencies above 12 kHz are removed, not aliased", () => {
  const out = new Resampler(48_000, 24_000).push(tone(15_000, 48_000, 0.5));
  expect(rms(out.slice(100))).toBeLessThan(0.03);
});
