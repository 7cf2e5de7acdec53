import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { delay } from "../src/backoff";
import { mayRetry } from "../src/closeCodes";
import type { TokenRequest } from "../src/connection";
import { Refusal } from "../src/errors";
import {
  spokenResponse,
  startCall,
  responseDone,
  ScriptedSocket,
  microtasks,
  openCall,
} from "./support";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  ScriptedSocket.opened.length = 0;
});

const speech = (type: string, item_id: string) => ({ type: `input_audio_buffer.${type}`, item_id });
const failure = (code: string, type = "invalid_request_error") => ({
  type: "error",
  error: { type, code, message: "A sentence." },
});
const words = (...list: string[]): [string, number][] => list.map((word) => [word, 100]);

const PCM = { type: "audio/pcm", rate: 24_000 };

test("a call connects with its secret as a subprotocol and configures its mode", async () => {
  const { call, socket } = await startCall({ assistant: "charlotte", language: "it" });
  expect(call.state.status).toBe("connecting");
  expect(socket.url).toBe(
    "wss://here.test/v1/realtime?assistant=charlotte&language=it&client_tools=",
  );
  expect(socket.protocols).toEqual(["realtime", "openai-insecure-api-key.ek_1"]);
  socket.deliver({ type: "session.created", session: {} });
  expect(call.state).toMatchObject({ status: "listening", why: "microphone_off" });
  expect(socket.sent[0]).toMatchObject({
    type: "session.update",
    session: {
      output_modalities: ["audio"],
      audio: {
        input: { format: PCM, turn_detection: { type: "semantic_vad" }, transcription: {} },
        output: { format: PCM },
      },
    },
  });
});

test("the token callback gets the target of the session, and nothing else of the call", async () => {
  const token = vi.fn(async () => "ek_1");
  await startCall({ token, language: "it", conversationId: "conv_1", mode: "text" });
  const target = { conversationId: "conv_1", language: "it", mode: "text" };
  expect(token.mock.calls).toEqual([[target]]);
});

test("a transcription that the server has chosen is kept", async () => {
  const { socket } = await startCall();
  const session = { audio: { input: { transcription: { model: "its-own" } } } };
  socket.deliver({ type: "session.created", session });
  expect(JSON.stringify(socket.sent[0])).not.toContain("transcription");
});

test("a spoken turn goes from listening through thinking to speaking and back", async () => {
  const { call, socket, sound } = await openCall();
  await call.startMic();
  expect(call.state.status).toBe("listening");
  sound.recordFor(20);
  expect(socket.types.at(-1)).toBe("input_audio_buffer.append");
  socket.deliver(speech("speech_started", "item_1"));
  expect(call.state.userSpeaking).toBe(true);
  socket.deliver(speech("speech_stopped", "item_1"));
  const [created, added, ...rest] = spokenResponse("resp_1", "item_2", words("Noon."));
  socket.deliver(created!);
  expect(call.state.status).toBe("thinking");
  socket.deliver(added!, ...rest);
  expect(call.state.status).toBe("speaking");
  socket.deliver(...responseDone("resp_1", "item_2", "Noon."));
  expect(call.state.status, "done, but still playing").toBe("speaking");
  sound.playFor(100);
  expect(call.state.status).toBe("listening");
  const said = call.state.lines.find(({ role }) => role === "assistant");
  expect(said).toMatchObject({ text: "Noon.", heard: 5, status: "done" });
});

test("words count as heard when their audio has begun to play", async () => {
  const { call, socket, sound } = await openCall();
  socket.deliver(...spokenResponse("resp_1", "item_1", words("It ", "is ", "noon.")));
  const heard = () => call.state.lines[0]!.text.slice(0, call.state.lines[0]!.heard);
  expect(call.state.lines[0]!.text).toBe("It is noon.");
  expect(heard()).toBe("");
  sound.playFor(20);
  expect(heard()).toBe("It ");
  sound.playFor(100);
  expect(heard()).toBe("It is ");
});

test("user speech appears word by word before its item exists", async () => {
  const { call, socket } = await openCall();
  const type = "conversation.item.input_audio_transcription";
  socket.deliver(speech("speech_started", "item_1"));
  socket.deliver({ type: `${type}.delta`, item_id: "item_1", delta: "when does " });
  socket.deliver({ type: `${type}.delta`, item_id: "item_1", delta: "it" });
  expect(call.state.lines).toMatchObject([
    { role: "user", text: "when does it", status: "in_progress" },
  ]);
  const content = [{ type: "input_audio", transcript: null }];
  const item = { type: "message", id: "item_1", role: "user", status: "completed", content };
  socket.deliver({ type: "conversation.item.added", previous_item_id: null, item });
  expect(call.state.lines).toMatchObject([{ text: "when does it", status: "in_progress" }]);
  socket.deliver({
    type: `${type}.completed`,
    item_id: "item_1",
    transcript: "When does it start?",
  });
  expect(call.state.lines).toMatchObject([{ text: "When does it start?", status: "done" }]);
});

