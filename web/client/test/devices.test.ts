// A call whose loudspeaker fails, or whose devices the browser or the system pauses.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { microtasks, openCall, responseDone, ScriptedSocket, spokenResponse } from "./support";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  ScriptedSocket.opened.length = 0;
});

const answer = (id: string) => [
  ...spokenResponse(`resp_${id}`, `item_${id}`, [
    ["Noon", 500],
    [" sharp.", 500],
  ]),
  ...responseDone(`resp_${id}`, `item_${id}`, "Noon sharp."),
];

test("W1_ without a loudspeaker every typed message is sent, and every answer is read", async () => {
  const { call, socket, sound } = await openCall();
  sound.flush = () => Promise.reject(new Error("no loudspeaker"));
  sound.tell("insecure");
  for (const id of ["1", "2", "3"]) {
    await call.sendText(`Question ${id}?`);
    const created = socket.sent.filter(({ type }) => type === "conversation.item.create");
    expect(created).toHaveLength(Number(id));
    socket.deliver(...answer(id));
    expect(call.state).toMatchObject({ status: "listening", why: "sound_insecure" });
    expect(call.state.lines.find((line) => line.id === `item_${id}`)).toMatchObject({
      text: "Noon sharp.",
      heard: 11,
      status: "done",
    });
  }
});

test("W1_ a loudspeaker that fails during an answer leaves the answer to be read", async () => {
  const { call, socket, sound } = await openCall();
  socket.deliver(...answer("1"));
  sound.playFor(20);
  expect(call.state.status).toBe("speaking");
  sound.tell("failed");
  expect(call.state).toMatchObject({
    status: "listening",
    why: "sound_failed",
    error: { code: "sound_failed" },
  });
  expect(call.state.lines[0]).toMatchObject({ heard: 11, status: "done" });
});

test("W1_ a failed loudspeaker is told once, until it works again", async () => {
  const { call, sound } = await openCall();
  sound.tell("insecure");
  expect(call.state.error?.code).toBe("sound_insecure");
  call.setMode("text");
  expect(call.state.error).toBeUndefined();
  call.setMode("open");
  sound.tell("insecure");
  expect(call.state.error).toBeUndefined();
  sound.tell("running");
  sound.tell("failed");
  expect(call.state.error?.code).toBe("sound_failed");
  sound.tell("running");
  expect(call.state.error).toBeUndefined();
});

test("without a loudspeaker the server is asked to answer in writing, until there is one", async () => {
  const { call, socket, sound } = await openCall();
  const asked = () =>
    socket.sent
      .filter(({ type }) => type === "session.update")
      .map(({ session }) => (session as { output_modalities: string[] }).output_modalities[0]);
  sound.tell("failed");
  sound.tell("failed");
  expect(asked()).toEqual(["audio", "text"]);
  expect(call.state).toMatchObject({ status: "listening", why: "sound_failed", mode: "open" });
  sound.tell("running");
  expect(asked()).toEqual(["audio", "text", "audio"]);
  expect(call.state.why).toBe("microphone_off");
});

test("W1_ a message is kept before a loudspeaker is asked that never replies", async () => {
  const { call, socket, sound } = await openCall();
  socket.deliver(...spokenResponse("resp_1", "item_1", [["Noon", 500]]));
  sound.playFor(120);
  let reply = (_: undefined): void => {};
  sound.flush = () => new Promise((resolve) => (reply = resolve));
  void call.sendText("And tomorrow?");
  expect(call.state.lines.at(-1)).toMatchObject({ role: "user", text: "And tomorrow?" });
  reply(undefined);
  await microtasks();
  const [cancel, truncate, create] = socket.sent.slice(-4);
  expect(cancel).toMatchObject({ type: "response.cancel" });
  expect(truncate).toMatchObject({ type: "conversation.item.truncate", audio_end_ms: 120 });
  expect(create).toMatchObject({ type: "conversation.item.create" });
});

test("W1_ a text session opens no loudspeaker", async () => {
  const { call, sound } = await openCall({ mode: "text" });
  const wake = vi.spyOn(sound, "wake");
  call.start();
  await call.sendText("Hello?");
  call.close();
  call.start();
  expect(wake).not.toHaveBeenCalledTimes(2);
  call.setMode("open");
  expect(wake).toHaveBeenCalled();
});

