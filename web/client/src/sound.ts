// The microphone and the loudspeaker, as a call uses them.

import type { ErrorCode } from "./errors";
import { playbackContext } from "./playbackContext";
import type { LoudspeakerState, PlaybackProgress } from "./player";
import type { PlayedPosition } from "./playout";
import type { ServerEvent } from "./protocol";
import type { RecorderOptions } from "./recorder";
import type { Recordings } from "./recordings";
import type { Voice } from "./voice";

/** News of the devices. Recorded audio comes about every 20 ms. */
export type SoundNews =
  | { type: "audio_recorded"; pcm: Int16Array }
  | { type: "microphone_lost" }
  | { type: "microphone_paused"; paused: boolean }
  | { type: "loudspeaker_changed"; state: LoudspeakerState }
  | ({ type: "playback_progressed" } & PlaybackProgress);

export interface Sound {
  onNews: (news: SoundNews) => void;
  /** Open the loudspeaker, and resume both devices. Call it in a click. Never rejects. */
  wake(): Promise<void>;
  play(item: string, pcm: Int16Array<ArrayBuffer>): void;
  /** Stop playback at once. Return where each item was cut; undefined: the loudspeaker does not tell. */
  flush(): Promise<PlayedPosition[] | undefined>;
  /** The id of the loudspeaker; "" for the one of the system. */
  readonly loudspeaker: string;
  useLoudspeaker(id: string): void;
  /** Open the microphone. Return why it does not open. */
  record(): Promise<ErrorCode | undefined>;
  /** The track of the open microphone. */
  readonly track: MediaStreamTrack | undefined;
  /** The user's turns. Undefined until a microphone is needed. */
  readonly recordings: Recordings | undefined;
  /** Follow an event of the server. `exact`: the server counts the audio that was recorded. */
  note(event: ServerEvent, exact: boolean): void;
  /** Deliver the last unfinished piece of recorded audio. */
  drain(): Promise<void>;
  /** Close the microphone. */
  stopRecording(): void;
  /** Close microphone and loudspeaker. */
  close(): void;
  /** Loudness of the microphone and of the loudspeaker now, 0 to 1. */
  readonly levels: { in: number; out: number };
}

export interface SoundOptions extends RecorderOptions {
  /**
   * Over a WebSocket, send no audio in silence, while the server listens for speech. False by default. Over
   * WebRTC the browser compresses silence itself.
   */
  voiceActivity?: boolean;
}

const FLUSH_MS = 600; // code that is still loading is not waited for

export class BrowserSound implements Sound {
  onNews: (news: SoundNews) => void = () => {};

  readonly #options: SoundOptions;
  readonly #import: () => Promise<typeof import("./voice")>;
  #voice: Voice | undefined;
  loudspeaker = "";
  #loading: Promise<Voice> | undefined;
  #context: AudioContext | undefined; // made in a click, for a player that is still loading

  constructor(options: SoundOptions, importVoice = () => import("./voice")) {
    this.#options = options;
    this.#import = importVoice;
  }

  get levels(): { in: number; out: number } {
    return { in: this.#voice?.recorder.level ?? 0, out: this.#voice?.player.level ?? 0 };
  }

  get track(): MediaStreamTrack | undefined {
    return this.#voice?.recorder.track;
  }

  get recordings(): Recordings | undefined {
    return this.#voice?.recordings;
  }

  note(event: ServerEvent, exact: boolean): void {
    this.#voice?.note(event, exact);
  }

  async wake(): Promise<void> {
    if (!this.#voice) this.#context ??= playbackContext();
    const voice = this.#voice ?? (await this.#load().catch(() => undefined));
    if (!voice) return this.onNews({ type: "loudspeaker_changed", state: "failed" });
    await Promise.all([voice.player.wake(), voice.recorder.resume()]);
  }

  play(item: string, pcm: Int16Array<ArrayBuffer>): void {
    void this.#load().then(
      ({ player }) => player.play(item, pcm),
      () => {},
    );
  }

  useLoudspeaker(id: string): void {
    this.loudspeaker = id;
    this.#voice?.player.useDevice(id);
  }

  async flush(): Promise<PlayedPosition[] | undefined> {
    if (!this.#loading) return [];
    const flushed = this.#loading.then(({ player }) => player.flush());
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), FLUSH_MS);
    });
    return Promise.race([flushed, late]).finally(() => clearTimeout(timer));
  }

  async record(): Promise<ErrorCode | undefined> {
    return (this.#voice ?? (await this.#load())).record();
  }

  async drain(): Promise<void> {
    await this.#voice?.recorder.drain();
  }

  stopRecording(): void {
    this.#voice?.recorder.stop();
  }

  close(): void {
    this.stopRecording();
    void this.#context?.close();
    this.#context = undefined;
    this.#voice?.player.close();
  }

  #load(): Promise<Voice> {
    this.#loading ??= this.#make().catch((error: unknown) => {
      this.#loading = undefined; // the next click tries again
      throw error;
    });
    return this.#loading;
  }

  async #make(): Promise<Voice> {
    const module = await this.#import();
    this.#voice = new module.Voice(this, this.#options, () => this.#takeContext());
    this.#voice.player.useDevice(this.loudspeaker);
    return this.#voice;
  }

  #takeContext(): AudioContext {
    const context = this.#context ?? playbackContext();
    this.#context = undefined;
    return context;
  }
}