test("user speech stops an answer and reports how much of it was heard", async () => {
  const { call, socket, sound } = await openCall();
  socket.deliver(...spokenResponse("resp_1", "item_1", words("It ", "is ", "noon.")));
  sound.playFor(150);
  socket.deliver(speech("speech_started", "item_2"));
  expect(sound.playout.waiting, "playback stops before anything else").toBe(0);
  await microtasks();
  expect(socket.sent.at(-1)).toMatchObject({
    type: "conversation.item.truncate",
    item_id: "item_1",
    content_index: 0,
    audio_end_ms: 150,
  });
  expect(socket.types, "the server cancels the response itself").not.toContain("response.cancel");
  expect(call.state.status).toBe("listening");
  expect(call.state.lines[0]).toMatchObject({ text: "It is", status: "interrupted" });
});

test("late audio and words of an interrupted answer are dropped", async () => {
  const { call, socket, sound } = await openCall();
  socket.deliver(...spokenResponse("resp_1", "item_1", words("It ")));
  call.interrupt();
  await microtasks();
  socket.deliver(...spokenResponse("resp_1", "item_1", words("is ", "noon.")).slice(2));
  expect(sound.playout.waiting).toBe(0);
  socket.deliver(...responseDone("resp_1", "item_1", "It is noon.", "cancelled"));
  expect(call.state.lines[0]!.text).not.toContain("noon");
  expect(call.state).toMatchObject({ status: "listening", why: "microphone_off" });
  socket.deliver(...spokenResponse("resp_2", "item_2", words("Yes.")));
  expect(call.state.status, "the next answer plays").toBe("speaking");
});

test("an answer that was played to its end is not truncated", async () => {
  const { socket, sound } = await openCall();
  socket.deliver(...spokenResponse("resp_1", "item_1", words("Noon.")));
  socket.deliver(...responseDone("resp_1", "item_1", "Noon."));
  sound.playFor(200);
  socket.deliver(speech("speech_started", "item_2"));
  await microtasks();
  expect(socket.types).not.toContain("conversation.item.truncate");
});

test("an answer without audio is cancelled without a truncation", async () => {
  const { call, socket } = await openCall();
  socket.deliver(...spokenResponse("resp_1", "item_1", []));
  call.interrupt();
  await microtasks();
  expect(socket.types.at(-1)).toBe("response.cancel");
});

test("the stop button cancels first, then truncates", async () => {
  const { call, socket, sound } = await openCall();
  socket.deliver(...spokenResponse("resp_1", "item_1", words("It ", "is ", "noon.")));
  sound.playFor(50);
  call.interrupt();
  await microtasks();
  expect(socket.types.slice(-2)).toEqual(["response.cancel", "conversation.item.truncate"]);
});

test("stopping the playback of a response that is done truncates without a cancel", async () => {
  const { call, socket, sound } = await openCall();
  socket.deliver(...spokenResponse("resp_1", "item_1", words("It ", "is ", "noon.")));
  socket.deliver(...responseDone("resp_1", "item_1", "It is noon."));
  sound.playFor(150);
  call.interrupt();
  await microtasks();
  expect(socket.types.at(-1)).toBe("conversation.item.truncate");
  expect(socket.types).not.toContain("response.cancel");
});

test("a message typed during an answer interrupts it, then asks", async () => {
  const { call, socket } = await openCall();
  socket.deliver(...spokenResponse("resp_1", "item_1", words("It ")));
  await call.sendText("And tomorrow?");
  expect(socket.types.slice(-4)).toEqual([
    "response.cancel",
    "conversation.item.truncate",
    "conversation.item.create",
    "response.create",
  ]);
  expect(call.state.status).toBe("thinking");
});

test("a message typed while connecting is sent when the session is created", async () => {
  const { call, socket } = await startCall();
  await call.sendText("Hello?");
  expect(socket.types).toEqual([]);
  socket.deliver({ type: "session.created", session: {} });
  expect(socket.types).toEqual(["session.update", "conversation.item.create", "response.create"]);
});

test("a question asked during a greeting is asked again after it", async () => {
  const { call, socket } = await startCall();
  await call.sendText("Hello?");
  socket.deliver(
    { type: "session.created", session: {} },
    ...spokenResponse("resp_1", "item_1", words("Hi.")),
  );
  socket.deliver(failure("conversation_already_has_active_response"));
  expect(call.state.error).toBeUndefined();
  socket.deliver(...responseDone("resp_1", "item_1", "Hi."));
  expect(socket.types.slice(1)).toEqual([
    "conversation.item.create",
    "response.create",
    "response.create",
  ]);
});

