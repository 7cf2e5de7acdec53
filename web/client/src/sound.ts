// The microphone and the loudspeaker, as a call uses them.

import { AudioPlayer, type LoudspeakerState, type PlaybackProgress } from "./player";
import type { PlayedPosition } from "./playout";
import type { AudioRecorder, RecorderOptions } from "./recorder";
import type { Recordings } from "./recordings";

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

export class BrowserSound implements Sound {
  recordings: Recordings | undefined;
  onProgress: (progress: PlaybackProgress) => void = () => {};
  onRecorded: (pcm: Int16Array) => void = () => {};
  onMicrophoneLost: () => void = () => {};
  onMicrophonePaused: (paused: boolean) => void = () => {};
  onLoudspeaker: (state: LoudspeakerState) => void = () => {};

  readonly #options: SoundOptions;
  readonly #player: AudioPlayer;
  #recorder: AudioRecorder | undefined;
  #loading: Promise<AudioRecorder> | undefined;

  constructor(options: SoundOptions) {
    this.#options = options;
    this.#player = new AudioPlayer(options);
    this.#player.onState = (state) => this.onLoudspeaker(state);
    this.#player.onProgress = (progress) => this.onProgress(progress);
  }

  get levels(): { in: number; out: number } {
    return { in: this.#recorder?.level ?? 0, out: this.#player.level };
  }

  get track(): MediaStreamTrack | undefined {
    return this.#recorder?.track;
  }

  async wake(): Promise<void> {
    const loaded = this.#load().catch(() => {}); // recording will tell
    await Promise.all([this.#player.wake(), this.#recorder?.resume(), loaded]);
  }

  play(item: string, pcm: Int16Array<ArrayBuffer>): void {
    this.#player.play(item, pcm);
  }

  flush(): Promise<PlayedPosition[] | undefined> {
    return this.#player.flush();
  }

  async record(): Promise<void> {
    const recorder = this.#recorder ?? (await this.#load());
    await recorder.start();
  }

  async drain(): Promise<void> {
    await this.#recorder?.drain();
  }

  stopRecording(): void {
    this.#recorder?.stop();
  }

  close(): void {
    this.#recorder?.stop();
    this.#player.close();
  }

  /** Load the code of the microphone: a page that only writes and reads does without it. */
  #load(): Promise<AudioRecorder> {
    this.#loading ??= this.#makeRecorder().catch((error: unknown) => {
      this.#loading = undefined;
      throw error;
    });
    return this.#loading;
  }

  async #makeRecorder(): Promise<AudioRecorder> {
    const module = await import("./voice");
    const recorder = new module.AudioRecorder(this.#options);
    recorder.onAudio = (pcm) => this.onRecorded(pcm);
    recorder.onLost = () => this.onMicrophoneLost();
    recorder.onPaused = (paused) => this.onMicrophonePaused(paused);
    this.recordings = new module.Recordings();
    this.#recorder = recorder;
    return recorder;
  }
}
