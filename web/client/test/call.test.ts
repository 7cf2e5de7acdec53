import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { delay, mayRetry } from "../src/backoff";
import { Refusal, type Wanted } from "../src/call";
import { answer, begin, finished, Line, settled, talking } from "./support";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  Line.made.length = 0;
});

const speech = (type: string, item_id: string) => ({ type: `input_audio_buffer.${type}`, item_id });
const failure = (code: string, type = "invalid_request_error") => ({
  type: "error",
  error: { type, code, message: "A sentence." },
});
const words = (...list: string[]): [string, number][] => list.map((word) => [word, 100]);

test("a call connects with its secret as a subprotocol and asks for its mode", async () => {
  const { call, line } = await begin({ assistant: "charlotte", language: "it" });
  expect(call.state.status).toBe("connecting");
  expect(line.url).toBe("wss://here.test/v1/realtime?assistant=charlotte&language=it");
  expect(line.protocols).toEqual(["realtime", "openai-insecure-api-key.ek_1"]);
  line.tell({ type: "session.created", session: {} });
  expect(call.state.status).toBe("ready");
  expect(line.sent[0]).toMatchObject({
    type: "session.update",
    session: {
      output_modalities: ["audio"],
      audio: { input: { turn_detection: { type: "semantic_vad" }, transcription: {} } },
    },
  });
});

test("a transcription that the server chose stays", async () => {
  const { line } = await begin();
  const session = { audio: { input: { transcription: { model: "its-own" } } } };
  line.tell({ type: "session.created", session });
  expect(JSON.stringify(line.sent[0])).not.toContain("transcription");
});

test("a spoken turn goes from listening through thinking to speaking and back", async () => {
  const { call, line, sound } = await talking();
  await call.startMic();
  expect(call.state.status).toBe("listening");
  sound.speak(20);
  expect(line.types.at(-1)).toBe("input_audio_buffer.append");
  line.tell(speech("speech_started", "item_1"));
  expect(call.state.hearing).toBe(true);
  line.tell(speech("speech_stopped", "item_1"));
  const [created, added, ...rest] = answer("resp_1", "item_2", words("Noon."));
  line.tell(created!);
  expect(call.state.status).toBe("thinking");
  line.tell(added!, ...rest);
  expect(call.state.status).toBe("speaking");
  line.tell(...finished("resp_1", "item_2", "Noon."));
  expect(call.state.status, "made, but still being played").toBe("speaking");
  sound.hear(100);
  expect(call.state.status).toBe("listening");
  const said = call.state.lines.find(({ who }) => who === "assistant");
  expect(said).toMatchObject({ text: "Noon.", heard: 5, status: "done" });
});

test("words are shown as heard when their sound has begun", async () => {
  const { call, line, sound } = await talking();
  line.tell(...answer("resp_1", "item_1", words("It ", "is ", "noon.")));
  const heard = () => call.state.lines[0]!.text.slice(0, call.state.lines[0]!.heard);
  expect(call.state.lines[0]!.text).toBe("It is noon.");
  expect(heard()).toBe("");
  sound.hear(20);
  expect(heard()).toBe("It ");
  sound.hear(100);
  expect(heard()).toBe("It is ");
});

test("what the person says appears word by word, before its item exists", async () => {
  const { call, line } = await talking();
  const type = "conversation.item.input_audio_transcription";
  line.tell(speech("speech_started", "item_1"));
  line.tell({ type: `${type}.delta`, item_id: "item_1", delta: "when does " });
  line.tell({ type: `${type}.delta`, item_id: "item_1", delta: "it" });
  expect(call.state.lines).toMatchObject([{ who: "user", text: "when does it", status: "coming" }]);
  const content = [{ type: "input_audio", transcript: null }];
  const item = { type: "message", id: "item_1", role: "user", status: "completed", content };
  line.tell({ type: "conversation.item.added", previous_item_id: null, item });
  expect(call.state.lines).toMatchObject([{ text: "when does it", status: "coming" }]);
  line.tell({ type: `${type}.completed`, item_id: "item_1", transcript: "When does it start?" });
  expect(call.state.lines).toMatchObject([{ text: "When does it start?", status: "done" }]);
});

