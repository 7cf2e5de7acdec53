// Client-side voice activity: which recorded audio is sent. The recorder's worklet runs it. It is not a judge of
// turns: the server finds where a turn ends, and hears what it needs for that.

const PREROLL = 15; // pieces of 20 ms, sent before the first loud one: 300 ms
const TAIL = 50; // quiet pieces that are sent after speech, so that the server hears its end: 1 s
const ONSET = 2; // loud pieces that open the gate: a click has one
const OPEN_DB = 9; // above the noise
const STAY_DB = 6; // above the noise: lower, so that the end of a word does not close the gate
const QUIETEST_DB = -60; // noise below this does not count
const LOUDEST_NOISE_DB = -35;
const RISE_DB = 0.05; // per piece: how fast the estimate of the noise follows a louder room

/** An energy gate with hysteresis. It follows the noise of the room. */
export class VoiceGate {
  #noise = QUIETEST_DB;
  #loud = 0;
  #quiet = TAIL;
  #preroll: Int16Array[] = [];

  /** Take a piece of 20 ms. Return what to send now. `held`: the server has not found the end of speech yet. */
  push(piece: Int16Array, held: boolean): Int16Array[] {
    const above = this.#measure(piece);
    this.#loud = above > OPEN_DB ? this.#loud + 1 : 0;
    const wasOpen = this.#quiet < TAIL;
    if (this.#loud >= ONSET || (wasOpen && above > STAY_DB)) this.#quiet = 0;
    else if (wasOpen) this.#quiet++;
    if (this.#quiet < TAIL || held) return [...this.#preroll.splice(0), piece];
    this.#preroll.push(piece);
    if (this.#preroll.length > PREROLL) this.#preroll.shift();
    return [];
  }

  /** Return how many dB the piece is above the noise. */
  #measure(piece: Int16Array): number {
    let sum = 0;
    for (const sample of piece) sum += (sample / 32768) ** 2;
    const db = 10 * Math.log10(sum / piece.length + 1e-9);
    const risen = Math.min(this.#noise + RISE_DB, LOUDEST_NOISE_DB);
    this.#noise = Math.max(QUIETEST_DB, Math.min(risen, db));
    return db - this.#noise;
  }
}
