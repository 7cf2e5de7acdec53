// The errors that a page shows.

import type { ErrorBody } from "./protocol";

export type ErrorCode =
  | "not_signed_in" // the server refused the token, or the page has none
  | "revoked" // an operator revoked the API key or the secret of this call
  | "refused" // the server refuses this call
  | "busy" // the server takes no voice call now; a text session may still begin
  | "full" // a limit is used up, for text sessions too
  | "unavailable" // after several attempts the server still cannot serve the call
  | "origin_not_allowed" // the server does not know the address of the page as its own
  | "upgrade_missing" // HTTP reaches the server, and WebSockets do not: a proxy, or an unknown origin
  | "webrtc_unavailable" // the page wants WebRTC only, and the browser, the network or the server has none
  | "new_conversation" // the conversation to continue was deleted; the call goes on in a new one
  | "conversation_deleted" // it was deleted during the call, which ended
  | "continued_elsewhere" // another call took the conversation over, and this one ended
  | "transcription_failed" // the call goes on
  | "network" // after several attempts the server cannot be reached
  | "slow" // the network is too slow: audio of the microphone was dropped
  | "response_failed" // the call goes on
  | "server" // the server sent an error; the call goes on
  | "sound_insecure" // neither https nor localhost: the browser plays no answers
  | "sound_failed" // the loudspeaker could not be opened
  | "sound_suspended" // the browser or the system has paused the microphone or the loudspeaker
  | "microphone_refused"
  | "microphone_missing"
  | "microphone_changed" // the microphone was unplugged, and the call goes on with the default one
  | "microphone_busy"
  | "microphone_insecure"; // neither https nor localhost

export interface CallError {
  readonly code: ErrorCode;
  /** The server's own message, if it sent one. */
  readonly message?: string;
  /** Seconds that the call waits before it tries again, where the server named them. */
  readonly retryAfter?: number;
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

/**
 * Return the code for an error that is busy. The server answers `server_busy` where only voice calls have
 * to wait. Other limits count text sessions too.
 */
export const busyCode = (error: ErrorBody | null | undefined): "busy" | "full" =>
  error?.code === "server_busy" ? "busy" : "full";
