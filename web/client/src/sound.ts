// The microphone and the loudspeaker, as a call uses them.

import { playbackContext } from "./playbackContext";
import type { LoudspeakerState, PlaybackProgress } from "./player";
import type { PlayedPosition } from "./playout";
import type { RecorderOptions } from "./recorder";
import type { Recordings } from "./recordings";
import type { Voice } from "./voice";

export interface Sound {
  /** Open the loudspeaker, and resume both devices. Call it in a click. Never rejects. */
  wake(): Promise<void>;
  onLoudspeaker: (state: LoudspeakerState) => void;
  /** Receives whether the open microphone is muted or suspended by the system, at every change. */
  onMicrophonePaused: (paused: boolean) => void;
  play(item: string, pcm: Int16Array<ArrayBuffer>): void;
  /** Stop playback at once. Return where each item was cut; undefined: the loudspeaker does not tell. */
  flush(): Promise<PlayedPosition[] | undefined>;
  onProgress: (progress: PlaybackProgress) => void;
  /** Open the microphone. Rejects as `getUserMedia` does. */
  record(): Promise<void>;
  /** The track of the open microphone. */
  readonly track: MediaStreamTrack | undefined;
  /** The user's turns. Undefined until a microphone is needed. */
  readonly recordings: Recordings | undefined;
  /** Receives the recorded audio, about every 20 ms. */
  onRecorded: (pcm: Int16Array) => void;
  /** Runs when the microphone ends by itself: unplugged, or its permission was taken back. */
  onMicrophoneLost: () => void;
  /** Deliver the last unfinished piece of recorded audio. */
  drain(): Promise<void>;
  /** Close the microphone. */
  stopRecording(): void;
  /** Close microphone and loudspeaker. */
  close(): void;
  /** Loudness of the microphone and of the loudspeaker now, 0 to 1. */
  readonly levels: { in: number; out: number };
}

export type SoundOptions = RecorderOptions;

const FLUSH_MS = 600; // code that is still loading is not waited for

export class BrowserSound implements Sound {
  onProgress: (progress: PlaybackProgress) => void = () => {};
  onRecorded: (pcm: Int16Array) => void = () => {};
  onMicrophoneLost: () => void = () => {};
  onMicrophonePaused: (paused: boolean) => void = () => {};
  onLoudspeaker: (state: LoudspeakerState) => void = () => {};

  readonly #options: SoundOptions;
  readonly #import: () => Promise<typeof import("./voice")>;
  #voice: Voice | undefined;
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

  async wake(): Promise<void> {
    if (!this.#voice) this.#context ??= playbackContext();
    const voice = this.#voice ?? (await this.#load().catch(() => undefined));
    if (!voice) return this.onLoudspeaker("failed");
    await Promise.all([voice.player.wake(), voice.recorder.resume()]);
  }

  play(item: string, pcm: Int16Array<ArrayBuffer>): void {
    void this.#load().then(
      ({ player }) => player.play(item, pcm),
      () => {},
    );
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

  async record(): Promise<void> {
    const voice = this.#voice ?? (await this.#load());
    await voice.recorder.start();
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
    return (this.#voice = new module.Voice(this, this.#options, () => this.#takeContext()));
  }

  #takeContext(): AudioContext {
    const context = this.#context ?? playbackContext();
    this.#context = undefined;
    return context;
  }
}
