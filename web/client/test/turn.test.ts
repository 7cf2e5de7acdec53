// The rules of a call, told as sequences of inputs. No sockets, no timers, no sound.

import { expect, test } from "vitest";
import { isHeld } from "../src/microphone";
import { encode } from "../src/pcm";
import { RATE } from "../src/rate";
import type { ClientEvent, Response, ServerEvent } from "../src/protocol";
import { view } from "../src/state";
import { reduce } from "../src/turn";
import { initialTurn, type Input, type Step } from "../src/turnState";

const server = (event: object): Input => ({ type: "server_event", event: event as ServerEvent });
const created = server({ type: "session.created", session: {} });
const opening: Input = { type: "connection_opening", link: "connecting" };
const lost: Input = { type: "connection_lost", link: "reconnecting" };
const open: Input[] = [{ type: "started" }, opening, created];
const audio = (ms: number) => encode(new Int16Array((RATE * ms) / 1000));
const recorded = (ms: number, bufferedBytes = 0): Input => ({
  type: "audio_recorded",
  pcm: new Int16Array((RATE * ms) / 1000),
  bufferedBytes,
});

const responseEvent = (type: string, id: string, more: Partial<Response> = {}) =>
  server({
    type,
    response: {
      id,
      status: "completed",
      status_details: null,
      conversation_id: null,
      output: [],
      ...more,
    },
  });
const responseCreated = (id: string) => responseEvent("response.created", id);
const responseDone = (id: string, more: Partial<Response> = {}) =>
  responseEvent("response.done", id, more);
const audioDelta = (response_id: string, item_id: string, ms = 100) =>
  server({ type: "response.output_audio.delta", response_id, item_id, delta: audio(ms) });
const itemAdded = (id: string, role: string) =>
  server({
    type: "conversation.item.added",
    previous_item_id: null,
    item: { type: "message", id, role, status: "in_progress", content: [] },
  });
const itemDone = (id: string, role: string) =>
  server({
    type: "conversation.item.done",
    item: { type: "message", id, role, status: "completed", content: [] },
  });
const serverError = (code: string, event_id?: string) =>
  server({ type: "error", error: { code, message: "A sentence.", event_id } });
const activeResponse = serverError("conversation_already_has_active_response");

/** Apply inputs to a new call. Return its last state and the actions of the last input. */
function after(inputs: Input[], options = {}): Step {
  let story: Step = { turn: initialTurn(options), actions: [] };
  for (const input of inputs) story = reduce(story.turn, input);
  return story;
}

const sent = ({ actions }: Step): ClientEvent[] =>
  actions.flatMap((action) => (action.type === "send" ? [action.event] : []));
const sentTypes = (story: Step) => sent(story).map(({ type }) => type);
const kinds = ({ actions }: Step) => actions.map(({ type }) => type);

test("a new session is configured first, then gets what waited for it, then the typed messages", () => {
  const story = after([
    opening,
    { type: "text_entered", id: "item_1", text: "Hello?" },
    { type: "tools_finished", results: [{ callId: "call_1", output: "{}" }] },
    created,
  ]);
  expect(sent(story)).toMatchObject([
    { type: "session.update" },
    { type: "conversation.item.create", item: { call_id: "call_1" } },
    { type: "response.create" },
    { type: "conversation.item.create", item: { id: "item_1" } },
    { type: "response.create" },
  ]);
  expect(story.turn.waiting).toEqual([]);
});

test("server events before session.created change nothing", () => {
  const { turn } = after([opening]);
  for (const input of [responseCreated("r"), itemAdded("item_1", "user"), serverError("x")])
    expect(reduce(turn, input)).toEqual({ turn, actions: [] });
});

test("a session.created without a connection attempt changes nothing", () => {
  const { turn } = after([...open, { type: "closed" }]);
  expect(reduce(turn, created)).toEqual({ turn, actions: [] });
});

test("a request refused because of an active response is sent again when that response is done", () => {
  const refused = after([...open, responseCreated("greeting"), activeResponse]);
  expect(refused.turn).toMatchObject({ request: "deferred", error: undefined });
  const { turn } = refused;
  const again = reduce(turn, responseDone("greeting"));
  expect(sentTypes(again)).toEqual(["response.create"]);
  expect(again.turn.request).toBe("sent");
});

