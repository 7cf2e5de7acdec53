// The environment of a call under test: the test plays the server, and moves the time of the loudspeaker.

import { Call, type CallOptions, type Environment } from "../src/call";
import type { ErrorCode } from "../src/errors";
import { microphoneErrorCode } from "../src/microphoneError";
import { encode } from "../src/pcm";
import { RATE } from "../src/rate";
import { type PlayedPosition, Playout } from "../src/playout";
import type { LoudspeakerState } from "../src/player";
import type { ServerEvent } from "../src/protocol";
import { Recordings } from "../src/recordings";
import type { Sound, SoundNews } from "../src/sound";

export class ScriptedSocket {
  static readonly opened: ScriptedSocket[] = [];
  readonly sent: { type: string; [key: string]: unknown }[] = [];
  bufferedAmount = 0;
  onmessage: (event: { data: string }) => void = () => {};
  onopen: () => void = () => {};
  onclose: (event: { code: number; reason: string }) => void = () => {};

  constructor(
    readonly url: string,
    readonly protocols: string[],
  ) {
    ScriptedSocket.opened.push(this);
  }

  closed = false;
  sentAfterClose = false;

  send(text: string): void {
    this.sentAfterClose ||= this.closed;
    this.sent.push(JSON.parse(text));
  }

  close(code = 1006, reason = ""): void {
    if (this.closed) return;
    this.closed = true;
    this.onclose({ code, reason });
  }

  /** Complete the handshake, and deliver events of the server. */
  deliver(...events: object[]): void {
    this.onopen();
    for (const event of events) this.onmessage({ data: JSON.stringify(event) });
  }

  get types(): string[] {
    return this.sent.map((event) => event.type);
  }

  static get last(): ScriptedSocket {
    return ScriptedSocket.opened.at(-1)!;
  }
}

export class TestSound implements Sound {
  loudspeaker = "";
  readonly playout = new Playout(RATE);
  readonly recordings = new Recordings();
  levels = { in: 0, out: 0 };
  onNews: (news: SoundNews) => void = () => {};
  refusal: Error | undefined;
  recording = false;
  track: MediaStreamTrack | undefined;

  note(event: ServerEvent, exact: boolean): void {
    this.recordings.note(event, exact);
  }
  async wake(): Promise<void> {}
  async drain(): Promise<void> {}
  useLoudspeaker(id: string): void {
    this.loudspeaker = id;
  }
  close(): void {
    this.stopRecording();
    this.playout.flush();
  }
  play(item: string, pcm: Int16Array): void {
    this.playout.push(item, pcm);
  }
  async flush(): Promise<PlayedPosition[] | undefined> {
    return this.playout.flush().map(({ item, ms }) => ({ item, ms: Math.floor(ms) }));
  }
  async record(): Promise<ErrorCode | undefined> {
    await Promise.resolve(); // the browser asks the user first
    if (this.refusal) return microphoneErrorCode(this.refusal);
    this.recording = true;
    return undefined;
  }
  stopRecording(): void {
    this.recording = false;
  }

  /** Take the microphone away, as when the user unplugs it. */
  unplug(): void {
    if (!this.recording) return;
    this.stopRecording();
    this.onNews({ type: "microphone_lost" });
  }

  /** Let the loudspeaker play for `ms`. */
  playFor(ms: number): void {
    this.playout.render(new Float32Array((RATE * ms) / 1000));
    const position = this.playout.position;
    const drained = !this.playout.waiting;
    if (position) this.onNews({ type: "playback_progressed", ...position, drained });
  }

  /** Record `ms` of audio. */
  recordFor(ms: number): void {
    this.deliver(new Int16Array((RATE * ms) / 1000));
  }

  deliver(pcm: Int16Array): void {
    this.onNews({ type: "audio_recorded", pcm });
  }

  /** Let the loudspeaker change its state. */
  tell(state: LoudspeakerState): void {
    this.onNews({ type: "loudspeaker_changed", state });
  }

  /** Let the system mute the microphone. */
  mute(paused: boolean): void {
    this.onNews({ type: "microphone_paused", paused });
  }
}

/** Wait until all pending promises are settled. */
export const microtasks = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await Promise.resolve();
};

/** Start a call. Its socket is open, without a session. */
export async function startCall(
  options: Partial<CallOptions> = {},
  environment: Partial<Environment> = {},
) {
  const sound = new TestSound();
  const call = new Call(
    { url: "https://here.test/v1/realtime", token: "ek_1", ...options },
    {
      sound,
      socket: ScriptedSocket as unknown as new () => WebSocket,
      random: () => 1,
      ...environment,
    },
  );
  call.start();
  await microtasks();
  const socket = ScriptedSocket.last;
  return { call, sound, socket };
}

/** Start a call and create its session. */
export async function openCall(options: Partial<CallOptions> = {}) {
  const begun = await startCall(options);
  begun.socket.deliver({ type: "session.created", session: {} });
  return begun;
}

/** Return the events of a spoken response: the text and the audio of each word. */
export function spokenResponse(
  response: string,
  item: string,
  pieces: [word: string, ms: number][],
) {
  const message = { type: "message", id: item, role: "assistant" };
  const at = { response_id: response, item_id: item };
  return [
    { type: "response.created", response: { id: response, conversation_id: "conv_1" } },
    {
      type: "conversation.item.added",
      previous_item_id: "?",
      item: { ...message, status: "in_progress", content: [] },
    },
    ...pieces.flatMap(([delta, ms]) => [
      { type: "response.output_audio_transcript.delta", ...at, delta },
      {
        type: "response.output_audio.delta",
        ...at,
        delta: encode(new Int16Array(RATE * ms * 1e-3)),
      },
    ]),
  ];
}

/** Return the events that end a response. */
export function responseDone(
  response: string,
  item: string,
  transcript: string,
  status = "completed",
) {
  const message = { type: "message", id: item, role: "assistant" };
  const done = status === "completed" ? "completed" : "incomplete";
  const content = [{ type: "output_audio", transcript }];
  return [
    { type: "conversation.item.done", item: { ...message, status: done, content } },
    {
      type: "response.done",
      response: {
        id: response,
        status,
        status_details: null,
        conversation_id: "conv_1",
        output: [],
      },
    },
  ];
}