test("speaking over an answer silences it and tells the server what was heard", async () => {
  const { call, line, sound } = await talking();
  line.tell(...answer("resp_1", "item_1", words("It ", "is ", "noon.")));
  sound.hear(150);
  line.tell(speech("speech_started", "item_2"));
  expect(sound.playout.waiting, "silent before anything else").toBe(0);
  await settled();
  expect(line.sent.at(-1)).toMatchObject({
    type: "conversation.item.truncate",
    item_id: "item_1",
    content_index: 0,
    audio_end_ms: 150,
  });
  expect(line.types, "the server cancels by itself").not.toContain("response.cancel");
  expect(call.state.status).toBe("listening");
  expect(call.state.lines[0]).toMatchObject({ text: "It is", status: "cut" });
});

test("late sound and words of an interrupted answer are dropped", async () => {
  const { call, line, sound } = await talking();
  line.tell(...answer("resp_1", "item_1", words("It ")));
  call.interrupt();
  await settled();
  line.tell(...answer("resp_1", "item_1", words("is ", "noon.")).slice(2));
  expect(sound.playout.waiting).toBe(0);
  line.tell(...finished("resp_1", "item_1", "It is noon.", "cancelled"));
  expect(call.state.lines[0]!.text).not.toContain("noon");
  expect(call.state.status).toBe("ready");
  line.tell(...answer("resp_2", "item_2", words("Yes.")));
  expect(call.state.status, "the next answer is heard").toBe("speaking");
});

test("an answer that was played to its end is not truncated", async () => {
  const { line, sound } = await talking();
  line.tell(...answer("resp_1", "item_1", words("Noon.")));
  line.tell(...finished("resp_1", "item_1", "Noon."));
  sound.hear(200);
  line.tell(speech("speech_started", "item_2"));
  await settled();
  expect(line.types).not.toContain("conversation.item.truncate");
});

test("an answer that has made no sound yet is cancelled without truncation", async () => {
  const { call, line } = await talking();
  line.tell(...answer("resp_1", "item_1", []));
  call.interrupt();
  await settled();
  expect(line.types.at(-1)).toBe("response.cancel");
});

test("the stop button cancels first, then truncates", async () => {
  const { call, line, sound } = await talking();
  line.tell(...answer("resp_1", "item_1", words("It ", "is ", "noon.")));
  sound.hear(50);
  call.interrupt();
  await settled();
  expect(line.types.slice(-2)).toEqual(["response.cancel", "conversation.item.truncate"]);
});

test("stopping what had been generated whole truncates without a cancel", async () => {
  const { call, line, sound } = await talking();
  line.tell(...answer("resp_1", "item_1", words("It ", "is ", "noon.")));
  line.tell(...finished("resp_1", "item_1", "It is noon."));
  sound.hear(150);
  call.interrupt();
  await settled();
  expect(line.types.at(-1)).toBe("conversation.item.truncate");
  expect(line.types).not.toContain("response.cancel");
});

test("typing while it speaks interrupts, then asks", async () => {
  const { call, line } = await talking();
  line.tell(...answer("resp_1", "item_1", words("It ")));
  await call.sendText("And tomorrow?");
  expect(line.types.slice(-4)).toEqual([
    "response.cancel",
    "conversation.item.truncate",
    "conversation.item.create",
    "response.create",
  ]);
  expect(call.state.status).toBe("thinking");
});

test("what is typed while connecting is sent when the session is there", async () => {
  const { call, line } = await begin();
  await call.sendText("Hello?");
  expect(line.types).toEqual([]);
  line.tell({ type: "session.created", session: {} });
  expect(line.types).toEqual(["session.update", "conversation.item.create", "response.create"]);
});

test("a question that meets a greeting is asked after it", async () => {
  const { call, line } = await begin();
  await call.sendText("Hello?");
  line.tell({ type: "session.created", session: {} }, ...answer("resp_1", "item_1", words("Hi.")));
  line.tell(failure("conversation_already_has_active_response"));
  expect(call.state.error).toBeUndefined();
  line.tell(...finished("resp_1", "item_1", "Hi."));
  expect(line.types.slice(1)).toEqual([
    "conversation.item.create",
    "response.create",
    "response.create",
  ]);
});

test("push-to-talk sends only what is said while it is held", async () => {
  const { call, line, sound } = await talking({ mode: "push-to-talk" });
  expect(JSON.stringify(line.sent[0])).toContain('"turn_detection":null');
  await call.pushToTalk(true);
  expect(call.state.status).toBe("listening");
  sound.speak(200);
  await call.pushToTalk(false);
  sound.speak(200);
  expect(line.types.slice(1)).toEqual([
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "response.create",
  ]);
});

