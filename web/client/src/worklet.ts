// What the two audio worklets share: their module, their replies to requests, and the state of their context.

import type { PlayedPosition } from "./playout";

/** `gated`: only what sounds like speech is sent. `held`: and what comes after it, as long as this is true. */
export type Gating = { gated: boolean; held: boolean };
export type ToRecorder = { drain: number } | Gating;
export type FromRecorder = { pieces: Int16Array[]; level: number; drain?: number };
export type ToPlayer = { item: string; pcm: Int16Array } | { flush: number };
export type FromPlayer =
  | { position: PlayedPosition; level: number; drained: boolean }
  | { flush: number; positions: PlayedPosition[] };

export interface WorkletOptions {
  /** Address of `@vivavoce/client/worklets`. By default `worklets.js` beside the client's own file. */
  worklets?: string | URL;
}

/** A worklet, and the context that runs it. */
export interface Running {
  readonly context: AudioContext;
  readonly node: AudioWorkletNode;
}

export const REPLY_MS = 300; // a suspended device does not reply
const RESUME_MS = 1000; // without a click a browser never resumes, and never says so

// In the package, `worklets.js` is the file beside. A page that is built from the sources names its own.
const WORKLETS = new URL(/* @vite-ignore */ "./worklets.js", import.meta.url);

/** Load the worklets into a context. Without https a browser has none. A failure closes the context. */
export async function addWorklets(
  context: AudioContext,
  { worklets = WORKLETS }: WorkletOptions,
): Promise<void> {
  try {
    await context.audioWorklet.addModule(worklets);
  } catch (error) {
    void context.close();
    throw error;
  }
}

/** Resume a context, for at most a second. The state of the context tells whether that succeeded. */
export async function resume(context: AudioContext | undefined): Promise<void> {
  if (!context || context.state === "running" || context.state === "closed") return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => void (timer = setTimeout(resolve, RESUME_MS)));
  await Promise.race([context.resume().catch(() => {}), late]);
  clearTimeout(timer);
}

/** Safari calls the state `interrupted` while a telephone call has the devices. */
export const isSuspended = ({ state }: AudioContext): boolean =>
  state !== "running" && state !== "closed";

/** Requests to a worklet that wait for a reply. */
export class Replies<T> {
  readonly #waiting = new Map<number, (reply: T | undefined) => void>();
  #last = 0;

  /** Return the number of a new request, and its reply: undefined if none comes within 300 ms. */
  expect(): { request: number; reply: Promise<T | undefined> } {
    const request = ++this.#last;
    const reply = new Promise<T | undefined>((resolve) => {
      const timer = setTimeout(() => this.resolve(request, undefined), REPLY_MS);
      this.#waiting.set(request, (value) => {
        clearTimeout(timer);
        resolve(value);
      });
    });
    return { request, reply };
  }

  resolve(request: number, reply: T | undefined): void {
    this.#waiting.get(request)?.(reply);
    this.#waiting.delete(request);
  }

  /** Resolve all requests: the device is gone, so its worklet no longer replies. */
  resolveAll(reply: T): void {
    for (const request of [...this.#waiting.keys()]) this.resolve(request, reply);
  }
}