test("push-to-talk sends audio only while the button is held", async () => {
  const { call, socket, sound } = await openCall({ mode: "push-to-talk" });
  expect(JSON.stringify(socket.sent[0])).toContain('"turn_detection":null');
  await call.pushToTalk(true);
  expect(call.state.status).toBe("listening");
  sound.recordFor(200);
  await call.pushToTalk(false);
  sound.recordFor(200);
  expect(socket.types.slice(1)).toEqual([
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "response.create",
  ]);
});

test("an utterance under 100 ms is dropped, and the caller learns it", async () => {
  const { call, socket, sound } = await openCall({ mode: "push-to-talk" });
  await call.pushToTalk(true);
  sound.recordFor(40);
  expect(await call.pushToTalk(false)).toBe(false);
  expect(socket.types.at(-1)).toBe("input_audio_buffer.clear");
});

test("pressing the talk button interrupts the answer", async () => {
  const { call, socket } = await openCall({ mode: "push-to-talk" });
  socket.deliver(...spokenResponse("resp_1", "item_1", words("It ")));
  await call.pushToTalk(true);
  expect(socket.types).toContain("response.cancel");
});

test("closing the microphone during an utterance commits it and asks for a response", async () => {
  const { call, socket } = await openCall();
  await call.startMic();
  socket.deliver(speech("speech_started", "item_1"));
  call.stopMic();
  expect(socket.types.slice(-2)).toEqual(["input_audio_buffer.commit", "response.create"]);
});

test("text mode asks for text and closes the microphone", async () => {
  const { call, socket, sound } = await openCall();
  await call.startMic();
  call.setMode("text");
  expect(sound.recording).toBe(false);
  expect(JSON.stringify(socket.sent.at(-1))).toContain('"output_modalities":["text"]');
});

test.each([
  ["NotAllowedError", "microphone_refused"],
  ["NotFoundError", "microphone_missing"],
  ["NotReadableError", "microphone_busy"],
  ["SecurityError", "microphone_insecure"],
])("a microphone that fails with %s leaves the call usable", async (name, code) => {
  const { call, sound } = await openCall();
  sound.refusal = Object.assign(new Error("no"), { name });
  expect(await call.startMic()).toBe(false);
  expect(call.state).toMatchObject({
    status: "listening",
    why: code,
    microphone: false,
    error: { code },
  });
  sound.refusal = undefined;
  expect(await call.startMic()).toBe(true);
  expect(call.state.error).toBeUndefined();
});

test("an error of the microphone stays shown when the session is created", async () => {
  const { call, socket, sound } = await startCall();
  sound.refusal = Object.assign(new Error("no"), { name: "NotAllowedError" });
  await call.startMic();
  socket.deliver({ type: "session.created", session: {} });
  expect(call.state).toMatchObject({ status: "listening", why: "microphone_refused" });
});

test("a microphone that opens after a change to text mode closes again", async () => {
  const { call, sound } = await openCall();
  const opening = call.startMic();
  expect(call.state.requestingMicrophone).toBe(true);
  call.setMode("text");
  expect(await opening).toBe(false);
  expect(sound.recording).toBe(false);
  expect(call.state).toMatchObject({ microphone: false, requestingMicrophone: false });
});

test("a lost connection is replaced, with a fresh secret and the same conversation", async () => {
  const asked: (string | undefined)[] = [];
  const token = async ({ conversationId }: TokenRequest) => {
    asked.push(conversationId);
    return `ek_${asked.length}`;
  };
  const { call, socket } = await openCall({ token });
  socket.deliver(...spokenResponse("resp_1", "item_1", words("It ", "is ")));
  socket.close(1006);
  expect(call.state.status).toBe("reconnecting");
  expect(call.state.lines, "the conversation is kept").toHaveLength(1);
  await vi.advanceTimersByTimeAsync(400);
  expect(asked).toEqual([undefined, "conv_1"]);
  expect(ScriptedSocket.last.url).toContain("conversation_id=conv_1");
  expect(ScriptedSocket.last.protocols[1]).toBe("openai-insecure-api-key.ek_2");
  ScriptedSocket.last.deliver({ type: "session.created", session: {} });
  expect(call.state.status).toBe("speaking"); // the received audio plays on
  expect(call.state.error).toBeUndefined();
});

test("delays between attempts double, with jitter, and end in an error that a start clears", async () => {
  expect([0, 1, 2, 9].map((attempt) => delay(attempt, () => 1))).toEqual([400, 800, 1600, 10_000]);
  expect(delay(2, () => 0)).toBe(800);
  const { call } = await startCall({ token: () => Promise.reject(new TypeError("no network")) });
  expect(call.state.status).toBe("reconnecting");
  await vi.advanceTimersByTimeAsync(120_000);
  expect(call.state).toMatchObject({ status: "ended", why: "network" });
  call.start();
  expect(call.state.error).toBeUndefined();
});

test("a connection without a session is closed after 10 s", async () => {
  const { call } = await startCall();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(call.state.status).toBe("reconnecting");
});

