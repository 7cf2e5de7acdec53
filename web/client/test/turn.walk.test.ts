// No sequence of inputs, in whatever order, leads to an illegal state or action.

import { expect, test } from "vitest";
import { isHeld } from "../src/microphone";
import { encode } from "../src/pcm";
import type { ServerEvent } from "../src/protocol";
import { requestWaits } from "../src/responses";
import { view } from "../src/state";
import { sendsAudio } from "../src/status";
import { reduce } from "../src/turn";
import { type Action, initialTurn, type Input, type Step, type Turn } from "../src/turnState";
import { pick, seeded } from "./walk";

const WALKS = 400;
const STEPS = 80;

const ITEMS = ["item_1", "item_2", "item_3"];
const RESPONSES = ["resp_1", "resp_2"];
const DELTA = encode(new Int16Array(2400)); // 100 ms

type Random = () => number;

const itemOf = (random: Random) => ({
  type: "message" as const,
  id: pick(random, ITEMS),
  role: pick(random, ["user", "assistant"] as const),
  status: pick(random, ["in_progress", "completed", "incomplete"]),
  content: [],
});
const call = { type: "function_call" as const, id: "i", call_id: "c", name: "x", arguments: "{}" };
const responseOf = (random: Random, status: "in_progress" | "completed" | "failed") => ({
  id: pick(random, RESPONSES),
  status,
  status_details: null,
  conversation_id: pick(random, [null, "conv_1"]),
  output: status === "completed" ? [call] : [],
});
const deltaOf = (random: Random, delta: string) => ({
  response_id: pick(random, RESPONSES),
  item_id: pick(random, ITEMS),
  delta,
});
const errorOf = (random: Random) => ({
  code: pick(random, [
    "conversation_already_has_active_response",
    "session_expired",
    "server_busy",
    "x",
  ]),
  message: "A sentence.",
  event_id: pick(random, [null, "quiet_cancel", "typed_item_1", "typed_item_2", "ask_1"]),
});

const serverEvents: ((random: Random) => ServerEvent)[] = [
  () => ({ type: "session.created", session: {} }),
  (random) => ({
    type: "conversation.item.added",
    item: itemOf(random),
    previous_item_id: pick(random, [null, ...ITEMS]),
  }),
  (random) => ({ type: "conversation.item.done", item: itemOf(random) }),
  (random) => ({ type: "conversation.item.deleted", item_id: pick(random, ITEMS) }),
  (random) => ({
    type: "conversation.item.truncated",
    item_id: pick(random, ITEMS),
    audio_end_ms: 50,
  }),
  (random) => ({
    type: "conversation.item.input_audio_transcription.delta",
    item_id: pick(random, ITEMS),
    delta: "word ",
  }),
  (random) => ({
    type: "conversation.item.input_audio_transcription.failed",
    item_id: pick(random, ITEMS),
    error: {},
  }),
  (random) => ({ type: "input_audio_buffer.speech_started", item_id: pick(random, ITEMS) }),
  (random) => ({ type: "input_audio_buffer.speech_stopped", item_id: pick(random, ITEMS) }),
  (random) => ({ type: "response.created", response: responseOf(random, "in_progress") }),
  (random) => ({ type: "response.done", response: responseOf(random, "completed") }),
  (random) => ({ type: "response.done", response: responseOf(random, "failed") }),
  (random) => ({ type: "response.output_text.delta", ...deltaOf(random, "word ") }),
  (random) => ({ type: "response.output_audio_transcript.delta", ...deltaOf(random, "word ") }),
  (random) => ({ type: "response.output_audio.delta", ...deltaOf(random, DELTA) }),
  (random) => ({ type: "error", error: errorOf(random) }),
  (random) => ({ type: "output_audio_buffer.started", response_id: pick(random, RESPONSES) }),
  (random) => ({ type: "output_audio_buffer.stopped", response_id: pick(random, RESPONSES) }),
  (random) => ({ type: "output_audio_buffer.cleared", response_id: pick(random, RESPONSES) }),
];

const newSession: ((random: Random) => Input)[] = [
  () => ({ type: "connection_opening", link: "connecting" }),
  () => ({ type: "server_event", event: { type: "session.created", session: {} } }),
];

