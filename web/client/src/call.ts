// One call: a conversation with an assistant, over one connection after the other. The rules are pure: see
// `turn.ts`. This class feeds them with inputs, performs their actions, and publishes the state.

import { Connection, type ConnectionEnvironment, type ConnectionOptions } from "./connection";
import { unplayedItems } from "./captions";
import type { Conversation } from "./conversation";
import { itemId } from "./draftQueue";
import { isHeld, isLongEnough } from "./microphone";
import type { Source, ToolRun } from "./ownEvents";
import type { PeerStats } from "./peer";
import type { FunctionCall, ServerEvent } from "./protocol";
import type { Recording } from "./recordings";
import type { Sound } from "./sound";
import { sameState, type State, view } from "./state";
import { isLive, type Mode, sendsAudio } from "./status";
import { runTools, type Tool } from "./tools";
import { reduce } from "./turn";
import { type Action, initialTurn, type Input, type Turn } from "./turnState";

export interface CallOptions extends ConnectionOptions {
  language?: string;
  /** Continue this conversation. */
  conversationId?: string;
  /** What that conversation contains, to show before the call connects. */
  items?: Conversation;
  mode?: Mode;
  /** Sent as `audio.input.transcription` where the server has not chosen one. */
  transcription?: object;
  /** By name; `*` takes the calls that no other tool takes. The model is offered these tools only. */
  tools?: Record<string, Tool>;
}

/** The browser features that a test replaces. */
export interface Environment extends ConnectionEnvironment {
  sound: Sound;
  loadSurroundings?: () => Promise<typeof import("./surroundings")>;
}