test("close codes that allow a retry", () => {
  for (const code of [1001, 1005, 1006, 1011, 1012, 1013, 1015]) expect(mayRetry(code)).toBe(true);
  for (const code of [1000, 1008, 3000, 4000]) expect(mayRetry(code)).toBe(false);
});

test("a server that cannot open a session is tried again, and its message is shown", async () => {
  const { call, socket } = await startCall();
  socket.deliver(failure("engine_failed", "server_error"));
  socket.close(1011);
  expect(call.state).toMatchObject({
    status: "reconnecting",
    error: { code: "server", message: "A sentence." },
  });
  await vi.advanceTimersByTimeAsync(400);
  ScriptedSocket.last.deliver({ type: "session.created", session: {} });
  expect(call.state.error).toBeUndefined();
});

test("a secret that expired before its use is replaced once, without an error", async () => {
  let count = 0;
  const { call, socket } = await startCall({ token: async () => `ek_${++count}` });
  socket.deliver(failure("invalid_api_key"));
  socket.close(3000);
  await microtasks();
  expect(count).toBe(2);
  expect(call.state.error).toBeUndefined();
  ScriptedSocket.last.deliver(failure("invalid_api_key"));
  ScriptedSocket.last.close(3000);
  expect(call.state).toMatchObject({ status: "ended", why: "not_signed_in" });
});

test.each([
  ["secret_revoked", "revoked"],
  ["key_revoked", "revoked"],
  ["signed_out", "not_signed_in"],
])("a call whose credential has ended (%s) does not reconnect", async (code, shown) => {
  let count = 0;
  const { call, socket } = await startCall({ token: async () => `ek_${++count}` });
  socket.deliver({ type: "session.created", session: {} });
  socket.deliver(failure(code));
  socket.close(3000);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(count).toBe(1);
  expect(call.state).toMatchObject({
    status: "ended",
    error: { code: shown, message: "A sentence." },
  });
  call.start(); // the user asks for a new secret
  await microtasks();
  expect(count).toBe(2);
  ScriptedSocket.last.deliver(failure(code)); // while the call is set up
  ScriptedSocket.last.close(3000);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(count).toBe(2);
  expect(call.state).toMatchObject({ status: "ended", why: shown });
});

test("a refusal is final and has a reason", async () => {
  const refused = await startCall();
  refused.socket.deliver(failure("conversation_not_found"));
  refused.socket.close(4000);
  expect(refused.call.state).toMatchObject({
    status: "ended",
    error: { code: "refused", message: "A sentence." },
  });
  const busy = await startCall();
  busy.socket.deliver(failure("rate_limit_exceeded", "rate_limit_error"));
  busy.socket.close(4000);
  expect(busy.call.state.error?.code).toBe("full");
  const signedOut = await startCall({ token: () => Promise.reject(new Refusal("not_signed_in")) });
  expect(signedOut.call.state).toMatchObject({
    status: "ended",
    error: { code: "not_signed_in" },
  });
});

test("N9_ a client that gets retry_after waits for it, and not longer", async () => {
  const { call, socket } = await startCall();
  const busy = failure("server_busy", "rate_limit_error");
  socket.deliver({ ...busy, error: { ...busy.error, retry_after: 20 } });
  socket.close(1013);
  expect(call.state).toMatchObject({
    status: "reconnecting",
    error: { code: "busy", message: "A sentence." },
  });
  await vi.advanceTimersByTimeAsync(19_900);
  expect(ScriptedSocket.opened).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(100);
  expect(ScriptedSocket.opened).toHaveLength(2);
  ScriptedSocket.last.deliver({ type: "session.created", session: {} });
  expect(call.state.error).toBeUndefined();
});

test("a token refused with a retry time is requested again at that time", async () => {
  let asked = 0;
  const token = () => (asked++ ? Promise.resolve("ek_2") : Promise.reject(full));
  const full = new Refusal("busy", "A sentence.", 10);
  const { call } = await startCall({ token });
  expect(call.state).toMatchObject({
    status: "reconnecting",
    error: { code: "busy", message: "A sentence." },
  });
  await vi.advanceTimersByTimeAsync(9_900);
  expect(asked).toBe(1);
  await vi.advanceTimersByTimeAsync(100);
  expect(asked).toBe(2);
});

test("a server that stays busy ends the call with the error busy", async () => {
  const full = () => Promise.reject(new Refusal("busy", "A sentence.", 1));
  const { call } = await startCall({ token: full });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(call.state).toMatchObject({
    status: "ended",
    error: { code: "busy", message: "A sentence." },
  });
});

test("a full server that accepts text gets a text session", async () => {
  const modes: string[] = [];
  const token = async ({ mode }: TokenRequest) => {
    modes.push(mode);
    if (mode !== "text") throw new Refusal("busy", "A sentence.", 30);
    return "ek_1";
  };
  const { call } = await startCall({ token });
  call.setMode("text");
  call.start();
  await microtasks();
  expect(modes).toEqual(["open", "text"]);
  ScriptedSocket.last.deliver({ type: "session.created", session: {} });
  expect(call.state).toMatchObject({ status: "listening", why: "text_only" });
});