test("W3_ a suspended loudspeaker is a paused call, until it runs again", async () => {
  const { call, socket, sound } = await openCall();
  socket.deliver(...answer("1"));
  sound.tell("suspended");
  expect(call.state).toMatchObject({ status: "listening", why: "sound_suspended" });
  sound.tell("running");
  expect(call.state.error).toBeUndefined();
  expect(call.state.status).toBe("speaking");
});

test("W3_ a muted microphone is not listening, and resuming opens it again", async () => {
  const { call, sound } = await openCall();
  await call.startMic();
  expect(call.state.status).toBe("listening");
  sound.mute(true);
  expect(call.state).toMatchObject({ status: "listening", why: "sound_suspended" });
  const stopped = vi.spyOn(sound, "stopRecording");
  const wake = vi.spyOn(sound, "wake");
  call.resume();
  await microtasks();
  expect(stopped).toHaveBeenCalledOnce();
  expect(wake).toHaveBeenCalled();
  expect(sound.recording).toBe(true);
  expect(call.state.status).toBe("listening");
  expect(call.state.error).toBeUndefined();
});

test("W3_ a microphone that is still muted after it was opened again is paused still", async () => {
  const { call, sound } = await openCall();
  await call.startMic();
  sound.mute(true);
  call.resume();
  sound.mute(true);
  await microtasks();
  expect(call.state.why).toBe("sound_suspended");
  call.stopMic();
  expect(call.state).toMatchObject({ status: "listening", why: "microphone_off" });
  expect(call.state.error).toBeUndefined();
});

test("W3_ an open microphone without a pause is not opened again by resuming", async () => {
  const { call, sound } = await openCall();
  await call.startMic();
  const stopped = vi.spyOn(sound, "stopRecording");
  call.resume();
  expect(stopped).not.toHaveBeenCalled();
});

test("W3_ a text session is never paused", async () => {
  const { call, sound } = await openCall({ mode: "text" });
  sound.tell("suspended");
  expect(call.state).toMatchObject({ status: "listening", why: "text_only" });
  expect(call.state.error).toBeUndefined();
});

test("N5_ a held button asks for a call without a greeting", async () => {
  let give = (_: string): void => {};
  const token = () => new Promise<string>((resolve) => (give = resolve));
  const { startCall } = await import("./support");
  const { call } = await startCall({ mode: "push-to-talk", token });
  void call.pushToTalk(true);
  await microtasks();
  give("ek_1");
  await microtasks();
  expect(ScriptedSocket.last.url).toContain("greeting=false");
  const other = await startCall({ mode: "push-to-talk" });
  expect(other.socket.url).not.toContain("greeting");
});

test("N5_ a response that begins by itself while the button is held is cancelled and not heard", async () => {
  const { call, socket, sound } = await openCall({ mode: "push-to-talk" });
  await call.pushToTalk(true);
  expect(call.state.status).toBe("listening");
  socket.deliver(...spokenResponse("resp_1", "item_1", [["Welcome", 500]]));
  await microtasks();
  expect(socket.types).toContain("response.cancel");
  expect(sound.playout.waiting).toBe(0);
  expect(call.state.status).toBe("listening");
  sound.recordFor(400);
  await call.pushToTalk(false);
  socket.deliver(...responseDone("resp_1", "item_1", "", "cancelled"));
  expect(socket.types.slice(-2)).toEqual(["input_audio_buffer.commit", "response.create"]);
  socket.deliver(...answer("2"));
  expect(call.state.status).toBe("speaking");
});

test("N5_ a question that is typed before the call connects is answered without a greeting", async () => {
  const { startCall } = await import("./support");
  let give = (_: string): void => {};
  const { call } = await startCall({
    token: () => new Promise<string>((resolve) => (give = resolve)),
  });
  await call.sendText("Hello?");
  give("ek_1");
  await microtasks();
  expect(ScriptedSocket.last.url).toContain("greeting=false");
});
