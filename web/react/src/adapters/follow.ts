// The common part of the adapters: a call, and its lines one by one.

import {
  type Call,
  type CallOptions,
  type Line,
  prepare as prepareCall,
  type SoundOptions,
  type State,
} from "@vivavoce/client";
import { type ChatStatus, isConnected, statusOf } from "../status";

export interface AdapterOptions extends CallOptions, SoundOptions {
  /** Makes the call, for tests. */
  prepare?: (options: CallOptions & SoundOptions) => Call;
}

export interface Followed {
  onStatus?: (status: ChatStatus, before: ChatStatus) => void;
  /** A line is new or has changed. `typed`: the user wrote it. */
  onLine?: (line: Line, typed: boolean) => void;
}

/** Make a call that the caller starts. */
export const callOf = ({ prepare = prepareCall, ...options }: AdapterOptions): Call =>
  prepare(options);

/** Tell of every change of a call. Return a function that ends this. */
export function follow(call: Call, { onStatus, onLine }: Followed): () => void {
  const known = new Map(call.state.lines.map((line) => [line.id, line]));
  let status = statusOf(call.state);
  return call.subscribe(() => {
    for (const line of call.state.lines) {
      if (known.get(line.id) === line) continue;
      known.set(line.id, line);
      onLine?.(line, isTyped(line, call.state));
    }
    const before = status;
    status = statusOf(call.state);
    if (status !== before) onStatus?.(status, before);
  });
}

/** True if the user wrote this line: its item has no audio, or it waits to become an item. */
function isTyped({ id, role, status }: Line, { items }: State): boolean {
  const item = items.find((one) => one.id === id);
  if (role !== "user") return false;
  if (item?.type !== "message") return status === "unsent" || status === "done";
  return item.content.every(({ type }) => type !== "input_audio");
}

/** Return a function that runs `run` for each value after the run before has ended. */
export function inOrder<Value>(run: (value: Value) => unknown): (value: Value) => void {
  let last: Promise<unknown> = Promise.resolve();
  return (value) => void (last = last.then(() => run(value)).catch(() => {}));
}

/** Start a call, and wait for its session. Rejects if the call ends before. Run it in a click. */
export function started(call: Call): Promise<void> {
  return new Promise((resolve, reject) => {
    const unsubscribe = call.subscribe(() => {
      const status = statusOf(call.state);
      if (status !== "ended" && !isConnected(status)) return;
      unsubscribe();
      const { error } = call.state;
      if (status === "ended") reject(new Error(error?.message || (error?.code ?? "ended")));
      else resolve();
    });
    call.start();
  });
}