test("a tap too short for a word is dropped, and said to be", async () => {
  const { call, line, sound } = await talking({ mode: "push-to-talk" });
  await call.pushToTalk(true);
  sound.speak(40);
  expect(await call.pushToTalk(false)).toBe(false);
  expect(line.types.at(-1)).toBe("input_audio_buffer.clear");
});

test("pressing the talk button interrupts", async () => {
  const { call, line } = await talking({ mode: "push-to-talk" });
  line.tell(...answer("resp_1", "item_1", words("It ")));
  await call.pushToTalk(true);
  expect(line.types).toContain("response.cancel");
});

test("closing the microphone in mid-sentence has it answered", async () => {
  const { call, line } = await talking();
  await call.startMic();
  line.tell(speech("speech_started", "item_1"));
  call.stopMic();
  expect(line.types.slice(-2)).toEqual(["input_audio_buffer.commit", "response.create"]);
});

test("in writing, the answer is text and the microphone closes", async () => {
  const { call, line, sound } = await talking();
  await call.startMic();
  call.setMode("text");
  expect(sound.open).toBe(false);
  expect(JSON.stringify(line.sent.at(-1))).toContain('"output_modalities":["text"]');
});

test.each([
  ["NotAllowedError", "microphone_refused"],
  ["NotFoundError", "microphone_missing"],
  ["NotReadableError", "microphone_busy"],
  ["SecurityError", "microphone_insecure"],
])("a microphone that fails with %s leaves the call usable", async (name, code) => {
  const { call, sound } = await talking();
  sound.refusal = Object.assign(new Error("no"), { name });
  expect(await call.startMic()).toBe(false);
  expect(call.state).toMatchObject({ status: "ready", microphone: false, error: { code } });
  sound.refusal = undefined;
  expect(await call.startMic()).toBe(true);
  expect(call.state.error).toBeUndefined();
});

test("a microphone refused while the connection is being made stays said", async () => {
  const { call, line, sound } = await begin();
  sound.refusal = Object.assign(new Error("no"), { name: "NotAllowedError" });
  await call.startMic();
  line.tell({ type: "session.created", session: {} });
  expect(call.state).toMatchObject({ status: "ready", error: { code: "microphone_refused" } });
});

test("a microphone that is granted after it is no longer wanted closes again", async () => {
  const { call, sound } = await talking();
  const opening = call.startMic();
  expect(call.state.asking).toBe(true);
  call.setMode("text");
  expect(await opening).toBe(false);
  expect(sound.open).toBe(false);
  expect(call.state).toMatchObject({ microphone: false, asking: false });
});

test("a lost connection is made anew with a fresh secret and the same conversation", async () => {
  const asked: (string | undefined)[] = [];
  const token = async ({ conversationId }: Wanted) => {
    asked.push(conversationId);
    return `ek_${asked.length}`;
  };
  const { call, line } = await talking({ token });
  line.tell(...answer("resp_1", "item_1", words("It ", "is ")));
  line.close(1006);
  expect(call.state.status).toBe("reconnecting");
  expect(call.state.lines, "the conversation is kept").toHaveLength(1);
  await vi.advanceTimersByTimeAsync(400);
  expect(asked).toEqual([undefined, "conv_1"]);
  expect(Line.last.url).toContain("conversation_id=conv_1");
  expect(Line.last.protocols[1]).toBe("openai-insecure-api-key.ek_2");
  Line.last.tell({ type: "session.created", session: {} });
  expect(call.state.status).toBe("speaking"); // what had come plays on
  expect(call.state.error).toBeUndefined();
});

test("attempts grow apart, with jitter, and end in a sentence and a way on", async () => {
  expect([0, 1, 2, 9].map((attempt) => delay(attempt, () => 1))).toEqual([400, 800, 1600, 10_000]);
  expect(delay(2, () => 0)).toBe(800);
  const { call } = await begin({ token: () => Promise.reject(new TypeError("no network")) });
  expect(call.state.status).toBe("reconnecting");
  await vi.advanceTimersByTimeAsync(120_000);
  expect(call.state).toMatchObject({ status: "failed", error: { code: "network" } });
  call.start();
  expect(call.state.error).toBeUndefined();
});

