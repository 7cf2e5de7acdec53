// Reconnecting: how long to wait before the next attempt, and after how many attempts to give up.

import { busyCode, type CallError, callError, isBusy } from "./errors";
import type { ErrorBody } from "./protocol";

const FIRST_DELAY_MS = 400;
const MAX_DELAY_MS = 10_000;
const MAX_ATTEMPTS = 12; // about 90 s, for a network that was lost during a call
const FEW_ATTEMPTS = 5; // about 10 s, for a server that sent an error or never opened a session

/** Milliseconds before attempt 0, 1, 2…: doubled each time, of which 50 % to 100 % by chance. */
export function delay(attempt: number, random: () => number): number {
  const longest = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt);
  return longest * (0.5 + random() / 2);
}

export type NextAttempt = { waitMs: number } | { giveUp: CallError };

/** Decide on the next attempt after `attempts` failed ones. `error` is the last error of the server. */
export function nextAttempt(
  attempts: number,
  hadSession: boolean,
  error: ErrorBody | undefined,
  random: () => number,
): NextAttempt {
  const message = error?.message;
  if (attempts >= (hadSession && !message ? MAX_ATTEMPTS : FEW_ATTEMPTS)) {
    const code = isBusy(error) ? busyCode(error) : message ? "unavailable" : "network";
    return { giveUp: callError(code, message) };
  }
  // The server knows when it has room again. A longer wait would leave the room to others.
  if (error?.retry_after) return { waitMs: error.retry_after * 1000 };
  return { waitMs: delay(attempts, random) };
}
