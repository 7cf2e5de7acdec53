// The two audio worklets. The recorder delivers pieces of 24 kHz PCM16, the player counts exactly what it has
// played. Both are in one file, so that a page adds one module. They run on the audio thread, so they only
// copy and calculate.

import { loudness } from "./loudness";
import { Playout } from "./playout";
import { RATE } from "./rate";
import { Resampler } from "./resample";
import { VoiceGate } from "./voiceGate";
import type { FromPlayer, FromRecorder, Gating, ToPlayer, ToRecorder } from "./worklet";

declare const sampleRate: number;
declare function registerProcessor(name: string, processor: unknown): void;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

const PIECE_MS = 20;
const REPORT_MS = 40;

class Recorder extends AudioWorkletProcessor {
  readonly #resampler = sampleRate === RATE ? undefined : new Resampler(sampleRate, RATE);
  #piece = new Int16Array((RATE * PIECE_MS) / 1000);
  #filled = 0;
  readonly #gate = new VoiceGate();
  #gating: Gating = { gated: false, held: false };

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<ToRecorder>) => {
      if ("drain" in data) this.#deliver(data.drain);
      else this.#gating = data;
    };
  }

  process([input]: Float32Array[][]): boolean {
    const channel = input?.[0];
    if (!channel) return true;
    const samples = this.#resampler ? this.#resampler.push(channel) : channel;
    for (let i = 0; i < samples.length; i++) {
      const sample = Math.max(-1, Math.min(1, samples[i]!));
      this.#piece[this.#filled++] = sample * 32767;
      if (this.#filled === this.#piece.length) this.#deliver();
    }
    return true;
  }

  /** Deliver the recorded audio. The reply to a drain carries the number of its request. */
  #deliver(drain?: number): void {
    const pcm = this.#piece.slice(0, this.#filled);
    const level = loudness(pcm, 32768);
    const { gated, held } = this.#gating;
    // What a drain asks for is sent in any case.
    const pieces = gated && drain === undefined ? this.#gate.push(pcm, held) : [pcm];
    const message: FromRecorder = { pieces, level };
    if (drain !== undefined) message.drain = drain;
    this.port.postMessage(
      message,
      pieces.map(({ buffer }) => buffer),
    );
    this.#filled = 0;
  }
}

class Player extends AudioWorkletProcessor {
  readonly #playout = new Playout(sampleRate);
  #resampler = new Map<string, Resampler>();
  #since = 0;
  #busy = false;

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<ToPlayer>) => {
      if ("flush" in data) {
        this.#report({ flush: data.flush, positions: this.#playout.flush() });
        this.#resampler.clear();
      } else this.#playout.push(data.item, this.#resample(data.item, data.pcm));
    };
  }

  process(_inputs: Float32Array[][], [output]: Float32Array[][]): boolean {
    const [channel] = output!;
    this.#playout.render(channel!);
    for (const other of output!.slice(1)) other.set(channel!);
    const busy = this.#playout.waiting > 0;
    this.#since += channel!.length;
    if (busy !== this.#busy || (busy && this.#since >= (sampleRate * REPORT_MS) / 1000)) {
      const position = this.#playout.position;
      const level = loudness(channel!, 1);
      if (position) this.#report({ position, level, drained: !busy });
      this.#busy = busy;
      this.#since = 0;
    }
    return true;
  }

  #resample(item: string, pcm: Int16Array): Int16Array {
    if (sampleRate === RATE) return pcm;
    let resampler = this.#resampler.get(item);
    if (!resampler) {
      resampler = new Resampler(RATE, sampleRate);
      this.#resampler = new Map([[item, resampler]]);
    }
    const samples = resampler.push(Float32Array.from(pcm));
    return Int16Array.from(samples, (sample) => Math.max(-32768, Math.min(32767, sample)));
  }

  #report(message: FromPlayer): void {
    this.port.postMessage(message);
  }
}

registerProcessor("vivavoce-recorder", Recorder);
registerProcessor("vivavoce-player", Player);