test("a refusal that comes after the end of the response is asked again at once, but not for ever", () => {
  const over = [...open, responseCreated("greeting"), responseDone("greeting")];
  const asks: Input = { type: "text_entered", id: "item_1", text: "Hello?" };
  const again = after([...over, asks, activeResponse]);
  expect(sentTypes(again)).toEqual(["response.create"]);
  const still = reduce(again.turn, activeResponse);
  expect(sentTypes(still)).toEqual([]);
  expect(still.turn.request).toBe("deferred");
});

test("a refusal of an earlier request changes nothing", () => {
  const asks = (id: string): Input => ({ type: "text_entered", id, text: "Hello?" });
  const { turn } = after([...open, asks("item_1"), asks("item_2"), responseCreated("r1")]);
  const error = { code: "conversation_already_has_active_response", message: "A sentence." };
  const late = reduce(turn, server({ type: "error", error: { ...error, event_id: "ask_1" } }));
  expect(late).toEqual({ turn, actions: [] });
  const latest = reduce(turn, server({ type: "error", error: { ...error, event_id: "ask_2" } }));
  expect(latest.turn.request).toBe("deferred");
});

test("a question whose connection was lost before its answer is asked again on the next one", () => {
  const asks: Input = { type: "text_entered", id: "item_1", text: "Hello?" };
  const waits = after([...open, asks, itemDone("item_1", "user"), lost, opening, created]);
  expect(sentTypes(waits)).toEqual(["session.update", "response.create"]);
  const unconfirmed = after([...open, asks, lost, opening, created]);
  const types = ["session.update", "conversation.item.create", "response.create"];
  expect(sentTypes(unconfirmed)).toEqual(types);
  const answered = [...open, asks, itemDone("item_1", "user"), responseCreated("r1")];
  expect(sentTypes(after([...answered, lost, opening, created]))).toEqual(["session.update"]);
  const hungUp = [...open, asks, itemDone("item_1", "user"), { type: "closed" } as const];
  expect(sentTypes(after([...hungUp, ...open]))).toEqual(["session.update"]);
});

test("an interruption forgets a deferred request, so the call does not stay in thinking", () => {
  const talk: Input = { type: "text_entered", id: "item_1", text: "Hello?" };
  const deferred = [...open, talk, responseCreated("greeting"), activeResponse];
  expect(after(deferred).turn.request).toBe("deferred");
  const { turn } = after([...deferred, { type: "interrupted" }, responseDone("greeting")]);
  expect(turn.request).toBe("none");
  expect(view(turn)).toMatchObject({ status: "listening", why: "microphone_off" });
});

test("a request that waited through a failed attempt counts as sent when the session opens", () => {
  const results = [{ callId: "call_1", output: "{}" }];
  const { turn } = after([
    ...open,
    lost,
    { type: "tools_finished", results },
    lost,
    opening,
    created,
  ]);
  expect(view(turn).status).toBe("thinking");
});

test("audio of the interrupted response is dropped, audio of the next response is played", () => {
  const speaking = [...open, responseCreated("r1"), audioDelta("r1", "item_1")];
  const interrupted: Input[] = [...speaking, { type: "interrupted" }];
  expect(kinds(after(interrupted))).toEqual(["send", "flush_playback"]);
  expect(kinds(after([...interrupted, audioDelta("r1", "item_1")]))).toEqual([]);
  const next = [responseDone("r1"), responseCreated("r2"), audioDelta("r2", "item_2")];
  expect(kinds(after([...interrupted, ...next]))).toEqual(["play"]);
});

test("reports of playback that were sent before a flush are ignored until the flush has reported", () => {
  const late: Input = { type: "playback_progressed", item: "item_1", ms: 90, drained: false };
  const speaking = after([...open, responseCreated("r1"), audioDelta("r1", "item_1")]).turn;
  const flushing = reduce(speaking, { type: "interrupted" }).turn;
  expect(reduce(flushing, late).turn).toBe(flushing);
  const positions = [{ item: "item_1", ms: 50 }];
  const flushed = reduce(flushing, { type: "playback_flushed", positions });
  expect(sent(flushed)).toMatchObject([{ item_id: "item_1", audio_end_ms: 50 }]);
  expect(flushed.turn.flushes).toBe(0);
});

test("a talk button that is released twice commits the utterance once", () => {
  const press: Input[] = [{ type: "talk_pressed" }, { type: "microphone_opened" }, recorded(200)];
  const released = after([...open, ...press, { type: "talk_released" }], { mode: "push-to-talk" });
  expect(sentTypes(released)).toEqual(["input_audio_buffer.commit", "response.create"]);
  expect(reduce(released.turn, { type: "talk_released" }).actions).toEqual([]);
});

