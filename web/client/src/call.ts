// One call: a conversation with an assistant over as many connections as it takes. It feeds what comes
// from the server, the microphone and the loudspeaker into one state that a page subscribes to.
//
// What happens when things are full or late:
// - a connection that does not take the microphone's sound within about four seconds loses sound, not
//   the call: `slow` says so;
// - sound of an answer that was interrupted is dropped when it arrives late;
// - what is written while there is no connection waits for one, up to 20 texts, also beyond a failure;
//   it stands in the transcript as unsent, and is said again if it got lost on the way;
// - other events wait likewise, up to 20.

import { delay, mayRetry } from "./backoff";
import { Captions, type Line } from "./captions";
import { apply, type Conversation } from "./conversation";
import { decode, encode, milliseconds, RATE } from "./pcm";
import type { PlayedPosition } from "./playout";
import type { ErrorBody, Response, ServerEvent, Session } from "./protocol";
import type { Sound } from "./sound";
import {
  type CallError,
  type Facts,
  microphoneErrorCode,
  type Mode,
  type State,
  status,
  type ErrorCode,
} from "./state";

/** A function that the assistant may call in the page. What it returns is sent back as JSON. */
export type Tool = (args: unknown) => unknown;

/**
 * Thrown by a `token` callback: trying again is of no use, or not before so many seconds. Anything else
 * it throws is retried.
 */
