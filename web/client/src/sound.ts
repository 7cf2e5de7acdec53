// The microphone and the loudspeaker of a browser. Browsers open them only inside a click.

import { RATE } from "./pcm";
import { heardMs, type PlayedPosition } from "./playout";

export type ToRecorder = { drain: number };
export type FromRecorder = { pcm: Int16Array; level: number; drain?: number };
export type ToPlayer = { item: string; pcm: Int16Array } | { flush: number };
export type FromPlayer =
  | { position: PlayedPosition; level: number; drained: boolean }
  | { flush: number; positions: PlayedPosition[] };

/** How far an item has been played. `drained`: no more audio waits. */
export interface PlaybackProgress extends PlayedPosition {
  drained: boolean;
}

/** `suspended`: by the browser or the system. `insecure`: neither https nor localhost, so no worklets. */
export type LoudspeakerState = "running" | "suspended" | "failed" | "insecure";

/** The audio devices, as a call uses them. */
export interface Sound {
  /** Open the loudspeaker, and resume both devices. Call it in a click. Never rejects. */
  wake(): Promise<void>;
  onLoudspeaker: (state: LoudspeakerState) => void;
  /** Receives whether the open microphone is muted or suspended by the system, at every change. */
  onMicrophonePaused: (paused: boolean) => void;
  play(item: string, pcm: Int16Array<ArrayBuffer>): void;
  /**
   * Stop playback at once. Return the items that had audio left, and where each was cut, or undefined if
   * the loudspeaker does not tell.
   */
  flush(): Promise<PlayedPosition[] | undefined>;
  onProgress: (progress: PlaybackProgress) => void;
  /** Open the microphone. Rejects as `getUserMedia` does. */
  record(): Promise<void>;
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

export interface SoundOptions {
  /** Address of `@vivavoce/client/worklets`. By default `worklets.js` beside the client's own file. */
  worklets?: string | URL;
  /** Whether to remove the loudspeaker's echo. Read when the microphone opens. Not needed with headphones. */
  echoCancellation?: () => boolean;
}

// In the package, `worklets.js` is the file beside. A page that is built from the sources names its own.
const WORKLETS = new URL(/* @vite-ignore */ "./worklets.js", import.meta.url);
const REPLY_MS = 300; // a suspended device does not reply
const RESUME_MS = 1000; // without a click a browser never resumes, and never says so

export class BrowserSound implements Sound {
  readonly levels = { in: 0, out: 0 };
  onProgress: (progress: PlaybackProgress) => void = () => {};
  onRecorded: (pcm: Int16Array) => void = () => {};
  onMicrophoneLost: () => void = () => {};
  onMicrophonePaused: (paused: boolean) => void = () => {};
  onLoudspeaker: (state: LoudspeakerState) => void = () => {};

  readonly #options: SoundOptions;
  #speaker: Promise<Node | undefined> | undefined;
  #microphone: (Node & { stream: MediaStream }) | undefined;
  #opening: Promise<void> | undefined;
  #pending = new Map<number, (positions: PlayedPosition[] | undefined) => void>();
  #lastRequest = 0;

  constructor(options: SoundOptions) {
    this.#options = options;
  }

  async wake(): Promise<void> {
    const speaker = await this.#useSpeaker();
    await Promise.all([this.#microphone?.context, speaker?.context].map(resume));
    if (speaker) this.onLoudspeaker(speakerState(speaker.context));
  }

  play(item: string, pcm: Int16Array<ArrayBuffer>): void {
    void this.#useSpeaker().then((speaker) => {
      speaker?.node.port.postMessage({ item, pcm } satisfies ToPlayer, [pcm.buffer]);
    });
  }

  /** A loudspeaker that is still being opened is flushed when it opens, and not waited for. */
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

