// What happens around a call: sleep, networks that come and go, devices that are plugged in.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import * as surroundings from "../src/surroundings";
import { microtasks, ScriptedSocket, startCall } from "./support";

const created = { type: "session.created", session: {} };
const answered = { type: "session.updated", session: {} };

let navigator: { onLine: boolean; mediaDevices: EventTarget };
let page: EventTarget & { visibilityState?: string };

beforeEach(() => {
  vi.useFakeTimers();
  ScriptedSocket.opened.length = 0;
  navigator = { onLine: true, mediaDevices: new EventTarget() };
  page = new EventTarget();
  vi.stubGlobal("navigator", navigator);
  vi.stubGlobal("document", page);
  const around = new EventTarget();
  vi.stubGlobal("addEventListener", around.addEventListener.bind(around));
  vi.stubGlobal("dispatchEvent", around.dispatchEvent.bind(around));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function open() {
  const started = await startCall({}, { loadSurroundings: async () => surroundings });
  started.socket.deliver(created);
  await microtasks();
  return started;
}

/** Let the computer sleep: its clock goes on, and its timers do not. */
async function sleep(ms: number): Promise<void> {
  vi.setSystemTime(Date.now() + ms);
  await vi.advanceTimersByTimeAsync(2000);
}

const goOnline = () => globalThis.dispatchEvent(new Event("online"));
const probes = ({ sent }: ScriptedSocket) =>
  sent.filter(({ event_id }) => event_id === "quiet_probe").length;

test("after sleep a connection that nobody answers is replaced within 4 s", async () => {
  const { call, socket } = await open();
  socket.close = () => {}; // a browser waits for the other side
  await sleep(60_000);
  expect(probes(socket)).toBe(1);
  await vi.advanceTimersByTimeAsync(3000);
  expect(call.state).toMatchObject({ status: "reconnecting", why: "connection_lost" });
  await vi.advanceTimersByTimeAsync(500);
  expect(ScriptedSocket.opened).toHaveLength(2);
  socket.onclose({ code: 1006, reason: "" }); // at last
  ScriptedSocket.last.deliver(created);
  expect(call.state.status).toBe("listening");
});

test("after sleep a connection that stands is kept", async () => {
  const { call, socket } = await open();
  await sleep(60_000);
  socket.deliver(answered);
  await vi.advanceTimersByTimeAsync(30_000);
  expect([probes(socket), ScriptedSocket.opened.length]).toEqual([1, 1]);
  expect(call.state.status).toBe("listening");
  await sleep(60_000);
  expect(probes(socket)).toBe(2);
});

test("timers that are a little late check nothing", async () => {
  const { socket } = await open();
  await sleep(7_000);
  expect(probes(socket)).toBe(0);
});

test("a page that is shown again after a while checks the connection, and resumes the devices", async () => {
  const { socket, sound } = await open();
  const wake = vi.spyOn(sound, "wake");
  vi.setSystemTime(Date.now() + 60_000);
  page.visibilityState = "hidden";
  page.dispatchEvent(new Event("visibilitychange"));
  expect([probes(socket), wake.mock.calls.length]).toEqual([0, 0]);
  page.visibilityState = "visible";
  page.dispatchEvent(new Event("visibilitychange"));
  expect([probes(socket), wake.mock.calls.length]).toEqual([1, 1]);
});

test("a network that returns is used at once", async () => {
  const { call, socket } = await open();
  for (const lost of [1, 2, 3, 4]) {
    ScriptedSocket.last.close();
    if (lost < 4) await vi.advanceTimersByTimeAsync(10_000);
  }
  expect(call.state.status).toBe("reconnecting");
  const before = ScriptedSocket.opened.length;
  goOnline();
  await microtasks();
  expect(ScriptedSocket.opened).toHaveLength(before + 1);
  expect(probes(socket)).toBe(0);
  ScriptedSocket.last.deliver(created);
  expect(call.state.status).toBe("listening");
});

test("offline a call does not give up", async () => {
  const { call } = await open();
  navigator.onLine = false;
  for (let lost = 0; lost < 30; lost++) {
    ScriptedSocket.last.close();
    await vi.advanceTimersByTimeAsync(10_000);
  }
  expect(call.state.status).toBe("reconnecting");
  navigator.onLine = true;
  goOnline();
  await microtasks();
  ScriptedSocket.last.deliver(created);
  expect(call.state.status).toBe("listening");
});

test("a microphone that is unplugged is replaced by the default one, and the page is told", async () => {
  const { call, socket, sound } = await open();
  await call.startMic();
  sound.unplug();
  await microtasks();
  expect(sound.recording).toBe(true);
  expect(call.state).toMatchObject({
    status: "listening",
    why: "microphone_changed",
    microphone: true,
    error: { code: "microphone_changed" },
  });
  sound.recordFor(100);
  expect(socket.types.at(-1)).toBe("input_audio_buffer.append");
  socket.deliver({ type: "input_audio_buffer.speech_started", item_id: "item_1" });
  expect([call.state.error, call.state.why]).toEqual([undefined, undefined]);
});

test("without another microphone the call goes on in writing, until one is plugged in", async () => {
  const { call, sound } = await open();
  await call.startMic();
  sound.refusal = new DOMException("none", "NotFoundError");
  sound.unplug();
  await microtasks();
  expect(call.state).toMatchObject({ status: "listening", why: "microphone_missing" });
  expect(call.state.microphone).toBe(false);
  sound.refusal = undefined;
  navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
  await microtasks();
  expect([call.state.microphone, call.state.why]).toEqual([true, undefined]);
});

test("a device that is plugged in opens no microphone that nobody asked for", async () => {
  const { call, sound } = await open();
  navigator.mediaDevices.dispatchEvent(new Event("devicechange"));
  await microtasks();
  expect([sound.recording, call.state.why]).toEqual([false, "microphone_off"]);
});

test("a call that has ended follows nothing", async () => {
  const { call, socket } = await open();
  call.close();
  await microtasks();
  expect(vi.getTimerCount()).toBe(0);
  goOnline();
  await sleep(60_000);
  expect([probes(socket), ScriptedSocket.opened.length]).toEqual([0, 1]);
  call.start();
  await microtasks();
  ScriptedSocket.last.deliver(created);
  await sleep(60_000);
  expect(probes(ScriptedSocket.last)).toBe(1);
});