test("a connection that never says hello is given up", async () => {
  const { call } = await begin();
  await vi.advanceTimersByTimeAsync(10_000);
  expect(call.state.status).toBe("reconnecting");
});

test("which closes are worth another try", () => {
  for (const code of [1001, 1005, 1006, 1011, 1012, 1013, 1015]) expect(mayRetry(code)).toBe(true);
  for (const code of [1000, 1008, 3000, 4000]) expect(mayRetry(code)).toBe(false);
});

test("a server that cannot serve just now is tried again, and what it says is shown", async () => {
  const { call, line } = await begin();
  line.tell(failure("engine_failed", "server_error"));
  line.close(1011);
  expect(call.state).toMatchObject({
    status: "reconnecting",
    error: { code: "server", message: "A sentence." },
  });
  await vi.advanceTimersByTimeAsync(400);
  Line.last.tell({ type: "session.created", session: {} });
  expect(call.state.error).toBeUndefined();
});

test("a secret that expired on the way is replaced once, without a word", async () => {
  let count = 0;
  const { call, line } = await begin({ token: async () => `ek_${++count}` });
  line.tell(failure("invalid_api_key"));
  line.close(3000);
  await settled();
  expect(count).toBe(2);
  expect(call.state.error).toBeUndefined();
  Line.last.tell(failure("invalid_api_key"));
  Line.last.close(3000);
  expect(call.state).toMatchObject({ status: "failed", error: { code: "not_signed_in" } });
});

test.each([
  ["secret_revoked", "revoked"],
  ["key_revoked", "revoked"],
  ["signed_out", "not_signed_in"],
])("a call whose credential ends (%s) says so and does not reconnect", async (code, trouble) => {
  let count = 0;
  const { call, line } = await begin({ token: async () => `ek_${++count}` });
  line.tell({ type: "session.created", session: {} });
  line.tell(failure(code));
  line.close(3000);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(count).toBe(1);
  expect(call.state).toMatchObject({
    status: "failed",
    error: { code: trouble, message: "A sentence." },
  });
  call.start(); // somebody asks for it, and gets a new secret if they may
  await settled();
  expect(count).toBe(2);
  Line.last.tell(failure(code)); // while it is being set up
  Line.last.close(3000);
  await vi.advanceTimersByTimeAsync(600_000);
  expect(count).toBe(2);
  expect(call.state).toMatchObject({ status: "failed", error: { code: trouble } });
});

test("a refusal is final and says why", async () => {
  const refused = await begin();
  refused.line.tell(failure("conversation_not_found"));
  refused.line.close(4000);
  expect(refused.call.state).toMatchObject({
    status: "failed",
    error: { code: "refused", message: "A sentence." },
  });
  const busy = await begin();
  busy.line.tell(failure("rate_limit_exceeded", "rate_limit_error"));
  busy.line.close(4000);
  expect(busy.call.state.error?.code).toBe("busy");
  const signedOut = await begin({ token: () => Promise.reject(new Refusal("not_signed_in")) });
  expect(signedOut.call.state).toMatchObject({ status: "failed", error: { code: "not_signed_in" } });
});

test("who is told when to try again waits so long, and not much longer", async () => {
  const { call, line } = await begin();
  const busy = failure("server_busy", "rate_limit_error");
  line.tell({ ...busy, error: { ...busy.error, retry_after: 20 } });
  line.close(1013);
  expect(call.state).toMatchObject({
    status: "reconnecting",
    error: { code: "busy", message: "A sentence." },
  });
  await vi.advanceTimersByTimeAsync(19_900);
  expect(Line.made).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(5_200);
  expect(Line.made).toHaveLength(2);
  Line.last.tell({ type: "session.created", session: {} });
  expect(call.state.error).toBeUndefined();
});

test("a token that can be had later is asked for later", async () => {
  let asked = 0;
  const token = () => (asked++ ? Promise.resolve("ek_2") : Promise.reject(full));
  const full = new Refusal("busy", "A sentence.", 10);
  const { call } = await begin({ token });
  expect(call.state).toMatchObject({
    status: "reconnecting",
    error: { code: "busy", message: "A sentence." },
  });
  await vi.advanceTimersByTimeAsync(9_900);
  expect(asked).toBe(1);
  await vi.advanceTimersByTimeAsync(2_700);
  expect(asked).toBe(2);
});

