// Microphone and loudspeaker of a browser. Both must be opened inside a click: browsers insist.

import { RATE } from "./pcm";
import { type PlayedPosition, heardMs } from "./playout";

export type ToRecorder = { drain: number };
export type FromRecorder = { pcm: Int16Array; level: number; drain?: number };
export type ToPlayer = { item: string; pcm: Int16Array } | { flush: number };
export type FromPlayer =
  | { position: PlayedPosition; level: number; drained: boolean }
  | { flush: number; cuts: PlayedPosition[] };

/** How an item's playing goes on: up to where it has been heard, and whether that was all for now. */
export interface PlaybackProgress extends PlayedPosition {
  drained: boolean;
}

/** What a call needs of the world of sound. */
export interface Sound {
  /** Wakes the loudspeaker; call it in a click. */
  wake(): Promise<void>;
  play(item: string, pcm: Int16Array<ArrayBuffer>): void;
  /** Silence at once; tells which items were cut, and where. */
  flush(): Promise<PlayedPosition[]>;
  onProgress: (progress: PlaybackProgress) => void;
  /** Opens the microphone. Rejects as `getUserMedia` does. */
  record(): Promise<void>;
  /** What is recorded, about every 20 ms. */
  onRecorded: (pcm: Int16Array) => void;
  /** The microphone went away by itself: unplugged, or taken back by the person. */
  onMicrophoneLost: () => void;
  /** Hands over the last unfinished piece. */
  drain(): Promise<void>;
  /** Closes the microphone. */
  stopRecording(): void;
  close(): void;
  /** Loudness of the microphone and of the loudspeaker now, 0 to 1. */
  readonly levels: { in: number; out: number };
}

export interface SoundOptions {
  /** Where `@vivavoce/client/worklets` is served from. */
  worklets: string | URL;
  /** Take the loudspeaker's echo out? Asked when the microphone opens; with headphones, better not. */
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
  #asked = new Map<number, (cuts: PlayedPosition[]) => void>();
  #question = 0;

  constructor(options: SoundOptions) {
    this.#options = options;
  }

  async wake(): Promise<void> {
    this.#speaker ??= this.#openSpeaker();
    const { context } = await this.#speaker;
    if (context.state !== "running") await context.resume();
  }

  play(item: string, pcm: Int16Array<ArrayBuffer>): void {
    this.#speaker ??= this.#openSpeaker();
    void this.#speaker.then(({ node }) => {
      node.port.postMessage({ item, pcm } satisfies ToPlayer, [pcm.buffer]);
    });
  }

  async flush(): Promise<PlayedPosition[]> {
    if (!this.#speaker) return [];
    const { context, node } = await this.#speaker;
    const flush = ++this.#question;
    const answer = new Promise<PlayedPosition[]>((resolve) => this.#asked.set(flush, resolve));
    node.port.postMessage({ flush } satisfies ToPlayer);
    const cuts = await answer;
    return cuts.map(({ item, ms }) => ({ item, ms: heardMs(ms, latency(context)) }));
  }

  async record(): Promise<void> {
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

  async drain(): Promise<void> {
    const node = this.#microphone?.node;
    if (!node) return;
    const drain = ++this.#question;
    const answer = new Promise<PlayedPosition[]>((resolve) => this.#asked.set(drain, resolve));
    node.port.postMessage({ drain } satisfies ToRecorder);
    await answer;
  }

  stopRecording(): void {
    if (!this.#microphone) return;
    stop(this.#microphone.stream);
    void this.#microphone.context.close();
    this.#microphone = undefined;
    this.levels.in = 0;
    this.#answerAll();
  }

  close(): void {
    this.stopRecording();
    void this.#speaker?.then(({ context }) => context.close());
    this.#speaker = undefined;
    this.#answerAll();
  }

  async #openSpeaker(): Promise<Node> {
    const context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
    await context.audioWorklet.addModule(this.#options.worklets);
    const node = new AudioWorkletNode(context, "vivavoce-player", { numberOfInputs: 0 });
    node.connect(context.destination);
    node.port.onmessage = ({ data }: MessageEvent<FromPlayer>) => {
      if ("flush" in data) return this.#answer(data.flush, data.cuts);
      const { position, level, drained } = data;
      this.levels.out = drained ? 0 : level;
      const ms = drained ? position.ms : heardMs(position.ms, latency(context));
      this.onProgress({ item: position.item, ms, drained });
    };
    return { context, node };
  }

  async #openMicrophone(stream: MediaStream): Promise<Node & { stream: MediaStream }> {
    const { context, source } = listen(stream);
    await context.audioWorklet.addModule(this.#options.worklets);
    const node = new AudioWorkletNode(context, "vivavoce-recorder");
    node.port.onmessage = ({ data }: MessageEvent<FromRecorder>) => {
      this.levels.in = data.level;
      if (data.pcm.length) this.onRecorded(data.pcm);
      if (data.drain !== undefined) this.#answer(data.drain, []);
    };
    // Its output is silence, but a node that leads nowhere is not run everywhere.
    source.connect(node).connect(context.destination);
    stream.getTracks()[0]?.addEventListener("ended", () => {
      if (this.#microphone?.stream !== stream) return;
      this.stopRecording();
      this.onMicrophoneLost();
    });
    return { context, node, stream };
  }

  #answer(question: number, cuts: PlayedPosition[]): void {
    this.#asked.get(question)?.(cuts);
    this.#asked.delete(question);
  }

  /** Nobody waits for a device that has gone. */
  #answerAll(): void {
    for (const question of [...this.#asked.keys()]) this.#answer(question, []);
  }
}

interface Node {
  context: AudioContext;
  node: AudioWorkletNode;
}

/** A context at 24 kHz, or at the microphone's own rate where a browser does not convert. */
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
