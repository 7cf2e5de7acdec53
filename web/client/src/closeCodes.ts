// The meaning of WebSocket close codes. This is the one place that interprets them.

import { busyCode, type CallError, callError, type ErrorCode, isBusy } from "./errors";
import type { ErrorBody } from "./protocol";

/** The codes that the server sends with a meaning of its own. */
export const CloseCode = {
  normal: 1000,
  lost: 1006, // nobody sends it: the connection is gone
  unauthorized: 3000, // the secret was refused, or its credential has ended
  refused: 4000, // the same call would be refused again
} as const;

/** Closes after which the same call can go on over a new connection. */
const RETRYABLE: ReadonlySet<number> = new Set([1001, 1005, 1006, 1011, 1012, 1013, 1015]);

/** Credentials that have ended. The call must not reconnect by itself, not even with a new secret. */
const ENDED: ReadonlyMap<string | null | undefined, ErrorCode> = new Map([
  ["signed_out", "not_signed_in"],
  ["key_revoked", "revoked"],
  ["secret_revoked", "revoked"],
]);

/** What a server that ends a call says in the reason of its close frame. */
const SAID: ReadonlyMap<string, ErrorCode> = new Map([
  ["conversation_deleted", "conversation_deleted"],
  ["conversation_continued_elsewhere", "continued_elsewhere"],
]);

export const mayRetry = (code: number): boolean => RETRYABLE.has(code);

/** What is known of a connection that was closed. */
export interface Close {
  readonly code: number;
  /** The text of the close frame. */
  readonly reason: string;
  /** A session had been created on it. */
  readonly wasOpen: boolean;
  /** The last `error` event that arrived on it. */
  readonly error: ErrorBody | undefined;
  /** The call has not yet replaced its secret since the last session. */
  readonly mayRenewSecret: boolean;
  /** The call continues an existing conversation. */
  readonly continuing: boolean;
}

export type AfterClose =
  | { next: "end" }
  | { next: "renew_secret" }
  | { next: "retry"; error?: CallError }
  | { next: "new_conversation" }
  | { next: "fail"; error: CallError };

/** Decide how a call goes on after its connection was closed. */
export function afterClose(close: Close): AfterClose {
  const { code, reason, wasOpen, error, mayRenewSecret, continuing } = close;
  if (code === CloseCode.normal) return { next: "end" };
  const said = code === CloseCode.refused && SAID.get(reason);
  if (said) return { next: "fail", error: callError(said) };
  const ended = code === CloseCode.unauthorized && ENDED.get(error?.code);
  if (ended) return { next: "fail", error: callError(ended, error?.message) };
  // The secret may have expired between its creation and its use.
  if (code === CloseCode.unauthorized && !wasOpen && mayRenewSecret)
    return { next: "renew_secret" };
  if (mayRetry(code)) {
    if (wasOpen || !error?.message) return { next: "retry" };
    return { next: "retry", error: refusedForNow(error) };
  }
  if (error?.code === "conversation_not_found" && continuing) return { next: "new_conversation" };
  if (isBusy(error)) return { next: "fail", error: callError(busyCode(error), error?.message) };
  const refusal = code === CloseCode.unauthorized ? "not_signed_in" : "refused";
  return { next: "fail", error: callError(refusal, error?.message) };
}

function refusedForNow(error: ErrorBody): CallError {
  const code = isBusy(error) ? busyCode(error) : "server";
  const { message, retry_after: retryAfter } = error;
  return { ...callError(code, message), ...(retryAfter && { retryAfter }) };
}