test("a server that stays busy is called busy in the end", async () => {
  const full = () => Promise.reject(new Refusal("busy", "A sentence.", 1));
  const { call } = await begin({ token: full });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(call.state).toMatchObject({
    status: "failed",
    error: { code: "busy", message: "A sentence." },
  });
});

test("who may only write is let in for writing", async () => {
  const modes: string[] = [];
  const token = async ({ mode }: Wanted) => {
    modes.push(mode);
    if (mode !== "text") throw new Refusal("busy", "A sentence.", 30);
    return "ek_1";
  };
  const { call } = await begin({ token });
  call.setMode("text");
  call.start();
  await settled();
  expect(modes).toEqual(["open", "text"]);
  Line.last.tell({ type: "session.created", session: {} });
  expect(call.state).toMatchObject({ status: "ready" });
});

test("what was written before a failure is sent when trying again succeeds", async () => {
  const { call, line } = await begin();
  await call.sendText("Hello?");
  line.close(4000);
  expect(call.state.status).toBe("failed");
  call.start();
  await settled();
  Line.last.tell({ type: "session.created", session: {} });
  expect(Line.last.types).toEqual(["session.update", "conversation.item.create", "response.create"]);
});

test("a failed answer is said, and forgotten when the next one comes", async () => {
  const { call, line } = await talking();
  const error = { type: "server_error", code: "x", message: "A sentence." };
  const status_details = { type: "failed", error };
  line.tell({ type: "response.created", response: { id: "resp_1", conversation_id: null } });
  line.tell({
    type: "response.done",
    response: { id: "resp_1", status: "failed", status_details, output: [] },
  });
  expect(call.state).toMatchObject({ status: "ready", error: { code: "answer" } });
  line.tell({ type: "response.created", response: { id: "resp_2", conversation_id: null } });
  expect(call.state.error).toBeUndefined();
});

test("complaints about cancels and truncations that came too late are not shown", async () => {
  const { call, line } = await talking();
  const error = { code: "response_cancel_not_active", message: "…", event_id: "quiet_cancel" };
  line.tell({ type: "error", error });
  expect(call.state.error).toBeUndefined();
  line.tell(failure("server_error"));
  expect(call.state.error).toMatchObject({ code: "server", message: "A sentence." });
});

test("a network that does not keep up loses sound and says so, until it does again", async () => {
  const { call, line, sound } = await talking();
  await call.startMic();
  line.bufferedAmount = 10_000_000;
  sound.speak(20);
  expect(line.types).not.toContain("input_audio_buffer.append");
  expect(call.state.error?.code).toBe("slow");
  line.bufferedAmount = 0;
  sound.speak(20);
  expect(line.types).toContain("input_audio_buffer.append");
  expect(call.state.error).toBeUndefined();
});

test("a tool of the page is run, its result sent, and the answer asked for", async () => {
  const { line } = await talking({ tools: { show_map: ({ room }: any) => ({ shown: room }) } });
  const output = [
    {
      type: "function_call",
      id: "item_1",
      call_id: "call_1",
      name: "show_map",
      arguments: '{"room":"Aula"}',
    },
  ];
  line.tell({ type: "response.done", response: { id: "r", status: "completed", output } });
  await settled();
  expect(line.sent.slice(-2)).toMatchObject([
    { item: { type: "function_call_output", call_id: "call_1", output: '{"shown":"Aula"}' } },
    { type: "response.create" },
  ]);
});

test("a tool that the page does not have fails in words, where the page says so", async () => {
  const output = [{ type: "function_call", id: "i", call_id: "c", name: "x", arguments: "{}" }];
  const done = { type: "response.done", response: { id: "r", status: "completed", output } };
  const silent = await talking();
  silent.line.tell(done);
  await settled();
  expect(silent.line.types).toEqual(["session.update"]);
  const cannot = () => {
    throw new Error("not here");
  };
  const { line } = await talking({ tools: { "*": cannot } });
  line.tell(done);
  await settled();
  expect(line.sent[1]).toMatchObject({ item: { call_id: "c", output: '{"error":"not here"}' } });
});

test("another language continues the conversation over a new connection", async () => {
  const { call, line } = await talking({ language: "en" });
  line.tell(...answer("resp_1", "item_1", words("It ")));
  call.setLanguage("it");
  await settled();
  expect(Line.last.url).toContain("language=it&conversation_id=conv_1");
});

