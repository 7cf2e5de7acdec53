// The audio of the user's own turns.

import { expect, test } from "vitest";
import { peaks, wav } from "../src/audio";
import { RATE } from "../src/rate";
import { Recordings } from "../src/recordings";
import { openCall } from "./support";

const turn = (item_id: string, audio_start_ms: number, audio_end_ms: number) => [
  { type: "input_audio_buffer.speech_started", item_id, audio_start_ms },
  { type: "input_audio_buffer.speech_stopped", item_id, audio_end_ms },
  { type: "input_audio_buffer.committed", item_id },
];

/** Return `ms` of audio whose samples all have this value. */
const audio = (ms: number, value: number) => new Int16Array((RATE * ms) / 1000).fill(value);

test("a turn is cut where the server heard its speech begin and end", async () => {
  const { call, socket, sound } = await openCall();
  await call.startMic();
  sound.deliver(audio(500, 0));
  sound.deliver(audio(1000, 7));
  sound.deliver(audio(300, 0));
  socket.deliver(...turn("item_1", 500, 1500));
  sound.deliver(audio(200, 9));
  socket.deliver(...turn("item_2", 1800, 1900));
  expect(new Set(call.recordingOf("item_1"))).toEqual(new Set([7]));
  expect(call.recordingOf("item_1")).toHaveLength(RATE);
  expect(call.recordingOf("item_2")).toHaveLength(RATE / 10);
  expect(call.recordingOf("item_3")).toBeUndefined();
});

test("a held button cuts a turn from the press to the release", async () => {
  const { call, socket, sound } = await openCall({ mode: "push-to-talk" });
  for (const [item_id, value] of [
    ["item_1", 3],
    ["item_2", 4],
  ] as const) {
    await call.pushToTalk(true);
    sound.deliver(audio(400, value));
    await call.pushToTalk(false);
    sound.deliver(audio(400, 1)); // not held: it is not sent, and not kept
    socket.deliver({ type: "input_audio_buffer.committed", item_id });
    expect(call.recordingOf(item_id)).toEqual(audio(400, value));
  }
});

test("over WebRTC a turn is cut where the server reports it", () => {
  const recordings = new Recordings();
  const note = (event: object) => recordings.note(event as never, false);
  recordings.add(audio(5000, 1));
  recordings.add(audio(1000, 2));
  const [started, stopped, committed] = turn("item_1", 900_000, 901_000); // of the server's own count
  note(started!);
  recordings.add(audio(400, 2));
  [stopped!, committed!].forEach(note);
  expect(recordings.of("item_1")).toEqual(audio(1400, 2));
});

test("the positions of a new session count from its start", async () => {
  const recordings = new Recordings();
  const note = (event: object) => recordings.note(event as never, true);
  recordings.add(audio(5000, 1));
  note({ type: "session.created" });
  recordings.add(audio(300, 2));
  turn("item_1", 100, 200).forEach(note);
  expect(recordings.of("item_1")).toEqual(audio(100, 2));
});

test("of long talk only the last minute of a turn and five minutes of turns are kept", () => {
  const recordings = new Recordings();
  for (let i = 0; i < 8; i++) {
    for (let s = 0; s < 90; s++) recordings.add(audio(1000, i));
    recordings.note({ type: "input_audio_buffer.committed", item_id: `item_${i}` }, true);
  }
  const kept = Array.from({ length: 8 }, (_, i) => recordings.of(`item_${i}`)?.length);
  const minute = 60 * RATE;
  expect(kept).toEqual([...Array(3).fill(undefined), ...Array(5).fill(minute)]);
});

test("a recording is a WAV file that a browser plays, and a waveform", async () => {
  const pcm = Int16Array.of(0, 32767, -16384, 0);
  const bytes = new DataView(await wav(pcm).arrayBuffer());
  const letters = (at: number) => String.fromCharCode(...new Uint8Array(bytes.buffer, at, 4));
  expect([letters(0), letters(8), letters(12), letters(36)]).toEqual([
    ..."RIFF,WAVE,fmt ,data".split(","),
  ]);
  expect(bytes.getUint32(4, true)).toBe(bytes.byteLength - 8);
  expect([bytes.getUint16(20, true), bytes.getUint16(22, true)]).toEqual([1, 1]);
  expect([bytes.getUint32(24, true), bytes.getUint32(28, true)]).toEqual([RATE, 2 * RATE]);
  expect([bytes.getUint16(32, true), bytes.getUint16(34, true)]).toEqual([2, 16]);
  expect(new Int16Array(bytes.buffer.slice(44))).toEqual(pcm);
  expect(peaks(pcm, 2).map((peak) => Math.round(peak * 100))).toEqual([100, 50]);
});
