// The two audio worklets: a microphone that hands over pieces of 24 kHz PCM16, and a loudspeaker that
// knows exactly what it has played. One file, so that a page adds one module. No work here but copying
// and arithmetic: it runs on the audio thread.

import { loudness, RATE } from "./pcm";
import { Playout } from "./playout";
import { Resampler } from "./resample";
import type { FromPlayer, FromRecorder, ToPlayer, ToRecorder } from "./sound";

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

  constructor() {
    super();
    this.port.onmessage = ({ data }: MessageEvent<ToRecorder>) => {
      this.#hand(data.drain);
    };
  }

  process([input]: Float32Array[][]): boolean {
    const channel = input?.[0];
    if (!channel) return true;
    const sound = this.#resampler ? this.#resampler.push(channel) : channel;
    for (let i = 0; i < sound.length; i++) {
      const sample = Math.max(-1, Math.min(1, sound[i]!));
      this.#piece[this.#filled++] = sample * 32767;
      if (this.#filled === this.#piece.length) this.#hand();
    }
    return true;
  }

  /** Hands over what has been recorded; an answer to a drain carries its number. */
  #hand(drain?: number): void {
    const pcm = this.#piece.slice(0, this.#filled);
    const message: FromRecorder = { pcm, level: loudness(pcm, 32768) };
    if (drain !== undefined) message.drain = drain;
    this.port.postMessage(message, [pcm.buffer]);
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
        this.#report({ flush: data.flush, cuts: this.#playout.flush() });
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
    const sound = resampler.push(Float32Array.from(pcm));
    return Int16Array.from(sound, (sample) => Math.max(-32768, Math.min(32767, sample)));
  }

  #report(message: FromPlayer): void {
    this.port.postMessage(message);
  }
}

registerProcessor("vivavoce-recorder", Recorder);
registerProcessor("vivavoce-player", Player);