test("hanging up tells how much was heard, and nothing is retried", async () => {
  const { call, line, sound } = await talking();
  line.tell(...answer("resp_1", "item_1", words("It ", "is ")));
  sound.hear(50);
  call.close();
  expect(line.sent.at(-1)).toMatchObject({ type: "conversation.item.truncate", audio_end_ms: 50 });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(Line.made).toHaveLength(1);
  expect(call.state).toMatchObject({ status: "idle", microphone: false });
});

test("lines that did not change keep their identity", async () => {
  const { call, line } = await talking();
  line.tell(...answer("resp_1", "item_1", words("It ")), ...finished("resp_1", "item_1", "It "));
  const [before] = call.state.lines;
  line.tell(speech("speech_started", "item_2"));
  await settled();
  line.tell(speech("speech_stopped", "item_2"));
  const again = call.state.lines[0];
  line.tell({ type: "rate_limits.updated" });
  expect(call.state.lines[0]).toBe(again);
  expect(again).not.toBe(before); // it was cut by the speech
});

test("sessions that end at once are tried less and less often, and then it is said why", async () => {
  const { call } = await begin();
  const start = Date.now();
  const tries: number[] = [];
  const failed = () => call.state.status === "failed";
  while (!failed()) {
    tries.push(Date.now() - start);
    Line.last.tell({ type: "session.created", session: {} }, failure("upstream_lost", "server_error"));
    Line.last.close(1011);
    const made = Line.made.length;
    while (!failed() && Line.made.length === made)
      await vi.advanceTimersByTimeAsync(100);
  }
  expect(tries).toEqual([0, 400, 1200, 2800, 6000, 12_400]);
  expect(call.state.error).toEqual({ code: "unavailable", message: "A sentence." });
});

test("a server that never gets as far as a session is asked five times more", async () => {
  const { call } = await begin();
  await call.sendText("Hello?");
  for (let i = 0; i < 6; i++) {
    Line.last.tell(failure("upstream_unavailable", "server_error"));
    Line.last.close(1013);
    await vi.advanceTimersByTimeAsync(10_000);
  }
  expect(Line.made).toHaveLength(6);
  expect(call.state).toMatchObject({
    status: "failed",
    error: { code: "unavailable", message: "A sentence." },
    lines: [{ who: "user", text: "Hello?", status: "unsent" }],
  });
});

test("after a steady session patience begins anew", async () => {
  const { call } = await talking();
  for (let i = 0; i < 20; i++) {
    await vi.advanceTimersByTimeAsync(5_000);
    Line.last.close(1012);
    expect(call.state.status).toBe("reconnecting");
    await vi.advanceTimersByTimeAsync(400);
    Line.last.tell({ type: "session.created", session: {} });
  }
  expect(call.state.status).toBe("ready");
});

test("what was typed stands in the transcript until the server has it", async () => {
  const { call, line } = await begin();
  await call.sendText("Hello?");
  const status = () => call.state.lines.map(({ text, status }) => [text, status]);
  expect(status()).toEqual([["Hello?", "unsent"]]);
  line.tell({ type: "session.created", session: {} });
  expect(status()).toEqual([["Hello?", "done"]]);
  const { item } = line.sent[1] as unknown as { item: { id: string } };
  line.tell({ type: "conversation.item.added", previous_item_id: null, item });
  expect(status()).toEqual([["Hello?", "done"]]);
  expect(call.state.lines[0]!.id).toBe(item.id);
  line.close(1012);
  await vi.advanceTimersByTimeAsync(400);
  Line.last.tell({ type: "session.created", session: {} });
  expect(Line.last.types, "it is not said twice").toEqual(["session.update"]);
});

test("what was typed and got lost on the way is said again, under the same id", async () => {
  const { call, line } = await talking();
  await call.sendText("Hello?");
  line.close(1011);
  expect(call.state.lines).toMatchObject([{ text: "Hello?", status: "unsent" }]);
  await vi.advanceTimersByTimeAsync(400);
  Line.last.tell({ type: "session.created", session: {} });
  expect(Line.last.sent[1]).toEqual(line.sent[1]);
  expect(Line.last.types).toEqual(["session.update", "conversation.item.create", "response.create"]);
});