  async #flushOpened(
    opened: Promise<Node | undefined>,
    speaker: Node | undefined,
  ): Promise<PlayedPosition[] | undefined> {
    if (!speaker || this.#speaker !== opened) return []; // closed in the meantime
    const { context, node } = speaker;
    const flush = ++this.#lastRequest;
    const reply = this.#reply(flush);
    node.port.postMessage({ flush } satisfies ToPlayer);
    const positions = await reply;
    return positions?.map(({ item, ms }) => ({ item, ms: heardMs(ms, latency(context)) }));
  }

  /** While the browser asks the user, further requests wait for the same answer. */
  record(): Promise<void> {
    this.#opening ??= this.#openStream().finally(() => void (this.#opening = undefined));
    return this.#opening;
  }

  async drain(): Promise<void> {
    const node = this.#microphone?.node;
    if (!node) return;
    const drain = ++this.#lastRequest;
    const reply = this.#reply(drain);
    node.port.postMessage({ drain } satisfies ToRecorder);
    await reply;
  }

  stopRecording(): void {
    if (!this.#microphone) return;
    const { stream, context } = this.#microphone;
    this.#microphone = undefined; // first: what closes is not paused
    stop(stream);
    void context.close();
    this.levels.in = 0;
    this.#resolveAll();
  }

  close(): void {
    this.stopRecording();
    const speaker = this.#speaker;
    this.#speaker = undefined; // first: what closes is not suspended
    void speaker?.then((opened) => opened?.context.close());
    page()?.removeEventListener("visibilitychange", this.#onVisible);
    this.#resolveAll();
  }

  /** Open the loudspeaker once. Report a failure and forget it, so that the next click tries again. */
  #useSpeaker(): Promise<Node | undefined> {
    if (this.#speaker) return this.#speaker;
    const opening = this.#openSpeaker().catch(() => {
      if (this.#speaker !== opening) return undefined; // closed in the meantime
      this.#speaker = undefined;
      this.onLoudspeaker(globalThis.isSecureContext === false ? "insecure" : "failed");
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

  async #openSpeaker(): Promise<Node> {
    const context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    await this.#addWorklets(context);
    const node = new AudioWorkletNode(context, "vivavoce-player", { numberOfInputs: 0 });
    node.connect(context.destination);
    context.addEventListener("statechange", () => void this.#tellSpeaker(context));
    node.port.onmessage = ({ data }: MessageEvent<FromPlayer>) => {
      if ("flush" in data) return this.#resolve(data.flush, data.positions);
      const { position, level, drained } = data;
      this.levels.out = drained ? 0 : level;
      const ms = drained ? position.ms : heardMs(position.ms, latency(context));
      this.onProgress({ item: position.item, ms, drained });
    };
    return { context, node };
  }

  async #tellSpeaker(context: AudioContext): Promise<void> {
    const speaker = await this.#speaker;
    if (speaker?.context === context) this.onLoudspeaker(speakerState(context));
  }

  async #openStream(): Promise<void> {
    if (this.#microphone) return;
    if (!navigator.mediaDevices) throw new DOMException("no microphone here", "SecurityError");
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: {
        channelCount: 1,
        echoCancellation: this.#options.echoCancellation?.() ?? true,
        noiseSuppression: true,
        autoGainControl: true,
      },
    });
    try {
      this.#microphone = await this.#openMicrophone(stream);
      if (stream.getTracks()[0]?.muted) this.onMicrophonePaused(true);
    } catch (error) {
      stop(stream);
      throw error;
    }
  }

  async #addWorklets(context: AudioContext): Promise<void> {
    try {
      await context.audioWorklet.addModule(this.#options.worklets ?? WORKLETS); // undefined without https
    } catch (error) {
      void context.close();
      throw error;
    }
  }

  async #openMicrophone(stream: MediaStream): Promise<Node & { stream: MediaStream }> {
    const { context, source } = listen(stream);
    await this.#addWorklets(context);
    const node = new AudioWorkletNode(context, "vivavoce-recorder");
    node.port.onmessage = ({ data }: MessageEvent<FromRecorder>) => {
      this.levels.in = data.level;
      if (data.pcm.length) this.onRecorded(data.pcm);
      if (data.drain !== undefined) this.#resolve(data.drain, []);
    };
    // The output is silent, but some browsers do not run a node that is not connected.
    source.connect(node).connect(context.destination);
    this.#watchMicrophone(stream, context);
    return { context, node, stream };
  }

  #watchMicrophone(stream: MediaStream, context: AudioContext): void {
    const [track] = stream.getTracks();
    const isCurrent = () => this.#microphone?.stream === stream;
    const tell = () => {
      if (isCurrent()) this.onMicrophonePaused(!!track?.muted || isSuspended(context));
    };
    for (const change of ["mute", "unmute"]) track?.addEventListener(change, tell);
    context.addEventListener("statechange", tell);
    track?.addEventListener("ended", () => {
      if (!isCurrent()) return;
      this.stopRecording();
      this.onMicrophoneLost();
    });
  }

  /** Wait for a worklet's reply to a request, for 300 ms. */
  #reply(request: number): Promise<PlayedPosition[] | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#resolve(request, undefined), REPLY_MS);
      this.#pending.set(request, (positions) => {
        clearTimeout(timer);
        resolve(positions);
      });
    });
  }

  #resolve(request: number, positions: PlayedPosition[] | undefined): void {
    this.#pending.get(request)?.(positions);
    this.#pending.delete(request);
  }

  /** Resolve all requests: the device is gone, so its worklet no longer replies. */
  #resolveAll(): void {
    for (const request of [...this.#pending.keys()]) this.#resolve(request, []);
  }
}

interface Node {
  context: AudioContext;
  node: AudioWorkletNode;
}

/** Return a context at 24 kHz, or at the microphone's own rate where the browser does not convert. */
function listen(stream: MediaStream): { context: AudioContext; source: AudioNode } {
  const context = new AudioContext({ sampleRate: RATE });
  try {
    return { context, source: context.createMediaStreamSource(stream) };
  } catch {
    void context.close();
    const own = new AudioContext();
    return { context: own, source: own.createMediaStreamSource(stream) };
  }
}

const page = (): Document | undefined => globalThis.document;

/** Resume a context, for at most a second. The state of the context tells whether that succeeded. */
async function resume(context: AudioContext | undefined): Promise<void> {
  if (!context || context.state === "running" || context.state === "closed") return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => void (timer = setTimeout(resolve, RESUME_MS)));
  await Promise.race([context.resume().catch(() => {}), late]);
  clearTimeout(timer);
}

/** Safari calls the state `interrupted` while a telephone call has the devices. */
const isSuspended = ({ state }: AudioContext): boolean => state !== "running" && state !== "closed";

const speakerState = (context: AudioContext): LoudspeakerState =>
  isSuspended(context) ? "suspended" : "running";

const latency = (context: AudioContext): number =>
  context.outputLatency || context.baseLatency || 0;

const stop = (stream: MediaStream): void => {
  for (const track of stream.getTracks()) track.stop();
};