test("a message typed before a failure is sent when the next start succeeds", async () => {
  const { call, socket } = await startCall();
  await call.sendText("Hello?");
  socket.close(4000);
  expect(call.state.status).toBe("ended");
  call.start();
  await microtasks();
  ScriptedSocket.last.deliver({ type: "session.created", session: {} });
  expect(ScriptedSocket.last.types).toEqual([
    "session.update",
    "conversation.item.create",
    "response.create",
  ]);
});

test("a failed response shows an error until the next response begins", async () => {
  const { call, socket } = await openCall();
  const error = { type: "server_error", code: "x", message: "A sentence." };
  const status_details = { type: "failed", error };
  socket.deliver({ type: "response.created", response: { id: "resp_1", conversation_id: null } });
  socket.deliver({
    type: "response.done",
    response: { id: "resp_1", status: "failed", status_details, output: [] },
  });
  expect(call.state).toMatchObject({
    status: "listening",
    why: "microphone_off",
    error: { code: "response_failed" },
  });
  socket.deliver({ type: "response.created", response: { id: "resp_2", conversation_id: null } });
  expect(call.state.error).toBeUndefined();
});

test("errors of late cancels and truncations are not shown", async () => {
  const { call, socket } = await openCall();
  const error = { code: "response_cancel_not_active", message: "…", event_id: "quiet_cancel" };
  socket.deliver({ type: "error", error });
  expect(call.state.error).toBeUndefined();
  socket.deliver(failure("server_error"));
  expect(call.state.error).toMatchObject({ code: "server", message: "A sentence." });
});

test("a slow network drops audio and shows an error until it recovers", async () => {
  const { call, socket, sound } = await openCall();
  await call.startMic();
  socket.bufferedAmount = 10_000_000;
  sound.recordFor(20);
  expect(socket.types).not.toContain("input_audio_buffer.append");
  expect(call.state.error?.code).toBe("slow");
  socket.bufferedAmount = 0;
  sound.recordFor(20);
  expect(socket.types).toContain("input_audio_buffer.append");
  expect(call.state.error).toBeUndefined();
});

test("a tool of the page is run, its result is sent and a response is requested", async () => {
  const { socket } = await openCall({ tools: { show_map: ({ room }: any) => ({ shown: room }) } });
  const output = [
    {
      type: "function_call",
      id: "item_1",
      call_id: "call_1",
      name: "show_map",
      arguments: '{"room":"Aula"}',
    },
  ];
  socket.deliver({ type: "response.done", response: { id: "r", status: "completed", output } });
  await microtasks();
  expect(socket.sent.slice(-2)).toMatchObject([
    { item: { type: "function_call_output", call_id: "call_1", output: '{"shown":"Aula"}' } },
    { type: "response.create" },
  ]);
});

test("a call without a tool is ignored, or fails with the error of the tool *", async () => {
  const output = [{ type: "function_call", id: "i", call_id: "c", name: "x", arguments: "{}" }];
  const done = { type: "response.done", response: { id: "r", status: "completed", output } };
  const silent = await openCall();
  silent.socket.deliver(done);
  await microtasks();
  expect(silent.socket.types).toEqual(["session.update"]);
  const cannot = () => {
    throw new Error("not here");
  };
  const { socket } = await openCall({ tools: { "*": cannot } });
  socket.deliver(done);
  await microtasks();
  expect(socket.sent[1]).toMatchObject({ item: { call_id: "c", output: '{"error":"not here"}' } });
});

test("another language continues the conversation over a new connection", async () => {
  const { call, socket } = await openCall({ language: "en" });
  socket.deliver(...spokenResponse("resp_1", "item_1", words("It ")));
  call.setLanguage("it");
  await microtasks();
  expect(ScriptedSocket.last.url).toContain("language=it&conversation_id=conv_1");
});

test("hanging up reports how much was heard, and nothing is retried", async () => {
  const { call, socket, sound } = await openCall();
  socket.deliver(...spokenResponse("resp_1", "item_1", words("It ", "is ")));
  sound.playFor(50);
  call.close();
  expect(socket.sent.at(-1)).toMatchObject({
    type: "conversation.item.truncate",
    audio_end_ms: 50,
  });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(ScriptedSocket.opened).toHaveLength(1);
  expect(call.state).toMatchObject({ status: "ended", why: "closed", microphone: false });
});

test("lines that did not change keep their identity", async () => {
  const { call, socket } = await openCall();
  socket.deliver(
    ...spokenResponse("resp_1", "item_1", words("It ")),
    ...responseDone("resp_1", "item_1", "It "),
  );
  const [before] = call.state.lines;
  socket.deliver(speech("speech_started", "item_2"));
  await microtasks();
  socket.deliver(speech("speech_stopped", "item_2"));
  const again = call.state.lines[0];
  socket.deliver({ type: "rate_limits.updated" });
  expect(call.state.lines[0]).toBe(again);
  expect(again).not.toBe(before); // the speech cut it
});

