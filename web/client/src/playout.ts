// What a loudspeaker does with sound that comes in pieces, and the arithmetic of what has been heard.
// Runs inside the player's worklet; knows nothing of it.

/** An item whose sound was cut: how much of it had been played, in milliseconds. */
export interface PlayedPosition {
  item: string;
  ms: number;
}

interface Piece {
  item: string;
  sound: Int16Array;
}

const FADE_MS = 5; // a sudden stop clicks
const LONGEST_S = 600; // what comes beyond ten minutes of unplayed sound is dropped

export class Playout {
  readonly #rate: number;
  #queue: Piece[] = [];
  #offset = 0;
  #waiting = 0;
  #rendered = new Map<string, number>();
  #last = 0;
  #fade = 0;

  /** Sound comes in, and goes out, at `rate` samples per second. */
  constructor(rate: number) {
    this.#rate = rate;
  }

  /** Samples that wait to be played. */
  get waiting(): number {
    return this.#waiting;
  }

  push(item: string, sound: Int16Array): void {
    if (!sound.length || this.#waiting + sound.length > LONGEST_S * this.#rate) return;
    if (!this.#queue.length && !this.#rendered.has(item)) this.#rendered.clear();
    this.#queue.push({ item, sound });
    this.#waiting += sound.length;
  }

  /** Fills `out` with the next samples, silence where there are none. */
  render(out: Float32Array): void {
    let at = 0;
    while (at < out.length) {
      const piece = this.#queue[0];
      if (!piece) break;
      const count = Math.min(out.length - at, piece.sound.length - this.#offset);
      for (let i = 0; i < count; i++) out[at + i] = piece.sound[this.#offset + i]! / 32768;
      at += count;
      this.#offset += count;
      this.#waiting -= count;
      this.#rendered.set(piece.item, (this.#rendered.get(piece.item) ?? 0) + count);
      if (this.#offset === piece.sound.length) {
        this.#queue.shift();
        this.#offset = 0;
      }
    }
    if (at > 0) this.#last = out[at - 1]!;
    const ramp = Math.round((FADE_MS * this.#rate) / 1000);
    for (; at < out.length; at++) out[at] = this.#fade > 0 ? (this.#last * --this.#fade) / ramp : 0;
  }

  /** The item that sounds now and how far it has been rendered, in milliseconds. */
  get position(): PlayedPosition | undefined {
    const item = this.#queue[0]?.item ?? [...this.#rendered.keys()].at(-1);
    return item === undefined ? undefined : { item, ms: this.#ms(item) };
  }

  /** Silence at once. Returns every item that had sound left, in the order of playing. */
  flush(): PlayedPosition[] {
    const items = new Set(this.#queue.map((piece) => piece.item));
    const cuts = [...items].map((item) => ({ item, ms: this.#ms(item) }));
    this.#fade = this.#queue.length ? Math.round((FADE_MS * this.#rate) / 1000) : 0;
    this.#queue = [];
    this.#offset = this.#waiting = 0;
    this.#rendered.clear();
    return cuts;
  }

  #ms(item: string): number {
    return ((this.#rendered.get(item) ?? 0) * 1000) / this.#rate;
  }
}

/** What reached the ear: rendered sound leaves the loudspeaker `latency` seconds later. */
export const heardMs = (renderedMs: number, latency: number): number =>
  Math.max(0, Math.floor(renderedMs - latency * 1000));