const kinds: ((random: Random) => Input)[] = [
  ...serverEvents.map((make) => (random: Random): Input => ({
    type: "server_event",
    event: make(random),
  })),
  (random) => ({ type: "connection_opening", link: pick(random, ["connecting", "reconnecting"]) }),
  (random) => ({ type: "connection_lost", link: pick(random, ["ended", "reconnecting"]) }),
  () => ({ type: "connection_failed", error: { code: "network" } }),
  () => ({ type: "conversation_gone" }),
  (random) => ({ type: "transport_chosen", transport: pick(random, ["websocket", "webrtc"]) }),
  () => ({ type: "started" }),
  () => ({ type: "closed" }),
  (random) => ({ type: "text_entered", id: pick(random, ITEMS), text: "Hello?" }),
  () => ({ type: "interrupted" }),
  (random) => ({ type: "mode_changed", mode: pick(random, ["open", "push-to-talk", "text"]) }),
  (random) => ({ type: "language_changed", language: pick(random, ["en", "it"]) }),
  () => ({ type: "talk_pressed" }),
  () => ({ type: "talk_released" }),
  () => ({ type: "microphone_requested" }),
  () => ({ type: "microphone_opened" }),
  () => ({ type: "microphone_failed", code: "microphone_busy" }),
  () => ({ type: "microphone_stopped" }),
  () => ({ type: "microphone_lost" }),
  () => ({ type: "devices_changed" }),
  (random) => ({
    type: "audio_recorded",
    pcm: new Int16Array(480),
    bufferedBytes: pick(random, [0, 10_000_000]),
  }),
  (random) => ({
    type: "playback_progressed",
    item: pick(random, ITEMS),
    ms: Math.floor(random() * 300),
    drained: pick(random, [true, false]),
  }),
  (random) => ({
    type: "playback_flushed",
    positions: [{ item: pick(random, ITEMS), ms: Math.floor(random() * 300) }],
  }),
  () => ({ type: "tools_finished", results: [{ callId: "c", output: "1" }] }),
];

const isSpeech = (event: ServerEvent) =>
  event.type === "input_audio_buffer.speech_started" ||
  event.type === "conversation.item.input_audio_transcription.delta";

/** Make the inputs of a walk. Each walk uses some kinds of inputs only, so that it gets far into rare states. */
function inputsOf(random: Random): Input[] {
  const used = [...newSession, ...kinds.filter(() => random() < 0.3)];
  return Array.from({ length: STEPS }, () => pick(random, used)(random));
}

/** List what is illegal in a state. `said`: ids of items that the user has begun to say. */
function illegalState(turn: Turn, said: ReadonlySet<string>): string[] {
  const open = turn.link === "open";
  const lines = view(turn).lines;
  const known = new Set([...turn.items, ...turn.drafts].map(({ id }) => id));
  const rules: [name: string, holds: boolean][] = [
    ["nothing waits while there is a session", !open || turn.waiting.length === 0],
    ["at most 20 events wait", turn.waiting.length <= 20],
    ["at most 20 typed messages are kept", turn.drafts.length <= 20],
    ["a request that waits is known", open || turn.request !== "none" || !requestWaits(turn)],
    ["a response runs only in a session", open || !turn.response],
    ["a response is interrupted only in a session", open || turn.interrupted === undefined],
    ["a request is refused only in a session", open || /^(none|sent)$/.test(turn.request)],
    ["the server hears the user only in a session", open || !turn.userSpeaking],
    [
      "the talk button is held only in push-to-talk",
      !isHeld(turn.microphone) || turn.mode === "push-to-talk",
    ],
    ["flushes are counted", turn.flushes >= 0],
    [
      "a line without an item is the user's speech",
      lines.every(({ id }) => known.has(id) || said.has(id)),
    ],
    [
      "no more is heard than said",
      lines.every(({ heard, text }) => heard >= 0 && heard <= text.length),
    ],
  ];
  return rules.flatMap(([name, holds]) => (holds ? [] : [name]));
}