test("sessions that end at once are retried with doubling delays, then fail with the server's message", async () => {
  const { call } = await startCall();
  const start = Date.now();
  const tries: number[] = [];
  const failed = () => call.state.status === "ended";
  while (!failed()) {
    tries.push(Date.now() - start);
    ScriptedSocket.last.deliver(
      { type: "session.created", session: {} },
      failure("upstream_lost", "server_error"),
    );
    ScriptedSocket.last.close(1011);
    const made = ScriptedSocket.opened.length;
    while (!failed() && ScriptedSocket.opened.length === made)
      await vi.advanceTimersByTimeAsync(100);
  }
  expect(tries).toEqual([0, 400, 1200, 2800, 6000, 12_400]);
  expect(call.state.error).toEqual({ code: "unavailable", message: "A sentence." });
});

test("a server that never creates a session is tried five more times", async () => {
  const { call } = await startCall();
  await call.sendText("Hello?");
  for (let i = 0; i < 6; i++) {
    ScriptedSocket.last.deliver(failure("upstream_unavailable", "server_error"));
    ScriptedSocket.last.close(1013);
    await vi.advanceTimersByTimeAsync(10_000);
  }
  expect(ScriptedSocket.opened).toHaveLength(6);
  expect(call.state).toMatchObject({
    status: "ended",
    error: { code: "unavailable", message: "A sentence." },
    lines: [{ role: "user", text: "Hello?", status: "unsent" }],
  });
});

test("a session of 5 s resets the count of attempts", async () => {
  const { call } = await openCall();
  for (let i = 0; i < 20; i++) {
    await vi.advanceTimersByTimeAsync(5_000);
    ScriptedSocket.last.close(1012);
    expect(call.state.status).toBe("reconnecting");
    await vi.advanceTimersByTimeAsync(400);
    ScriptedSocket.last.deliver({ type: "session.created", session: {} });
  }
  expect(call.state).toMatchObject({ status: "listening", why: "microphone_off" });
});

test("a typed message is in the transcript before the server confirms it", async () => {
  const { call, socket } = await startCall();
  await call.sendText("Hello?");
  const status = () => call.state.lines.map(({ text, status }) => [text, status]);
  expect(status()).toEqual([["Hello?", "unsent"]]);
  socket.deliver({ type: "session.created", session: {} });
  expect(status()).toEqual([["Hello?", "done"]]);
  const { item } = socket.sent[1] as unknown as { item: { id: string } };
  socket.deliver({ type: "conversation.item.added", previous_item_id: null, item });
  expect(status()).toEqual([["Hello?", "done"]]);
  expect(call.state.lines[0]!.id).toBe(item.id);
  socket.deliver({ type: "conversation.item.done", item });
  expect(status()).toEqual([["Hello?", "done"]]);
  socket.close(1012);
  await vi.advanceTimersByTimeAsync(400);
  ScriptedSocket.last.deliver({ type: "session.created", session: {} });
  const types = ["session.update", "response.create"];
  expect(ScriptedSocket.last.types, "it is not sent twice, and still to be answered").toEqual(
    types,
  );
});

test("a typed message that the server has not confirmed is sent again with the same id", async () => {
  const { call, socket } = await openCall();
  await call.sendText("Hello?");
  socket.close(1011);
  expect(call.state.lines).toMatchObject([{ text: "Hello?", status: "unsent" }]);
  await vi.advanceTimersByTimeAsync(400);
  ScriptedSocket.last.deliver({ type: "session.created", session: {} });
  expect(ScriptedSocket.last.sent[1]).toEqual(socket.sent[1]);
  expect(ScriptedSocket.last.types).toEqual([
    "session.update",
    "conversation.item.create",
    "response.create",
  ]);
});

test("a refused message stays in the transcript, with the reason", async () => {
  const { call, socket } = await openCall();
  await call.sendText("Hello?");
  const { event_id } = socket.sent[1]!;
  socket.deliver({
    type: "error",
    error: { code: "string_above_max_length", message: "Long.", event_id },
  });
  expect(call.state).toMatchObject({
    error: { code: "server", message: "Long." },
    lines: [{ text: "Hello?", status: "unsent" }],
  });
});

test("a deleted conversation is replaced by a new one, which gets the typed messages", async () => {
  const { call, socket } = await openCall();
  socket.deliver(...spokenResponse("resp_1", "item_1", words("Noon.")));
  socket.close(1012);
  await call.sendText("And tomorrow?");
  await vi.advanceTimersByTimeAsync(400);
  expect(ScriptedSocket.last.url).toContain("conversation_id=conv_1");
  ScriptedSocket.last.deliver(failure("conversation_not_found"));
  ScriptedSocket.last.close(4000);
  await microtasks();
  expect(ScriptedSocket.last.url).not.toContain("conversation_id");
  ScriptedSocket.last.deliver({ type: "session.created", session: {} });
  expect(call.state).toMatchObject({ status: "thinking", error: { code: "new_conversation" } });
  expect(call.state.lines.map(({ text }) => text)).toEqual(["And tomorrow?"]);
  expect(ScriptedSocket.last.types.slice(-2)).toEqual([
    "conversation.item.create",
    "response.create",
  ]);
});

