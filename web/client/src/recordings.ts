// The audio of the user's own turns, so that a page can draw, play and save them. It is kept in memory, for as
// long as the page is open and within bounds.

import { RATE } from "./rate";
import type { ServerEvent } from "./protocol";

const MAX_TURN_S = 60; // of a longer turn the beginning is dropped
const REPORTED_MS = 1000; // a server is surer of speech after some of it, and the report is on its way
const MAX_KEPT_S = 300; // of all turns; the oldest are dropped

/** The audio of one turn: PCM16 at 24 kHz. `@vivavoce/client/audio` draws it and makes a file of it. */
export type Recording = Int16Array<ArrayBuffer>;

/** Cuts the audio that a call sends into turns. Positions count from the start of the session, as the server's do. */
export class Recordings {
  readonly #turns = new Map<string, Recording>();
  #pieces: Int16Array[] = [];
  #sent = 0; // samples since the start of the session
  #from = 0; // the first sample of the turn that has not been committed
  #end: number | undefined;

  /** Keep audio that was sent. */
  add(pcm: Int16Array): void {
    this.#pieces.push(pcm);
    this.#sent += pcm.length;
    let kept = this.#pieces.reduce((sum, piece) => sum + piece.length, 0);
    while (kept - this.#pieces[0]!.length >= MAX_TURN_S * RATE)
      kept -= this.#pieces.shift()!.length;
  }

  /** Follow the events that begin and end a turn. `exact`: the server counts what `add` was given. */
  note(event: ServerEvent, exact: boolean): void {
    switch (event.type) {
      case "session.created":
        return this.#restart();
      case "input_audio_buffer.speech_started":
        this.#from = (exact ? samples(event.audio_start_ms) : undefined) ?? this.#about(this.#sent);
        return;
      case "input_audio_buffer.speech_stopped":
        this.#end = exact ? samples(event.audio_end_ms) : undefined;
        return;
      case "input_audio_buffer.committed":
        return this.#keep(event.item_id);
    }
  }

  /** Return the audio of the user's item; undefined if it was typed, is too old, or of an earlier page. */
  of(itemId: string): Recording | undefined {
    return this.#turns.get(itemId);
  }

  /** Return where speech began that is reported now. */
  #about(now: number): number {
    return Math.max(this.#from, now - REPORTED_MS * (RATE / 1000));
  }

  #keep(itemId: string): void {
    const end = Math.min(this.#end ?? this.#sent, this.#sent);
    const pcm = this.#slice(this.#from, end);
    this.#from = end;
    this.#end = undefined;
    if (!pcm.length) return;
    this.#turns.set(itemId, pcm);
    let kept = [...this.#turns.values()].reduce((sum, turn) => sum + turn.length, 0);
    for (const [oldest, turn] of this.#turns) {
      if (kept <= MAX_KEPT_S * RATE) break;
      this.#turns.delete(oldest);
      kept -= turn.length;
    }
  }

  #slice(from: number, to: number): Int16Array<ArrayBuffer> {
    const all = new Int16Array(this.#pieces.reduce((sum, piece) => sum + piece.length, 0));
    let at = 0;
    for (const piece of this.#pieces) {
      all.set(piece, at);
      at += piece.length;
    }
    const first = this.#sent - all.length;
    return all.slice(Math.max(0, from - first), Math.max(0, to - first));
  }

  #restart(): void {
    this.#pieces = [];
    this.#sent = this.#from = 0;
    this.#end = undefined;
  }
}

const samples = (ms: number | undefined): number | undefined =>
  ms === undefined ? undefined : Math.round((ms * RATE) / 1000);
