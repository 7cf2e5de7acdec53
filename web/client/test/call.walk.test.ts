// Whatever a page, a server, a network and a microphone do, a call has at most one socket and one timer, and
// can be started again.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Refusal } from "../src/errors";
import { microtasks, responseDone, ScriptedSocket, spokenResponse, startCall } from "./support";
import { pick, seeded } from "./walk";

const WALKS = 40;
const STEPS = 60;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  ScriptedSocket.opened.length = 0;
});

/** Requests for a secret that the server has not answered yet. */
const pending: (() => void)[] = [];

/** Create a secret, most of the time, when the walk lets the server answer. */
const token = (random: () => number) => async () => {
  await new Promise<void>((resolve) => pending.push(resolve));
  const fate = random();
  if (fate < 0.1) throw new TypeError("no network");
  if (fate < 0.15) throw new Refusal("busy", "A sentence.", 2);
  if (fate < 0.2) throw new Refusal("refused", "A sentence.");
  if (fate < 0.25) throw new Refusal("new_conversation");
  return "ek_1";
};

type Started = Awaited<ReturnType<typeof startCall>>;

function anyStep({ call, sound }: Started, random: () => number): void {
  const socket = ScriptedSocket.opened.findLast(({ closed }) => !closed);
  const error = {
    code: pick(random, ["conversation_not_found", "server_busy", "x"]),
    message: "A sentence.",
  };
  const spoken = spokenResponse(pick(random, ["r1", "r2"]), pick(random, ["i1", "i2"]), [
    ["word ", 100],
  ]);
  const speech = pick(random, ["speech_started", "speech_stopped", "committed"]);
  pick<() => void>(random, [
    () => pending.shift()?.(),
    () => pending.shift()?.(),
    () => call.start(),
    () => call.close(),
    () => void call.sendText("Hello?"),
    () => void call.interrupt(),
    () => void call.startMic(),
    () => call.stopMic(),
    () => void call.pushToTalk(true),
    () => void call.pushToTalk(false),
    () => call.setMode(pick(random, ["open", "push-to-talk", "text"])),
    () => call.setLanguage(pick(random, ["en", "it"])),
    () => void (sound.refusal = pick(random, [undefined, undefined, new Error("no")])),
    () => sound.unplug(),
    () => sound.recordFor(50),
    () => sound.playFor(70),
    () => sound.playFor(70),
    () => socket?.deliver({ type: "session.created", session: {} }),
    () => socket?.deliver({ type: "session.created", session: {} }),
    () => socket?.deliver({ type: "error", error }),
    () => socket?.deliver(...spoken),
    () => socket?.deliver(...responseDone(pick(random, ["r1", "r2"]), "i1", "word")),
    () => socket?.deliver({ type: `input_audio_buffer.${speech}`, item_id: "i3" }),
    () => socket?.close(pick(random, [1000, 1006, 1012, 1013, 3000, 4000])),
  ])();
}

test("a call never has two sockets or timers, and can always be started again", async () => {
  for (let seed = 1; seed <= WALKS; seed++) {
    ScriptedSocket.opened.length = pending.length = 0;
    const random = seeded(seed);
    let fate = random;
    const started = await startCall({
      token: () => token(fate)(),
      mode: pick(random, ["open", "push-to-talk"]),
    });
    const { call, sound } = started;
    const at = (step: number) => `seed ${seed}, step ${step}, ${call.state.status}`;
    for (let step = 0; step < STEPS; step++) {
      anyStep(started, random);
      if (random() < 0.3) continue; // the next step comes before any promise is settled
      await microtasks();
      if (random() < 0.3) await vi.advanceTimersByTimeAsync(random() * 12_000);
      const sockets = ScriptedSocket.opened.filter(({ closed }) => !closed).length;
      const ended = call.state.status === "ended";
      expect(sockets, at(step)).toBeLessThanOrEqual(ended ? 0 : 1);
      expect(vi.getTimerCount(), at(step)).toBeLessThanOrEqual(ended ? 0 : 1);
      expect(sound.recording, at(step)).toBe(call.state.microphone);
      expect(
        ScriptedSocket.opened.every((socket) => !socket.sentAfterClose),
        at(step),
      ).toBe(true);
      expect(new Set(call.state.lines.map(({ id }) => id)).size, at(step)).toBe(
        call.state.lines.length,
      );
    }
    fate = () => 1;
    call.close();
    call.start();
    for (const answer of pending.splice(0)) answer();
    await microtasks();
    ScriptedSocket.last.deliver({ type: "session.created", session: {} });
    expect(["listening", "thinking", "using_tool"], at(STEPS)).toContain(call.state.status);
    call.close();
    await microtasks();
    expect(vi.getTimerCount(), at(STEPS)).toBe(0);
  }
});