test("a conversation may be deleted before the secret is requested", async () => {
  const asked: (string | undefined)[] = [];
  const token = async ({ conversationId }: TokenRequest) => {
    asked.push(conversationId);
    if (conversationId) throw new Refusal("new_conversation");
    return "ek_1";
  };
  const { call } = await startCall({ token, conversationId: "conv_0" });
  expect(asked).toEqual(["conv_0", undefined]);
  expect(call.state).toMatchObject({ status: "connecting", error: { code: "new_conversation" } });
});

test("a failed transcription shows an error until the user speaks again", async () => {
  const { call, socket } = await openCall();
  socket.deliver(speech("speech_started", "item_1"));
  socket.deliver({
    type: "conversation.item.input_audio_transcription.failed",
    item_id: "item_1",
    error: { code: "transcription_failed", message: "English only." },
  });
  expect(call.state.error).toEqual({ code: "transcription_failed" });
  expect(call.state.lines).toMatchObject([{ role: "user", status: "untranscribed" }]);
  const error = { type: "server_error", code: "x", message: "No words." };
  socket.deliver({ type: "response.created", response: { id: "r", conversation_id: null } });
  const status_details = { type: "failed", error };
  socket.deliver({
    type: "response.done",
    response: { id: "r", status: "failed", status_details, output: [] },
  });
  expect(call.state.error, "one error at a time").toEqual({ code: "transcription_failed" });
  socket.deliver(speech("speech_started", "item_2"));
  expect(call.state.error).toBeUndefined();
});

test("an answer clears the error of a failed transcription", async () => {
  const { call, socket } = await openCall();
  socket.deliver({
    type: "conversation.item.input_audio_transcription.failed",
    item_id: "item_1",
    error: { message: "No transcript." },
  });
  socket.deliver(...spokenResponse("resp_1", "item_2", words("Noon.")));
  expect(call.state.error).toBeUndefined();
});

test("an answer stopped within its last word is not interrupted", async () => {
  const { call, socket, sound } = await openCall();
  socket.deliver(...spokenResponse("resp_1", "item_1", words("It ", "is ", "noon.")));
  socket.deliver(...responseDone("resp_1", "item_1", "It is noon."));
  sound.playFor(220);
  socket.deliver(speech("speech_started", "item_2"));
  await microtasks();
  expect(socket.types).not.toContain("conversation.item.truncate");
  expect(call.state.lines[0]).toMatchObject({ text: "It is noon.", heard: 11, status: "done" });
});

test("hanging up after the last word leaves an answer whole, whatever the size of its deltas", async () => {
  const { call, socket, sound } = await openCall();
  const odd = Array.from({ length: 30 }, (): [string, number] => ["la ", 33.375]);
  socket.deliver(...spokenResponse("resp_1", "item_1", odd));
  socket.deliver(...responseDone("resp_1", "item_1", "la ".repeat(30)));
  for (let i = 0; i < 110; i++) sound.playFor(10);
  expect(call.state.lines[0]!.status).toBe("done");
  call.close();
  expect(socket.types).not.toContain("conversation.item.truncate");
  expect(call.state.lines[0]!.status).toBe("done");
});

test("an item that the server deletes leaves the transcript", async () => {
  const { call, socket } = await openCall();
  socket.deliver(...spokenResponse("resp_1", "item_1", words("It ", "is ")));
  socket.deliver(...responseDone("resp_1", "item_1", "It is"));
  socket.deliver({ type: "conversation.item.deleted", item_id: "item_1" });
  expect(call.state.lines).toEqual([]);
});

test("words of a response outside of the conversation are not shown as the user's", async () => {
  const { call, socket } = await openCall();
  const delta = { response_id: "resp_1", item_id: "item_1", delta: "Noted." };
  socket.deliver({ type: "response.created", response: { id: "resp_1", conversation_id: null } });
  socket.deliver({ type: "response.output_text.delta", ...delta });
  expect(call.state.lines).toEqual([]);
});

test("audio of an earlier conversation that plays on leaves no line and no truncation in the new one", async () => {
  const { call, socket, sound } = await openCall();
  socket.deliver(...spokenResponse("resp_1", "item_1", words("It ", "is ", "noon.")));
  socket.close(1012);
  await vi.advanceTimersByTimeAsync(400);
  ScriptedSocket.last.deliver(failure("conversation_not_found"));
  ScriptedSocket.last.close(4000);
  await microtasks();
  sound.playFor(50);
  ScriptedSocket.last.deliver({ type: "session.created", session: {} });
  expect(call.state.lines).toEqual([]);
  await call.interrupt();
  expect(call.state.lines).toEqual([]);
  expect(ScriptedSocket.last.types).not.toContain("conversation.item.truncate");
});

