// Resampling of a stream, for browsers that do not run an audio context at 24 kHz. The filter is a windowed
// sinc of 16 zero crossings. From 48 to 24 kHz it delays the audio by a third of a millisecond.

const CROSSINGS = 8;

export class Resampler {
  readonly #step: number;
  readonly #cutoff: number;
  readonly #reach: number;
  #kept: Float32Array;
  #at: number;

  constructor(from: number, to: number) {
    this.#step = from / to;
    this.#cutoff = Math.min(1, to / from) * 0.94;
    this.#reach = Math.ceil(CROSSINGS / this.#cutoff);
    this.#kept = new Float32Array(this.#reach);
    this.#at = this.#reach;
  }

  /** Return the samples that `input` completes. */
  push(input: Float32Array): Float32Array {
    const all = new Float32Array(this.#kept.length + input.length);
    all.set(this.#kept);
    all.set(input, this.#kept.length);
    const available = all.length - this.#reach - this.#at;
    const out = new Float32Array(Math.max(0, Math.ceil(available / this.#step)));
    for (let i = 0; i < out.length; i++, this.#at += this.#step)
      out[i] = this.#sample(all, this.#at);
    const start = Math.floor(this.#at) - this.#reach;
    this.#kept = all.slice(start);
    this.#at -= start;
    return out;
  }

  #sample(all: Float32Array, at: number): number {
    let sum = 0;
    for (let k = Math.floor(at) - this.#reach + 1; k <= Math.floor(at) + this.#reach; k++)
      sum += (all[k] ?? 0) * this.#kernel(at - k);
    return sum;
  }

  #kernel(distance: number): number {
    if (Math.abs(distance) >= this.#reach) return 0;
    const x = Math.PI * distance * this.#cutoff;
    const window = Math.cos((Math.PI * distance) / (2 * this.#reach)) ** 2;
    return this.#cutoff * (x === 0 ? 1 : Math.sin(x) / x) * window;
  }
}