test("what was typed and refused stays to be read, with the reason", async () => {
  const { call, line } = await talking();
  await call.sendText("Hello?");
  const { event_id } = line.sent[1]!;
  line.tell({ type: "error", error: { code: "string_above_max_length", message: "Long.", event_id } });
  expect(call.state).toMatchObject({
    error: { code: "server", message: "Long." },
    lines: [{ text: "Hello?", status: "unsent" }],
  });
});

test("a conversation that is gone is replaced by a new one, and what was typed is said there", async () => {
  const { call, line } = await talking();
  line.tell(...answer("resp_1", "item_1", words("Noon.")));
  line.close(1012);
  await call.sendText("And tomorrow?");
  await vi.advanceTimersByTimeAsync(400);
  expect(Line.last.url).toContain("conversation_id=conv_1");
  Line.last.tell(failure("conversation_not_found"));
  Line.last.close(4000);
  await settled();
  expect(Line.last.url).not.toContain("conversation_id");
  Line.last.tell({ type: "session.created", session: {} });
  expect(call.state).toMatchObject({ status: "thinking", error: { code: "new_conversation" } });
  expect(call.state.lines.map(({ text }) => text)).toEqual(["And tomorrow?"]);
  expect(Line.last.types.slice(-2)).toEqual(["conversation.item.create", "response.create"]);
});

test("a conversation may be gone as early as when the secret is asked for", async () => {
  const asked: (string | undefined)[] = [];
  const token = async ({ conversationId }: Wanted) => {
    asked.push(conversationId);
    if (conversationId) throw new Refusal("new_conversation");
    return "ek_1";
  };
  const { call } = await begin({ token, conversationId: "conv_0" });
  expect(asked).toEqual(["conv_0", undefined]);
  expect(call.state).toMatchObject({ status: "connecting", error: { code: "new_conversation" } });
});

test("speech that could not be turned into words is said to be so, until it is tried again", async () => {
  const { call, line } = await talking();
  line.tell(speech("speech_started", "item_1"));
  line.tell({
    type: "conversation.item.input_audio_transcription.failed",
    item_id: "item_1",
    error: { code: "transcription_failed", message: "English only." },
  });
  expect(call.state.error).toEqual({ code: "unheard" });
  expect(call.state.lines).toMatchObject([{ who: "user", status: "lost" }]);
  const error = { type: "server_error", code: "x", message: "No words." };
  line.tell({ type: "response.created", response: { id: "r", conversation_id: null } });
  const status_details = { type: "failed", error };
  line.tell({ type: "response.done", response: { id: "r", status: "failed", status_details, output: [] } });
  expect(call.state.error, "one trouble, one sentence").toEqual({ code: "unheard" });
  line.tell(speech("speech_started", "item_2"));
  expect(call.state.error).toBeUndefined();
});

test("a model that answers has heard, with or without a transcript", async () => {
  const { call, line } = await talking();
  line.tell({
    type: "conversation.item.input_audio_transcription.failed",
    item_id: "item_1",
    error: { message: "No transcript." },
  });
  line.tell(...answer("resp_1", "item_2", words("Noon.")));
  expect(call.state.error).toBeUndefined();
});

test("an answer stopped in its last word was not interrupted", async () => {
  const { call, line, sound } = await talking();
  line.tell(...answer("resp_1", "item_1", words("It ", "is ", "noon.")));
  line.tell(...finished("resp_1", "item_1", "It is noon."));
  sound.hear(220);
  line.tell(speech("speech_started", "item_2"));
  await settled();
  expect(line.types).not.toContain("conversation.item.truncate");
  expect(call.state.lines[0]).toMatchObject({ text: "It is noon.", heard: 11, status: "done" });
});

test("hanging up after the last word leaves an answer whole, however its sound was portioned", async () => {
  const { call, line, sound } = await talking();
  const odd = Array.from({ length: 30 }, (): [string, number] => ["la ", 33.375]);
  line.tell(...answer("resp_1", "item_1", odd));
  line.tell(...finished("resp_1", "item_1", "la ".repeat(30)));
  for (let i = 0; i < 110; i++) sound.hear(10);
  expect(call.state.lines[0]!.status).toBe("done");
  call.close();
  expect(line.types).not.toContain("conversation.item.truncate");
  expect(call.state.lines[0]!.status).toBe("done");
});