test("a model that names a tool like a property of every object runs nothing", async () => {
  const { socket } = await openCall({ tools: {} });
  const call = { type: "function_call", id: "i", call_id: "c", name: "toString", arguments: "{}" };
  socket.deliver({
    type: "response.done",
    response: { id: "r", status: "completed", output: [call] },
  });
  await microtasks();
  expect(socket.types).toEqual(["session.update"]);
});

test("W2_ a message that the server has only announced is sent again, and its late twin is no error", async () => {
  const { call, socket } = await openCall();
  await call.sendText("Hello?");
  const { item, event_id } = socket.sent[1] as unknown as {
    item: { id: string };
    event_id: string;
  };
  socket.deliver({ type: "conversation.item.added", previous_item_id: null, item });
  socket.close(1011);
  await vi.advanceTimersByTimeAsync(400);
  const again = ScriptedSocket.last;
  again.deliver({ type: "session.created", session: {} });
  expect(again.sent[1]).toMatchObject({ type: "conversation.item.create", item });
  const error = { code: "item_create_duplicate_item_id", message: "A sentence.", event_id };
  again.deliver({ type: "error", error });
  expect(call.state.error).toBeUndefined();
  expect(call.state.lines).toMatchObject([{ text: "Hello?", status: "done" }]);
  again.close(1012);
  await vi.advanceTimersByTimeAsync(800);
  ScriptedSocket.last.deliver({ type: "session.created", session: {} });
  expect(ScriptedSocket.last.types).toEqual(["session.update", "response.create"]);
});

test("W2_ a conversation deleted during a call is forgotten, and what was not stored is kept", async () => {
  const { call, socket } = await openCall();
  socket.deliver(
    ...spokenResponse("resp_1", "item_1", words("Noon.")),
    ...responseDone("resp_1", "item_1", "Noon."),
  );
  await call.sendText("And tomorrow?");
  const { item } = socket.sent.find(
    ({ type }) => type === "conversation.item.create",
  ) as unknown as {
    item: object;
  };
  socket.deliver({ type: "conversation.item.added", previous_item_id: "item_1", item });
  socket.close(4000, "conversation_deleted");
  expect(call.state).toMatchObject({ status: "ended", why: "conversation_deleted" });
  expect(call.state.lines).toMatchObject([{ text: "And tomorrow?", status: "unsent" }]);
  expect(call.state.conversationId).toBeUndefined();
  call.start();
  await microtasks();
  expect(ScriptedSocket.last.url).not.toContain("conversation_id");
  ScriptedSocket.last.deliver({ type: "session.created", session: {} });
  expect(ScriptedSocket.last.sent[1]).toMatchObject({ item });
});

test("W4_ secrets that arrive and handshakes that fail are named after three attempts", async () => {
  const token = vi.fn(async () => "ek_1");
  const { call } = await startCall({ token });
  for (let attempt = 0; attempt < 3; attempt++) {
    expect(call.state.status).not.toBe("ended");
    ScriptedSocket.last.close(1006);
    await vi.advanceTimersByTimeAsync(10_000);
  }
  expect(call.state).toMatchObject({ status: "ended", why: "upgrade_missing" });
  expect(token).toHaveBeenCalledTimes(3);
  call.start();
  await microtasks();
  expect(ScriptedSocket.opened).toHaveLength(4);
});

test("W4_ a handshake that was answered is no sign of a proxy, however the call ends", async () => {
  const { call } = await startCall({ token: async () => "ek_1" });
  for (let attempt = 0; attempt < 4; attempt++) {
    ScriptedSocket.last.deliver();
    ScriptedSocket.last.close(1006);
    await vi.advanceTimersByTimeAsync(10_000);
  }
  expect(call.state.status).toBe("reconnecting");
});

test("N8_ a call shows the items of an earlier conversation, and continues it", async () => {
  const content = [{ type: "input_text", text: "Hello?" }];
  const items = [
    { type: "message", id: "item_1", role: "user", status: "completed", content },
  ] as const;
  const earlier = items.map((item) => ({ ...item, content: [...item.content] }));
  const { call, socket } = await startCall({ conversationId: "conv_1", items: earlier });
  expect(call.state.lines).toMatchObject([{ text: "Hello?", status: "done" }]);
  expect(socket.url).toContain("conversation_id=conv_1");
});

test("N1_ a call names the tools that it runs, and otherwise none", async () => {
  const { socket } = await startCall({ tools: { show_map: () => "shown", add: () => 3 } });
  expect(new URL(socket.url).searchParams.get("client_tools")).toBe("show_map,add");
  expect(new URL((await startCall()).socket.url).searchParams.get("client_tools")).toBe("");
});
