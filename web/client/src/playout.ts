// The playback queue of the loudspeaker. It counts the samples of each item as it renders them, so it knows
// how much of each item the user has heard. The player's worklet runs it.

/** How much of an item has been played, in milliseconds. */
export interface PlayedPosition {
  item: string;
  ms: number;
}

interface Piece {
  item: string;
  pcm: Int16Array;
}

const FADE_MS = 5; // a sudden stop clicks
const MAX_WAITING_S = 600; // further audio is dropped

export class Playout {
  readonly #rate: number;
  #queue: Piece[] = [];
  #offset = 0;
  #waiting = 0;
  #rendered = new Map<string, number>();
  #last = 0;
  #fade = 0;

  /** Take and render audio at `rate` samples per second. */
  constructor(rate: number) {
    this.#rate = rate;
  }

  /** Number of samples that wait to be played. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Queue audio of an item. Beyond ten minutes it is dropped. */
  push(item: string, pcm: Int16Array): void {
    if (!pcm.length || this.#waiting + pcm.length > MAX_WAITING_S * this.#rate) return;
    if (!this.#queue.length && !this.#rendered.has(item)) this.#rendered.clear();
    this.#queue.push({ item, pcm });
    this.#waiting += pcm.length;
  }

  /** Fill `out` with the next samples, and with silence where there are none. */
  render(out: Float32Array): void {
    let at = 0;
    while (at < out.length) {
      const piece = this.#queue[0];
      if (!piece) break;
      const count = Math.min(out.length - at, piece.pcm.length - this.#offset);
      for (let i = 0; i < count; i++) out[at + i] = piece.pcm[this.#offset + i]! / 32768;
      at += count;
      this.#offset += count;
      this.#waiting -= count;
      this.#rendered.set(piece.item, (this.#rendered.get(piece.item) ?? 0) + count);
      if (this.#offset === piece.pcm.length) {
        this.#queue.shift();
        this.#offset = 0;
      }
    }
    if (at > 0) this.#last = out[at - 1]!;
    const ramp = Math.round((FADE_MS * this.#rate) / 1000);
    for (; at < out.length; at++) out[at] = this.#fade > 0 ? (this.#last * --this.#fade) / ramp : 0;
  }

  /** The item that is playing, and how far it has been rendered. */
  get position(): PlayedPosition | undefined {
    const item = this.#queue[0]?.item ?? [...this.#rendered.keys()].at(-1);
    return item === undefined ? undefined : { item, ms: this.#ms(item) };
  }

  /** Drop all audio. Return every item that had audio left, in the order of playback. */
  flush(): PlayedPosition[] {
    const items = new Set(this.#queue.map((piece) => piece.item));
    const positions = [...items].map((item) => ({ item, ms: this.#ms(item) }));
    this.#fade = this.#queue.length ? Math.round((FADE_MS * this.#rate) / 1000) : 0;
    this.#queue = [];
    this.#offset = this.#waiting = 0;
    this.#rendered.clear();
    return positions;
  }

  #ms(item: string): number {
    return ((this.#rendered.get(item) ?? 0) * 1000) / this.#rate;
  }
}

/** Return the ms that the user has heard: rendered audio leaves the loudspeaker `latency` seconds later. */
export const heardMs = (renderedMs: number, latency: number): number =>
  Math.max(0, Math.floor(renderedMs - latency * 1000));
