// The loudspeaker of a browser. It plays PCM16 at 24 kHz, and knows how far each item has been played. Browsers
// open it only inside a click.

import { RATE } from "./rate";
import { heardMs, type PlayedPosition } from "./playout";
import {
  addWorklets,
  type FromPlayer,
  isSuspended,
  Replies,
  REPLY_MS,
  resume,
  type Running,
  type ToPlayer,
  type WorkletOptions,
} from "./worklet";

/** How far an item has been played. `drained`: no more audio waits. */
export interface PlaybackProgress extends PlayedPosition {
  drained: boolean;
}

/** `suspended`: by the browser or the system. `insecure`: neither https nor localhost, so no worklets. */
export type LoudspeakerState = "running" | "suspended" | "failed" | "insecure";

export interface PlayerOptions extends WorkletOptions {
  /** Returns the context to play in. The player closes it. */
  context?: () => AudioContext;
}

/** Plays the audio of items, one after the other. */
export class AudioPlayer {
  /** Loudness now, 0 to 1. */
  level = 0;
  onState: (state: LoudspeakerState) => void = () => {};
  /** Receives how far the item that is playing has been heard, about every 40 ms. */
  onProgress: (progress: PlaybackProgress) => void = () => {};

  readonly #options: PlayerOptions;
  readonly #replies = new Replies<PlayedPosition[]>();
  #speaker: Promise<Running | undefined> | undefined;
  #device = "";

  constructor(options: PlayerOptions = {}) {
    this.#options = options;
  }

  /** Play by this device; "" for the one of the system, which also plays where a browser does not offer a choice. */
  useDevice(id: string): void {
    this.#device = id;
    void this.#speaker?.then((speaker) => speaker && setDevice(speaker.context, id));
  }

  /** Open the loudspeaker, and resume it. Call it in a click. Never rejects. */
  async wake(): Promise<void> {
    const speaker = await this.#use();
    if (!speaker) return;
    await resume(speaker.context);
    this.onState(stateOf(speaker.context));
  }

  /** Play audio of an item after all earlier audio. The player takes the buffer of `pcm`. */
  play(item: string, pcm: Int16Array<ArrayBuffer>): void {
    void this.#use().then((speaker) => {
      speaker?.node.port.postMessage({ item, pcm } satisfies ToPlayer, [pcm.buffer]);
    });
  }

  /**
   * Stop playback at once. Return the items that had audio left, and where each was cut, or undefined if the
   * loudspeaker does not tell. A loudspeaker that is still being opened is flushed when it opens, and not
   * waited for.
   */
  async flush(): Promise<PlayedPosition[] | undefined> {
    const opened = this.#speaker;
    if (!opened) return [];
    const flushed = opened.then((speaker) => this.#flushOpened(opened, speaker));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), 2 * REPLY_MS);
    });
    return Promise.race([flushed, late]).finally(() => clearTimeout(timer));
  }

  /** Close the loudspeaker. The next audio opens it again. */
  close(): void {
    const speaker = this.#speaker;
    this.#speaker = undefined; // first: what closes is not suspended
    void speaker?.then((opened) => opened?.context.close());
    page()?.removeEventListener("visibilitychange", this.#onVisible);
    this.level = 0;
    this.#replies.resolveAll([]);
  }

  async #flushOpened(
    opened: Promise<Running | undefined>,
    speaker: Running | undefined,
  ): Promise<PlayedPosition[] | undefined> {
    if (!speaker || this.#speaker !== opened) return []; // closed in the meantime
    const { request, reply } = this.#replies.expect();
    speaker.node.port.postMessage({ flush: request } satisfies ToPlayer);
    this.level = 0; // after a flush the worklet has nothing to report
    const positions = await reply;
    return positions?.map(({ item, ms }) => ({ item, ms: heardMs(ms, latency(speaker.context)) }));
  }

  /** Open the loudspeaker once. Report a failure and forget it, so that the next click tries again. */
  #use(): Promise<Running | undefined> {
    if (this.#speaker) return this.#speaker;
    const opening = this.#open().catch(() => {
      if (this.#speaker !== opening) return undefined; // closed in the meantime
      this.#speaker = undefined;
      this.onState(globalThis.isSecureContext === false ? "insecure" : "failed");
      return undefined;
    });
    this.#speaker = opening;
    page()?.addEventListener("visibilitychange", this.#onVisible);
    return opening;
  }

  /** A phone suspends audio while the page is hidden. Most browsers resume it without a click. */
  readonly #onVisible = (): void => {
    if (page()?.visibilityState === "visible" && this.#speaker) void this.wake();
  };

  async #open(): Promise<Running> {
    const context = this.#options.context?.() ?? new AudioContext({ sampleRate: RATE });
    if (this.#device) void setDevice(context, this.#device);
    await addWorklets(context, this.#options);
    const node = new AudioWorkletNode(context, "vivavoce-player", { numberOfInputs: 0 });
    node.connect(context.destination);
    context.addEventListener("statechange", () => void this.#tell(context));
    node.port.onmessage = ({ data }: MessageEvent<FromPlayer>) => {
      if ("flush" in data) return this.#replies.resolve(data.flush, data.positions);
      const { position, level, drained } = data;
      this.level = drained ? 0 : level;
      const ms = drained ? position.ms : heardMs(position.ms, latency(context));
      this.onProgress({ item: position.item, ms, drained });
    };
    return { context, node };
  }

  async #tell(context: AudioContext): Promise<void> {
    const speaker = await this.#speaker;
    if (speaker?.context === context) this.onState(stateOf(context));
  }
}

/** The loudspeaker may be unplugged: then the one of the system plays. */
const setDevice = (context: AudioContext & { setSinkId?(id: string): Promise<void> }, id: string) =>
  context.setSinkId?.(id).catch(() => {});

const page = (): Document | undefined => globalThis.document;

const stateOf = (context: AudioContext): LoudspeakerState =>
  isSuspended(context) ? "suspended" : "running";

const latency = (context: AudioContext): number =>
  context.outputLatency || context.baseLatency || 0;