test("a change of mode releases the talk button, and its late release sends nothing", () => {
  const press: Input[] = [{ type: "talk_pressed" }, { type: "microphone_opened" }, recorded(200)];
  const changed = after([...open, ...press, { type: "mode_changed", mode: "open" }], {
    mode: "push-to-talk",
  });
  expect(sentTypes(changed)).toEqual(["input_audio_buffer.clear", "session.update"]);
  expect(isHeld(changed.turn.microphone)).toBe(false);
  expect(reduce(changed.turn, { type: "talk_released" }).actions).toEqual([]);
});

test("with the microphone open, audio is sent only while the talk button is held", () => {
  const ready: Input[] = [...open, { type: "microphone_requested" }, { type: "microphone_opened" }];
  const options = { mode: "push-to-talk" };
  expect(sentTypes(after([...ready, recorded(20)], options))).toEqual([]);
  const held = after([...ready, { type: "talk_pressed" }, recorded(20)], options);
  expect(sentTypes(held)).toEqual(["input_audio_buffer.append"]);
});

test("a microphone that opens after it was stopped is closed again", () => {
  const story = after([
    ...open,
    { type: "microphone_requested" },
    { type: "microphone_stopped" },
    { type: "microphone_opened" },
  ]);
  expect(kinds(story)).toEqual(["stop_recording"]);
  expect(story.turn.microphone.phase).toBe("closed");
});

test("a second request for the microphone does not open it twice", () => {
  const requested = after([...open, { type: "microphone_requested" }]);
  expect(kinds(requested)).toEqual(["start_recording"]);
  expect(reduce(requested.turn, { type: "microphone_requested" }).actions).toEqual([]);
});

test("20 client events wait for a session, and the newest 20 typed messages", () => {
  let { turn } = after([opening]);
  for (let i = 0; i < 30; i++) {
    const results = [{ callId: `call_${i}`, output: "{}" }];
    turn = reduce(turn, { type: "tools_finished", results }).turn;
    turn = reduce(turn, { type: "text_entered", id: `item_${i}`, text: "x" }).turn;
  }
  expect(turn.waiting).toHaveLength(20);
  expect(turn.drafts.map(({ id }) => id).slice(0, 2)).toEqual(["item_10", "item_11"]);
});

test("a typed message that the server has is not marked as refused by a late error", () => {
  const typed: Input = { type: "text_entered", id: "item_1", text: "Hello?" };
  const { turn } = after([
    ...open,
    typed,
    itemAdded("item_1", "user"),
    itemDone("item_1", "user"),
    serverError("item_exists", "typed_item_1"),
  ]);
  expect(turn.error).toBeUndefined();
});

test("a lost connection ends the response and the user's speech, and keeps the conversation", () => {
  const speech = server({ type: "input_audio_buffer.speech_started", item_id: "item_2" });
  const { turn } = after([
    ...open,
    itemAdded("item_1", "assistant"),
    responseCreated("r1"),
    speech,
    lost,
  ]);
  expect(turn).toMatchObject({ response: undefined, userSpeaking: false, interrupted: undefined });
  expect(turn.items).toHaveLength(1);
});

test("hanging up tells the server which part was heard before it disconnects", () => {
  const story = after([
    ...open,
    itemAdded("item_1", "assistant"),
    responseCreated("r1"),
    audioDelta("r1", "item_1", 200),
    { type: "playback_progressed", item: "item_1", ms: 80, drained: false },
    { type: "closed" },
  ]);
  expect(kinds(story)).toEqual(["send", "disconnect"]);
  expect(sent(story)).toMatchObject([{ item_id: "item_1", audio_end_ms: 80 }]);
});

test("calls of functions are run when the response is complete, not when it was cancelled", () => {
  const call = {
    type: "function_call",
    id: "i",
    call_id: "c",
    name: "x",
    arguments: "{}",
  } as const;
  const running = [...open, responseCreated("r1")];
  expect(kinds(after([...running, responseDone("r1", { output: [call] })]))).toEqual(["run_tools"]);
  const cancelled = responseDone("r1", { output: [call], status: "cancelled" });
  expect(kinds(after([...running, cancelled]))).toEqual([]);
});

test("another language interrupts on the old connection before the new one opens", () => {
  const speaking = [...open, responseCreated("r1"), audioDelta("r1", "item_1")];
  const story = after([...speaking, { type: "language_changed", language: "it" }]);
  expect(kinds(story)).toEqual(["send", "flush_playback", "reconnect"]);
  expect(kinds(after([{ type: "language_changed", language: "it" }]))).toEqual([]);
});