/** List what is illegal in a step. */
function illegalStep(before: Turn, input: Input, { turn, actions }: Step): string[] {
  const of = <T extends Action["type"]>(type: T) =>
    actions.filter((action): action is Extract<Action, { type: T }> => action.type === type);
  const sent = of("send").map(({ event }) => event);
  const has = (type: string) => sent.some((event) => event.type === type);
  const flushed = input.type === "playback_flushed" && before.flushes > 0 ? 1 : 0;
  const late =
    input.type === "server_event" &&
    "response_id" in input.event &&
    input.event.response_id === before.interrupted;
  const closes = before.microphone.phase === "open" && turn.microphone.phase === "closed";
  const stops = of("stop_recording").length + of("disconnect").length > 0;
  const rules: [name: string, holds: boolean][] = [
    [
      "events are sent only in a session",
      !sent.length || before.link === "open" || turn.link === "open",
    ],
    [
      "a request is known to be under way",
      !has("response.create") || /^(sent|repeated)$/.test(turn.request),
    ],
    [
      "over WebRTC audio is no event, and the server truncates",
      before.transport === "websocket" ||
        before.link !== "open" || // what a WebSocket session left waits for any session
        !(has("input_audio_buffer.append") || has("conversation.item.truncate")),
    ],
    [
      "only over WebRTC the server stops its audio",
      before.transport === "webrtc" || !has("output_audio_buffer.clear"),
    ],
    [
      "audio is sent only while the user may be heard",
      !has("input_audio_buffer.append") || sendsAudio(before),
    ],
    ["audio of an interrupted response is not played", !late || of("play").length === 0],
    [
      "flushes are counted",
      turn.flushes === before.flushes + of("flush_playback").length - flushed,
    ],
    [
      "a microphone is requested once",
      !of("start_recording").length ||
        before.microphone.phase === "closed" ||
        (input.type === "microphone_lost" && turn.microphone.phase === "requesting"),
    ],
    ["an open microphone is not left recording", !closes || stops],
    ["at most one connection is asked for", of("reconnect").length + of("disconnect").length <= 1],
  ];
  return rules.flatMap(([name, holds]) => (holds ? [] : [name]));
}

/** Freeze a value, so that a rule that changes it throws. */
function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return value;
  if (ArrayBuffer.isView(value)) return value;
  Object.freeze(value);
  for (const part of Object.values(value)) freeze(part);
  return value;
}

test("no sequence of inputs reaches an illegal state", () => {
  const reached = new Set<string>();
  for (let seed = 1; seed <= WALKS; seed++) {
    const random = seeded(seed);
    const mode = pick(random, ["open", "push-to-talk", "text"] as const);
    const inputs = inputsOf(random);
    const said = new Set<string>();
    let turn = freeze(initialTurn({ mode }));
    for (const [i, input] of inputs.entries()) {
      const step = reduce(turn, input);
      if (input.type === "server_event" && isSpeech(input.event)) said.add(input.event.item_id);
      const illegal = [...illegalState(step.turn, said), ...illegalStep(turn, input, step)];
      if (illegal.length)
        expect.fail(
          `seed ${seed}, step ${i}: ${illegal} after ${JSON.stringify(inputs.slice(i - 3, i + 1))}`,
        );
      turn = freeze(step.turn);
      reached.add(view(turn).status).add(`request ${turn.request}`).add(turn.microphone.phase);
      if (isHeld(turn.microphone)) reached.add("held");
      if (turn.flushes > 1) reached.add("two flushes");
      if (turn.waiting.length) reached.add("waiting");
    }
  }
  expect([...reached].sort(), "the walk reaches every kind of state").toEqual(
    [
      ...[
        "idle",
        "connecting",
        "asking_permission",
        "listening",
        "thinking",
        "using_tool",
        "speaking",
        "reconnecting",
        "ended",
      ],
      ...["request none", "request sent", "request repeated", "request deferred"],
      ...["closed", "requesting", "open", "held", "two flushes", "waiting"],
    ].sort(),
  );
});

test("the same inputs always lead to the same state", () => {
  const run = () => {
    const inputs = inputsOf(seeded(7));
    return inputs.reduce((turn, input) => reduce(turn, input).turn, initialTurn({}));
  };
  expect(run()).toEqual(run());
});