const TRACK_DELAY_MS = 150; // a track arrives later than an event that is sent at the same time

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export class Call {
  readonly #sound: Sound;
  readonly #tools: Record<string, Tool>;
  readonly #connection: Connection;
  readonly #listeners = new Set<() => void>();
  readonly #watchers = new Set<(event: ServerEvent) => void>();
  readonly #environment: Environment;
  #surroundings: Promise<(() => void) | undefined> | undefined;
  #turn: Turn;
  #state: State;

  constructor(options: CallOptions, environment: Environment) {
    this.#turn = initialTurn(options);
    this.#state = view(this.#turn);
    this.#tools = options.tools ?? {};
    this.#environment = environment;
    this.#connection = new Connection(options, environment, {
      target: () => ({
        ...this.#turn,
        greeting: !isHeld(this.#turn.microphone) && !this.#turn.drafts.length,
        tools: Object.keys(this.#tools),
      }),
      onPeer: (peer) => {
        peer.useLoudspeaker(this.#sound.loudspeaker);
        peer.onprogress = (progress) =>
          void this.#feed({ type: "playback_progressed", ...progress });
        peer.onblocked = (blocked) =>
          void this.#feed({
            type: "loudspeaker_changed",
            state: blocked ? "suspended" : "running",
          });
      },
      onInput: (input) => {
        if (input.type === "server_event") this.#sound.note(input.event, !this.#connection.peer);
        void this.#feed(input);
        if (input.type === "server_event")
          for (const watcher of this.#watchers) watcher(input.event);
      },
    });
    this.#sound = environment.sound;
    this.#sound.onNews = (news) =>
      void this.#feed({ bufferedBytes: this.#connection.bufferedBytes, ...news } as Input);
  }

  get state(): State {
    return this.#state;
  }

  /** Loudness of microphone and loudspeaker now, 0 to 1. For meters: read it once per frame. */
  get levels(): { in: number; out: number } {
    const { in: microphone, out } = this.#sound.levels;
    return { in: microphone, out: this.#connection.peer?.level ?? out };
  }

  /** The id of the call, where the server has told it: over WebRTC. */
  get id(): string | undefined {
    return this.#connection.peer?.callId;
  }

  /** Play by the loudspeaker with this id; "" for the one of the system. */
  useLoudspeaker(id: string): void {
    this.#sound.useLoudspeaker(id);
    this.#connection.peer?.useLoudspeaker(id);
  }

  /** Read what the browser measures of the connection. Undefined over a WebSocket, which tells nothing. */
  connectionStats(): Promise<PeerStats> | undefined {
    return this.#connection.peer?.stats();
  }

  /** Run `listener` after every change of the state. Return a function that ends this. */
  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Run `watcher` for every server event. Return a function that ends this. */
  onEvent(watcher: (event: ServerEvent) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Connect, or try again at once. Call it in a click: only then browsers play audio. */
  start(): void {
    if (this.#connection.hasSocket) return this.resume();
    void this.#feed({ type: "started" });
    this.#connection.start();
  }

  /** Resume a microphone or a loudspeaker that the system has paused. Call it in a click. */
  resume(): void {
    void this.#feed({ type: "resumed" });
  }

  /** End the call. The conversation stays readable, and `start` continues it. */
  close(): void {
    void this.#feed({ type: "closed" });
  }

  /**
   * Send a message, with pictures as data URLs. The call first reports which part of the last answer was
   * heard.
   */
  async sendText(text: string, images: readonly string[] = []): Promise<void> {
    const id = itemId(crypto.getRandomValues(new Uint8Array(12)));
    await this.#feed({ type: "text_entered", id, text, images });
  }

  /** Stop an answer. Its audio stops at once, and the server learns which part was heard. */
  interrupt(): Promise<void> {
    return this.#feed({ type: "interrupted" });
  }

  /** Open the microphone; the browser may ask the user first. False if it did not open. */
  async startMic(): Promise<boolean> {
    await this.#feed({ type: "microphone_requested" });
    return this.#turn.microphone.phase === "open";
  }

  /** Close the microphone. An utterance that has begun is answered. */
  stopMic(): void {
    void this.#feed({ type: "microphone_stopped" });
  }

  /** Press the talk button to speak, release it for an answer. False if the utterance was too short. */
  async pushToTalk(down: boolean): Promise<boolean> {
    if (this.#turn.mode !== "push-to-talk" || down === isHeld(this.#turn.microphone)) return true;
    if (down) {
      await this.#feed({ type: "talk_pressed" });
      return this.#turn.microphone.phase === "open";
    }
    await Promise.all([this.#sound.drain(), this.#connection.peer && wait(TRACK_DELAY_MS)]);
    const { microphone } = this.#turn;
    void this.#feed({ type: "talk_released" });
    return !isHeld(microphone) || isLongEnough(microphone);
  }

  /** Return the audio of a spoken message of the user, by the id of its line. The last five minutes are kept. */
  recordingOf(itemId: string): Recording | undefined {
    return this.#sound.recordings?.of(itemId);
  }

  setMode(mode: Mode): void {
    void this.#feed({ type: "mode_changed", mode });
  }

  /** Continue the same conversation in another language, over a new connection. */
  setLanguage(language: string): void {
    void this.#feed({ type: "language_changed", language });
  }

  /** Show a run that the page has read over HTTP, for example after the user's decision. */
  noteToolRun(run: ToolRun): void {
    void this.#feed({ type: "tool_run_read", run });
  }

  /** Approve or reject the call of an MCP tool, by the id of its card. */
  answerMcpRequest(id: string, approve: boolean): void {
    void this.#feed({ type: "mcp_request_answered", request: id, approve });
  }

  /** Show the sources of an answer that the page has read over HTTP. */
  noteSources(item: string, sources: readonly Source[]): void {
    void this.#feed({ type: "sources_read", item, sources });
  }

  // The loop: an input, the next state, its actions

  /** Apply an input. Resolves when the actions that take time have been performed. */
  async #feed(input: Input): Promise<void> {
    const { turn, actions } = reduce(this.#turn, input);
    this.#turn = turn;
    const performed = actions.map((action) => this.#perform(action));
    this.#connection.peer?.useTrack(this.#sound.track, sendsAudio(turn));
    this.#publish();
    this.#followSurroundings();
    await Promise.all(performed);
  }

  #followSurroundings(): void {
    const before = this.#surroundings;
    if (isLive(this.#turn) === !!before) return;
    void before?.then((end) => end?.());
    this.#surroundings = before
      ? undefined
      : this.#environment.loadSurroundings?.().then(
          ({ follow }) => follow(this.#connection, (input) => void this.#feed(input)),
          () => undefined,
        );
  }

  #perform(action: Action): Promise<void> | void {
    switch (action.type) {
      case "send":
        return this.#connection.send(action.event);
      case "play":
        return this.#sound.play(action.item, action.pcm);
      case "follow_playback":
        return this.#connection.peer?.follow(action.item);
      case "flush_playback":
        return this.#flushPlayback();
      case "start_recording":
        return this.#startRecording();
      case "stop_recording":
        return this.#sound.stopRecording();
      case "keep_recording":
        return this.#sound.recordings?.add(action.pcm);
      case "wake_sound":
        void this.#connection.peer?.wake();
        return void this.#sound.wake();
      case "run_tools":
        return this.#runTools(action.calls);
      case "reconnect":
        return this.#connection.reopen();
      case "disconnect":
        this.#connection.close();
        return this.#sound.close();
    }
  }

  async #flushPlayback(): Promise<void> {
    const { peer } = this.#connection;
    peer?.silence();
    if (peer) return void this.#feed({ type: "playback_flushed", positions: [] });
    const reported = unplayedItems(this.#turn.captions); // if the loudspeaker tells nothing
    const positions = (await this.#sound.flush().catch(() => undefined)) ?? reported;
    void this.#feed({ type: "playback_flushed", positions });
  }

  async #startRecording(): Promise<void> {
    void this.#sound.wake(); // a microphone works without a loudspeaker
    const code = await this.#sound.record().catch(() => "microphone_busy" as const); // no code of it
    void this.#feed(code ? { type: "microphone_failed", code } : { type: "microphone_opened" });
  }

  async #runTools(calls: readonly FunctionCall[]): Promise<void> {
    const results = await runTools(this.#tools, calls);
    void this.#feed({ type: "tools_finished", results });
  }

  #publish(): void {
    const state = view(this.#turn, this.#state);
    if (sameState(state, this.#state)) return;
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}
