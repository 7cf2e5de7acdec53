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

/** The audio devices, as a call uses them. */
export interface Sound {
  /** Open or resume the loudspeaker. Call it in a click. */
  wake(): Promise<void>;
  play(item: string, pcm: Int16Array<ArrayBuffer>): void;
  /** Stop playback at once. Return the items that had audio left, and where each was cut. */
  flush(): Promise<PlayedPosition[]>;
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
  /** Address of `@vivavoce/client/worklets`. */
  worklets: string | URL;
  /** Whether to remove the loudspeaker's echo. Read when the microphone opens. Not needed with headphones. */
  echoCancellation?: () => boolean;
}

export class BrowserSound implements Sound {
  readonly levels = { in: 0, out: 0 };
  onProgress: (progress: PlaybackProgress) => void = () => {};
  onRecorded: (pcm: Int16Array) => void = () => {};
  onMicrophoneLost: () => void = () => {};

  readonly #options: SoundOptions;
  #speaker: Promise<Node> | undefined;
  #microphone: (Node & { stream: MediaStream }) | undefined;
  #opening: Promise<void> | undefined;
  #pending = new Map<number, (positions: PlayedPosition[]) => void>();
  #lastRequest = 0;

  constructor(options: SoundOptions) {
    this.#options = options;
  }

  async wake(): Promise<void> {
    const { context } = await this.#useSpeaker();
    if (context.state !== "running") await context.resume();
  }

  play(item: string, pcm: Int16Array<ArrayBuffer>): void {
    void this.#useSpeaker().then(({ node }) => {
      node.port.postMessage({ item, pcm } satisfies ToPlayer, [pcm.buffer]);
    });
  }

  async flush(): Promise<PlayedPosition[]> {
    const opened = this.#speaker;
    const speaker = await opened?.catch(() => undefined);
    if (!speaker || this.#speaker !== opened) return []; // closed in the meantime
    const { context, node } = speaker;
    const flush = ++this.#lastRequest;
    const reply = this.#reply(flush);
    node.port.postMessage({ flush } satisfies ToPlayer);
    const positions = await reply;
    return positions.map(({ item, ms }) => ({ item, ms: heardMs(ms, latency(context)) }));
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
    stop(this.#microphone.stream);
    void this.#microphone.context.close();
    this.#microphone = undefined;
    this.levels.in = 0;
    this.#resolveAll();
  }

  close(): void {
    this.stopRecording();
    void this.#speaker?.then(({ context }) => context.close());
    this.#speaker = undefined;
    this.#resolveAll();
  }

  /** Open the loudspeaker once. A failure is forgotten, so that the next click tries again. */
  #useSpeaker(): Promise<Node> {
    if (this.#speaker) return this.#speaker;
    const opening = this.#openSpeaker();
    this.#speaker = opening;
    opening.catch(() => {
      if (this.#speaker === opening) this.#speaker = undefined;
    });
    return opening;
  }

  async #openSpeaker(): Promise<Node> {
    const context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    await this.#addWorklets(context);
    const node = new AudioWorkletNode(context, "vivavoce-player", { numberOfInputs: 0 });
    node.connect(context.destination);
    node.port.onmessage = ({ data }: MessageEvent<FromPlayer>) => {
      if ("flush" in data) return this.#resolve(data.flush, data.positions);
      const { position, level, drained } = data;
      this.levels.out = drained ? 0 : level;
      const ms = drained ? position.ms : heardMs(position.ms, latency(context));
      this.onProgress({ item: position.item, ms, drained });
    };
    return { context, node };
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
    } catch (error) {
      stop(stream);
      throw error;
    }
  }

  async #addWorklets(context: AudioContext): Promise<void> {
    try {
      await context.audioWorklet.addModule(this.#options.worklets);
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
    stream.getTracks()[0]?.addEventListener("ended", () => {
      if (this.#microphone?.stream !== stream) return;
      this.stopRecording();
      this.onMicrophoneLost();
    });
    return { context, node, stream };
  }

  /** Wait for a worklet's reply to a request. */
  #reply(request: number): Promise<PlayedPosition[]> {
    return new Promise((resolve) => this.#pending.set(request, resolve));
  }

  #resolve(request: number, positions: PlayedPosition[]): void {
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

const latency = (context: AudioContext): number => context.outputLatency || context.baseLatency || 0;

const stop = (stream: MediaStream): void => {
  for (const track of stream.getTracks()) track.stop();
};
