// The errors that a page shows.

import type { ErrorBody } from "./protocol";

export type ErrorCode =
  | "not_signed_in" // the server refused the token, or the page has none
  | "revoked" // an operator revoked the API key or the secret of this call
  | "refused" // the server refuses this call
  | "busy" // the server is full, or a limit of the user is used up
  | "unavailable" // after several attempts the server still cannot serve the call
  | "new_conversation" // the conversation to continue was deleted; the call goes on in a new one
  | "transcription_failed" // the call goes on
  | "network" // after several attempts the server cannot be reached
  | "slow" // the network is too slow: audio of the microphone was dropped
  | "response_failed" // the call goes on
  | "server" // the server sent an error; the call goes on
  | "microphone_refused"
  | "microphone_missing"
  | "microphone_busy"
  | "microphone_insecure"; // neither https nor localhost

export interface CallError {
  readonly code: ErrorCode;
  /** The server's own message, if it sent one. */
  readonly message?: string;
}

/**
 * Thrown by a `token` callback: a retry does not help, or only after `retryAfter` seconds. The call
 * retries after any other exception.
 */
export class Refusal extends Error {
  constructor(
    readonly code: ErrorCode,
    message = "",
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** Make an error. An empty message is left out. */
export const callError = (code: ErrorCode, message?: string): CallError =>
  message ? { code, message } : { code };

/** True if the error says that the server is full or a limit is used up. */
export const isBusy = (error: ErrorBody | null | undefined): boolean =>
  /rate_limit|quota|too_many|busy/.test(`${error?.type} ${error?.code}`);

/** Return the code for an exception of `getUserMedia`. */
export function microphoneErrorCode(error: unknown): ErrorCode {
  switch (error instanceof Error ? error.name : "") {
    case "NotAllowedError":
    case "PermissionDeniedError":
      return "microphone_refused";
    case "NotFoundError":
    case "OverconstrainedError":
      return "microphone_missing";
    case "SecurityError":
      return "microphone_insecure";
    default:
      return "microphone_busy";
  }
}