export class Refusal extends Error {
  constructor(
    readonly code: ErrorCode,
    message = "",
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

export interface TokenRequest {
  conversationId: string | undefined;
  language: string | undefined;
  /** Who only writes may be let in where no more voices are. */
  mode: Mode;
}

export interface CallOptions {
  /** Address of `/v1/realtime`, http(s) or ws(s). */
  url: string | URL;
  /** A client secret, or where to get a fresh one: asked before every connection. */
  token: string | ((wanted: TokenRequest) => Promise<string>);
  assistant?: string;
  language?: string;
  /** Continue this conversation. */
  conversationId?: string;
  mode?: Mode;
  /** Sent as `audio.input.transcription` where the server has not chosen one. */
  transcription?: object;
  /** By name; `*` takes the calls that no other takes. Leave it out where the server runs tools. */
  tools?: Record<string, Tool>;
}

/** The parts of the world that tests replace. */
export interface Environment {
  sound: Sound;
  socket: new (url: string, protocols: string[]) => WebSocket;
  random: () => number;
}

const CONNECT_MS = 10_000;
const ATTEMPTS = 12; // about a minute and a half, for a network that went away during a call
const FEW_ATTEMPTS = 5; // some seconds, where the server says that it cannot, or never answered
const STEADY_MS = 5_000; // a session that ends sooner has not ended the trouble
const FULL_BYTES = 4 * RATE * 2 * (4 / 3);
const SHORTEST_TAKE_MS = 100; // the protocol refuses less
const WAITING_EVENTS = 20;
const WAITING_TEXTS = 20;
const TRANSCRIPTION = { model: "gpt-realtime-whisper" };
const QUIET = "quiet_"; // events whose refusal nobody needs to know of
const TYPED = "typed_";
const GONE = "conversation_not_found";
/** Its credential has ended: the call does not come back by itself, not even with a new secret. */
const ENDED: Readonly<Record<string, Trouble>> = {
  signed_out: "not_signed_in",
  key_revoked: "revoked",
  secret_revoked: "revoked",
};

interface Typed {
  readonly id: string;
  readonly text: string;
  /** The server would not have it. */
  readonly refused: boolean;
}

export class Call {
  readonly #options: CallOptions;
  readonly #environment: Environment;
  readonly #listeners = new Set<() => void>();
  readonly #watchers = new Set<(event: ServerEvent) => void>();

  #captions = new Captions();
  #items: Conversation = [];
  #mode: Mode;
  #language: string | undefined;
  #conversationId: string | undefined;
  #error: CallError | undefined;

  #link: Facts["link"] = "idle";
  #socket: WebSocket | undefined;
  #connection = 0;
  #attempts = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #greeted = false;
  #secondChance = true;
  #lastError: ErrorBody | undefined;
  #waiting: object[] = [];
  #typed: readonly Typed[] = [];
  #transcribed = false;

  #response: string | undefined;
  #silenced: string | undefined;
  #asked = false;
  #again = false;
  #written = false;
  #playing = false;
  #flushing = 0;
  #userSpeaking = false;
  #microphone = false;
  #requestingMicrophone = false;
  #talking = false;
  #take = 0;
  #state: State;

  constructor(options: CallOptions, environment: Environment) {
    this.#options = options;
    this.#environment = environment;
    this.#mode = options.mode ?? "open";
    this.#language = options.language;
    this.#conversationId = options.conversationId;
    this.#state = this.#snapshot([]);
    environment.sound.onRecorded = (pcm) => this.#recorded(pcm);
    environment.sound.onMicrophoneLost = () => {
      this.#microphone = this.#talking = false;
      this.#fault("microphone_missing");
    };
    environment.sound.onProgress = ({ item, ms, drained }) => {
      if (this.#flushing) return;
      const was = this.#playing;
      this.#playing = !drained;
      if (this.#captions.play(item, ms) || was !== this.#playing) this.#publish();
    };
  }

  // What a page reads

  get state(): State {
    return this.#state;
  }

  /** Loudness now, 0 to 1: for meters, read once per frame. */
  get levels(): { in: number; out: number } {
    return this.#environment.sound.levels;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Every server event, as it comes. */
  onEvent(watcher: (event: ServerEvent) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  // What a page does

  /** Connects, or tries again at once: call it in a click, so that sound may play. */
  start(): void {
    void this.#environment.sound.wake().catch(() => {});
    if (this.#socket) return;
    this.#attempts = 0;
    this.#secondChance = true;
    this.#error = undefined;
    this.#typed = this.#typed.map((typed) => ({ ...typed, refused: false }));
    void this.#open();
  }

  /** Ends the call. The conversation stays readable, and `start` continues it. */
  close(): void {
    this.#connection++;
    clearTimeout(this.#timer);
    this.#cut(this.#captions.unheard());
    this.#socket?.close(1000);
    this.#socket = undefined;
    this.#environment.sound.close();
    this.#microphone = this.#requestingMicrophone = this.#talking = this.#playing = false;
    this.#waiting = [];
    this.#error = undefined;
    this.#greeted = false;
    this.#link = "idle";
    this.#settle();
    this.#publish();
  }

  async sendText(text: string): Promise<void> {
    await this.interrupt(); // first what was heard of the last answer, then the next question
    const typed = { id: freshId(), text, refused: false };
    this.#typed = [...this.#typed, typed].slice(-WAITING_TEXTS);
    if (this.#error?.code === "new_conversation") this.#error = undefined;
    if (this.#link !== "open") return this.#publish();
    this.#say(typed);
    this.#respond();
  }

  /** Stops an answer: silence now, and the server learns how much of it was heard. */
  async interrupt(): Promise<void> {
    this.#again = false;
    if (this.#response || this.#asked)
      this.#send({ type: "response.cancel", event_id: `${QUIET}cancel` });
    if (this.#response || this.#playing) await this.#silence();
  }

  /** Opens the microphone; the browser may ask the person first. False if it did not open. */
  async startMic(): Promise<boolean> {
    if (this.#microphone || this.#requestingMicrophone) return this.#microphone;
    const { sound } = this.#environment;
    this.#requestingMicrophone = true;
    this.#publish();
    try {
      await Promise.all([sound.wake(), sound.record()]);
    } catch (error) {
      this.#requestingMicrophone = this.#talking = false;
      this.#fault(microphoneErrorCode(error));
      return false;
    }
    if (!this.#requestingMicrophone) sound.stopRecording(); // not wanted any more
    this.#microphone = this.#requestingMicrophone;
    this.#requestingMicrophone = false;
    if (this.#error?.code.startsWith("microphone")) this.#error = undefined;
    this.#publish();
    return this.#microphone;
  }

  /** Closes the microphone. What was being said is answered as it stands. */
  stopMic(): void {
    this.#environment.sound.stopRecording();
    this.#microphone = this.#requestingMicrophone = this.#talking = false;
    if (this.#mode === "open" && this.#userSpeaking) {
      this.#send({ type: "input_audio_buffer.commit", event_id: `${QUIET}commit` });
      this.#respond();
      this.#userSpeaking = false;
    }
    this.#publish();
  }

  /** Down: listen. Up: answer. False if it was too short to hold a word. */
  async pushToTalk(down: boolean): Promise<boolean> {
    if (this.#mode !== "push-to-talk" || down === this.#talking) return true;
    if (down) {
      void this.interrupt();
      this.#talking = true;
      this.#take = 0;
      this.#publish();
      return this.#microphone || this.startMic();
    }
    await this.#environment.sound.drain();
    this.#talking = false;
    const enough = this.#take >= SHORTEST_TAKE_MS;
    this.#send({ type: enough ? "input_audio_buffer.commit" : "input_audio_buffer.clear" });
    if (enough) this.#respond();
    this.#publish();
    return enough;
  }

  setMode(mode: Mode): void {
    if (mode === this.#mode) return;
    this.#mode = mode;
    this.#userSpeaking = this.#talking = false;
    if (mode === "text") this.stopMic();
    if (this.#link === "open") {
      this.#send({ type: "input_audio_buffer.clear" });
      this.#configure();
    }
    this.#publish();
  }

  /** The same conversation in another language, over a new connection. */
  setLanguage(language: string): void {
    if (language === this.#language) return;
    this.#language = language;
    if (this.#link === "idle" || this.#link === "failed") return;
    void this.interrupt();
    this.#socket?.close(1000);
    this.#settle();
    void this.#open();
  }

  // The connection

  async #open(): Promise<void> {
    const connection = ++this.#connection;
    clearTimeout(this.#timer);
    this.#socket = undefined;
    this.#link = this.#greeted || this.#attempts ? "reconnecting" : "connecting";
    this.#publish();
    this.#lastError = undefined;
    const { token } = this.#options;
    let secret: string;
    try {
      const wanted = {
        conversationId: this.#conversationId,
        language: this.#language,
        mode: this.#mode,
      };
      secret = typeof token === "string" ? token : await token(wanted);
    } catch (error) {
      if (connection !== this.#connection) return;
      if (!(error instanceof Refusal)) this.#retry();
      else if (error.retryAfter !== undefined) this.#standBy(error, error.retryAfter);
      else if (error.code === "new_conversation" && this.#conversationId) this.#beginAnew();
      else this.#fail(error.code, error.message);
      return;
    }
    if (connection !== this.#connection) return;
    const socket = new this.#environment.socket(this.#address(), [
      "realtime",
      `openai-insecure-api-key.${secret}`,
    ]);
    this.#socket = socket;
    this.#timer = setTimeout(() => socket.close(), CONNECT_MS);
    socket.onmessage = ({ data }) => {
      if (connection === this.#connection) this.#receive(JSON.parse(data as string) as ServerEvent);
    };
    socket.onclose = ({ code }) => {
      if (connection === this.#connection) this.#lost(code);
    };
  }

  #address(): string {
    const { url, assistant } = this.#options;
    const address = new URL(url);
    address.protocol = address.protocol.replace("http", "ws");
    if (assistant) address.searchParams.set("assistant", assistant);
    if (this.#language) address.searchParams.set("language", this.#language);
    if (this.#conversationId) address.searchParams.set("conversation_id", this.#conversationId);
    return address.href;
  }

  #ready(session: Session): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void (this.#attempts = 0), STEADY_MS);
    this.#link = "open";
    this.#greeted = this.#secondChance = true;
    if (!/^(microphone|new_conversation)/.test(this.#error?.code ?? "")) this.#error = undefined;
    this.#transcribed = !!session.audio?.input?.transcription;
    this.#configure();
    for (const event of this.#waiting.splice(0)) this.#send(event);
    const unsaid = this.#typed.filter(({ refused }) => !refused);
    for (const typed of unsaid) this.#say(typed);
    if (unsaid.length) this.#respond();
  }

  #configure(): void {
    const format = { type: "audio/pcm", rate: RATE };
    const transcription = this.#options.transcription ?? TRANSCRIPTION;
    this.#send({
      type: "session.update",
      session: {
        type: "realtime",
        output_modalities: [this.#mode === "text" ? "text" : "audio"],
        audio: {
          input: {
            format,
            turn_detection: this.#mode === "open" ? { type: "semantic_vad" } : null,
            ...(this.#transcribed ? {} : { transcription }),
          },
          output: { format },
        },
      },
    });
  }

  #lost(code: number): void {
    clearTimeout(this.#timer);
    this.#socket = undefined;
    const wasOpen = this.#link === "open";
    this.#settle();
    const { type, code: reason, message } = this.#lastError ?? {};
    if (code === 1000) {
      this.#link = "idle";
      this.#publish();
    } else if (code === 3000 && reason && ENDED[reason]) this.#fail(ENDED[reason], message);
    else if (code === 3000 && !wasOpen && this.#secondChance) {
      this.#secondChance = false; // the token may have expired on the way
      void this.#open();
    } else if (mayRetry(code)) {
      if (!wasOpen && message)
        this.#error = { code: tooMuch(type, reason) ? "busy" : "server", message };
      this.#retry();
    } else if (reason === GONE && this.#conversationId) this.#beginAnew();
    else if (tooMuch(type, reason)) this.#fail("busy", message);
    else this.#fail(code === 3000 ? "not_signed_in" : "refused", message);
  }

  /** Told when to try again instead of getting a token. */
  #standBy({ code, message }: Refusal, seconds: number): void {
    this.#error = { code, message };
    this.#lastError = { type: code, message, retry_after: seconds };
    this.#retry();
  }

  #retry(): void {
    const { type, code, message, retry_after = 0 } = this.#lastError ?? {};
    const attempts = this.#greeted && !message ? ATTEMPTS : FEW_ATTEMPTS;
    if (this.#attempts >= attempts) {
      const trouble = tooMuch(type, code) ? "busy" : message ? "unavailable" : "network";
      return this.#fail(trouble, message);
    }
    // Those who were told the same second do not all come in the same moment.
    const told = retry_after * 1000 * (1 + this.#environment.random() / 4);
    const wait = Math.max(told, delay(this.#attempts++, this.#environment.random));
    this.#link = "reconnecting";
    this.#timer = setTimeout(() => void this.#open(), wait);
    this.#publish();
  }

  /** The conversation is not there any more: a new one, in which what was typed is still said. */
  #beginAnew(): void {
    this.#conversationId = undefined;
    this.#items = [];
    this.#captions = new Captions();
    this.#waiting = []; // it was about what is gone
    this.#error = { code: "new_conversation" };
    void this.#open();
  }

  #fail(code: ErrorCode, message?: string): void {
    this.#link = "failed";
    this.#environment.sound.stopRecording();
    this.#microphone = this.#requestingMicrophone = this.#talking = false;
    this.#fault(code, message);
  }

  /** No connection, so nothing is being answered or heard. Sound that has come plays on. */
  #settle(): void {
    this.#response = this.#silenced = undefined;
    this.#asked = this.#again = this.#written = this.#userSpeaking = false;
    this.#captions.settle(this.#items);
  }

  #send(event: object): void {
    if (this.#link === "open") this.#socket?.send(JSON.stringify(event));
    else if (this.#waiting.length < WAITING_EVENTS) this.#waiting.push(event);
  }

  /** Its id is ours, so we see when the server has it, and saying it twice does no harm. */
  #say({ id, text }: Typed): void {
    const content = [{ type: "input_text", text }];
    const item = { id, type: "message", role: "user", content };
    this.#send({ type: "conversation.item.create", event_id: TYPED + id, item });
  }

  #respond(): void {
    this.#asked = true;
    this.#send({ type: "response.create" });
    this.#publish();
  }

  // What comes from the server

  #receive(event: ServerEvent): void {
    const late = "response_id" in event && event.response_id === this.#silenced;
    this.#items = apply(this.#items, event);
    if (!late) this.#captions.apply(event);
    switch (event.type) {
      case "session.created":
        this.#ready(event.session);
        break;
      case "conversation.item.added":
        this.#typed = this.#typed.filter(({ id }) => id !== event.item.id);
        break;
      case "conversation.item.input_audio_transcription.failed":
        this.#fault("transcription_failed");
        break;
      case "input_audio_buffer.speech_started":
        this.#userSpeaking = true;
        if (/^(transcription_failed|new_conversation)$/.test(this.#error?.code ?? "")) this.#error = undefined;
        if (this.#response || this.#playing) void this.#silence();
        break;
      case "input_audio_buffer.speech_stopped":
      case "input_audio_buffer.committed":
        this.#userSpeaking = false;
        break;
      case "response.created":
        this.#response = event.response.id;
        this.#conversationId = event.response.conversation_id ?? this.#conversationId;
        this.#asked = this.#written = false;
        this.#noteAnswerGoesOn();
        break;
      case "response.output_text.delta":
        this.#written = true;
        this.#noteAnswered();
        break;
      case "response.output_audio.delta":
        this.#noteAnswered();
        if (!late) this.#play(event.item_id, event.delta);
        break;
      case "response.done":
        this.#finish(event.response);
        break;
      case "error":
        this.#complain(event.error);
        break;
    }
    for (const watcher of this.#watchers) watcher(event);
    this.#publish();
  }

  #play(item: string, delta: string): void {
    const pcm = decode(delta);
    this.#captions.receive(item, milliseconds(pcm.length));
    this.#playing = true;
    this.#environment.sound.play(item, pcm);
  }

  /** Stops the sound, and tells the server where each answer was cut. */
  async #silence(): Promise<void> {
    this.#silenced = this.#response;
    this.#playing = false;
    this.#flushing++;
    const cuts = await this.#environment.sound.flush();
    this.#flushing--;
    this.#cut(cuts);
    this.#publish();
  }

  #cut(cuts: readonly PlayedPosition[]): void {
    for (const { item, ms } of cuts) {
      if (this.#captions.cut(item, ms, this.#items) === "whole") continue;
      this.#send({
        type: "conversation.item.truncate",
        event_id: `${QUIET}truncate`,
        item_id: item,
        content_index: 0,
        audio_end_ms: ms,
      });
    }
  }

  #finish(response: Response): void {
    if (response.id === this.#response) this.#response = undefined;
    this.#written = false;
    const failure = response.status_details?.error;
    if (response.status === "failed" && this.#error?.code !== "transcription_failed")
      this.#fault(tooMuch(failure?.type, failure?.code) ? "busy" : "response_failed", failure?.message);
    if (response.status === "completed") void this.#callTools(response);
    if (this.#again) this.#respond();
    this.#again = false;
  }

  async #callTools({ output }: Response): Promise<void> {
    const { tools = {} } = this.#options;
    const calls = output.flatMap((item) => {
      const tool = item.type === "function_call" && (tools[item.name] ?? tools["*"]);
      return tool ? [{ item, tool }] : [];
    });
    if (!calls.length) return;
    const results = await Promise.all(calls.map(({ tool, item }) => run(tool, item.arguments)));
    calls.forEach(({ item: { call_id } }, i) => {
      const item = { type: "function_call_output", call_id, output: results[i] };
      this.#send({ type: "conversation.item.create", item });
    });
    this.#respond();
  }

  #complain(failure: ErrorBody & { event_id?: string | null }): void {
    this.#lastError = failure;
    if (failure.event_id?.startsWith(QUIET) || this.#link !== "open") return;
    if (failure.event_id?.startsWith(TYPED) && !this.#refuse(failure.event_id)) return;
    if (failure.code === "session_expired") return; // a new connection follows
    if (failure.code === "conversation_already_has_active_response") {
      this.#again = true; // the assistant began by itself, as with a greeting: ask after it
      return;
    }
    this.#asked = false;
    this.#fault(tooMuch(failure.type, failure.code) ? "busy" : "server", failure.message);
  }

  /** What was typed and refused stays to be read. False if the server has it already. */
  #refuse(event: string): boolean {
    const about = ({ id }: Typed) => TYPED + id === event;
    const known = this.#typed.some(about);
    this.#typed = this.#typed.map((typed) => (about(typed) ? { ...typed, refused: true } : typed));
    return known;
  }

  /** It answers, so it has heard: only the transcript was not to be had. */
  #noteAnswered(): void {
    if (this.#error?.code === "transcription_failed") this.#error = undefined;
  }

  /** An answer that begins makes an older complaint about answers stale. */
  #noteAnswerGoesOn(): void {
    const code = this.#error?.code;
    if (code === "response_failed" || code === "server" || code === "busy") this.#error = undefined;
  }

  // What comes from the microphone

  #recorded(pcm: Int16Array): void {
    if (!this.#sending || this.#link !== "open" || !this.#socket) return;
    const full = this.#socket.bufferedAmount > FULL_BYTES;
    if (full !== (this.#error?.code === "slow")) {
      this.#error = full ? { code: "slow" } : undefined;
      this.#publish();
    }
    if (full) return;
    this.#take += milliseconds(pcm.length);
    this.#send({ type: "input_audio_buffer.append", audio: encode(pcm) });
  }

  get #sending(): boolean {
    return this.#microphone && (this.#mode === "open" || this.#talking);
  }

  // The state

  #fault(code: ErrorCode, message?: string): void {
    this.#error = message ? { code, message } : { code };
    this.#publish();
  }

  /** What was typed, while the server does not have it. */
  #unconfirmed(): Line[] {
    return this.#typed.map(({ id, text, refused }) => {
      const status = refused || this.#link !== "open" ? "unsent" : "done";
      return { id, role: "user", text, heard: text.length, status };
    });
  }

  #publish(): void {
    this.#state = this.#snapshot(this.#state.lines);
    for (const listener of this.#listeners) listener();
  }

  #snapshot(before: readonly Line[]): State {
    return {
      status: status({
        link: this.#link,
        answering: this.#asked || this.#response !== undefined,
        sounding: this.#playing || this.#written,
        userSpeaking: this.#userSpeaking,
        sending: this.#sending,
      }),
      mode: this.#mode,
      items: this.#items,
      lines: reuse(before, [...this.#captions.lines(this.#items), ...this.#unconfirmed()]),
      microphone: this.#microphone,
      requestingMicrophone: this.#requestingMicrophone,
      userSpeaking: this.#userSpeaking,
      ...(this.#conversationId && { conversationId: this.#conversationId }),
      ...(this.#error && { error: this.#error }),
    };
  }
}

/** `crypto.randomUUID` is not there without https. */
const freshId = (): string =>
  `item_${[...crypto.getRandomValues(new Uint8Array(12))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("")}`;

const tooMuch = (type?: string, code?: string | null): boolean =>
  /rate_limit|quota|too_many|busy/.test(`${type} ${code}`);

async function run(tool: Tool, args: string): Promise<string> {
  try {
    return JSON.stringify((await tool(JSON.parse(args))) ?? null);
  } catch (error) {
    return JSON.stringify({ error: error instanceof Error ? error.message : String(error) });
  }
}

/** Lines that did not change keep their identity, so that a page draws only what did. */
function reuse(before: readonly Line[], now: Line[]): readonly Line[] {
  return now.map((line, i) => {
    const old = before[i];
    const same =
      old?.id === line.id &&
      old.text === line.text &&
      old.heard === line.heard &&
      old.status === line.status;
    return same ? old : line;
  });
}
