// The microphone of a browser, as pieces of 24 kHz PCM16. Browsers open it only inside a click.

import { RATE } from "./rate";
import {
  addWorklets,
  type FromRecorder,
  type Gating,
  isSuspended,
  Replies,
  resume,
  type Running,
  type ToRecorder,
  type WorkletOptions,
} from "./worklet";

export interface RecorderOptions extends WorkletOptions {
  /** Whether to remove the loudspeaker's echo. Read when the microphone opens. Not needed with headphones. */
  echoCancellation?: () => boolean;
  /** The id of the microphone to open; undefined for the default one. Read when the microphone opens. */
  microphone?: () => string | undefined;
}

type Opened = Running & { stream: MediaStream };

/** Records the microphone. It can be started and stopped any number of times. */
export class AudioRecorder {
  /** Loudness now, 0 to 1. */
  level = 0;
  /** Receives the recorded audio, about every 20 ms. */
  onAudio: (pcm: Int16Array) => void = () => {};
  /** Runs when the microphone ends by itself: unplugged, or its permission was taken back. */
  onLost: () => void = () => {};
  /** Receives whether the open microphone is muted or suspended by the system, at every change. */
  onPaused: (paused: boolean) => void = () => {};

  readonly #options: RecorderOptions;
  readonly #replies = new Replies<true>();
  #gating: Gating = { gated: false, held: false };
  #opened: Opened | undefined;
  #opening: Promise<void> | undefined;

  constructor(options: RecorderOptions = {}) {
    this.#options = options;
  }

  /** The microphone's track while it is open, for example to send it over WebRTC. */
  get track(): MediaStreamTrack | undefined {
    return this.#opened?.stream.getTracks()[0];
  }

  /**
   * Open the microphone. Rejects as `getUserMedia` does. While the browser asks the user, further calls wait
   * for the same answer.
   */
  start(): Promise<void> {
    this.#opening ??= this.#openStream().finally(() => void (this.#opening = undefined));
    return this.#opening;
  }

  /** Close the microphone. */
  stop(): void {
    if (!this.#opened) return;
    const { stream, context } = this.#opened;
    this.#opened = undefined; // first: what closes is not paused
    stopTracks(stream);
    void context.close();
    this.level = 0;
    this.#replies.resolveAll(true);
  }

  /** Resume a microphone that the system suspended. Call it in a click. */
  resume(): Promise<void> {
    return resume(this.#opened?.context);
  }

  /** Deliver only what sounds like speech, or everything again. */
  gate(gating: Partial<Gating>): void {
    this.#gating = { ...this.#gating, ...gating };
    this.#opened?.node.port.postMessage(this.#gating satisfies ToRecorder);
  }

  /** Deliver the last unfinished piece of recorded audio. */
  async drain(): Promise<void> {
    const node = this.#opened?.node;
    if (!node) return;
    const { request, reply } = this.#replies.expect();
    node.port.postMessage({ drain: request } satisfies ToRecorder);
    await reply;
  }

  async #openStream(): Promise<void> {
    if (this.#opened) return;
    if (!navigator.mediaDevices) throw new DOMException("no microphone here", "SecurityError");
    const device = this.#options.microphone?.();
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: {
        channelCount: 1,
        echoCancellation: this.#options.echoCancellation?.() ?? true,
        noiseSuppression: true,
        autoGainControl: true,
        ...(device && { deviceId: device }), // another one opens if it is unplugged
      },
    });
    try {
      this.#opened = await this.#open(stream);
      if (stream.getTracks()[0]?.muted) this.onPaused(true);
    } catch (error) {
      stopTracks(stream);
      throw error;
    }
  }

  async #open(stream: MediaStream): Promise<Opened> {
    const { context, source } = listen(stream);
    await addWorklets(context, this.#options);
    const node = new AudioWorkletNode(context, "vivavoce-recorder");
    node.port.onmessage = ({ data }: MessageEvent<FromRecorder>) => {
      this.level = data.level;
      for (const pcm of data.pieces) if (pcm.length) this.onAudio(pcm);
      if (data.drain !== undefined) this.#replies.resolve(data.drain, true);
    };
    node.port.postMessage(this.#gating satisfies ToRecorder);
    // The output is silent, but some browsers do not run a node that is not connected.
    source.connect(node).connect(context.destination);
    this.#watch(stream, context);
    return { context, node, stream };
  }

  #watch(stream: MediaStream, context: AudioContext): void {
    const [track] = stream.getTracks();
    const isCurrent = () => this.#opened?.stream === stream;
    const tell = () => {
      if (isCurrent()) this.onPaused(!!track?.muted || isSuspended(context));
    };
    for (const change of ["mute", "unmute"]) track?.addEventListener(change, tell);
    context.addEventListener("statechange", tell);
    track?.addEventListener("ended", () => {
      if (!isCurrent()) return;
      this.stop();
      this.onLost();
    });
  }
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

const stopTracks = (stream: MediaStream): void => {
  for (const track of stream.getTracks()) track.stop();
};
