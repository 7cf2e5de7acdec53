// What a page needs to know of a call, and how the many facts of a call become one word.

import type { Line } from "./captions";
import type { Conversation } from "./conversation";

/** Hands-free, hold to talk, or in writing only. */
export type Mode = "open" | "push-to-talk" | "text";

export type Status =
  | "idle"
  | "connecting"
  | "ready"
  | "listening"
  | "thinking"
  | "speaking"
  | "reconnecting"
  | "failed";

export type ErrorCode =
  | "not_signed_in" // the token was refused, or nobody gives one
  | "revoked" // whoever runs the server ended it: its key or secret is no good any more
  | "refused" // the server will not have this call
  | "busy" // too many calls, or too much used
  | "unavailable" // the server says that it cannot serve the call now, again and again
  | "new_conversation" // the one to be continued is not there any more; the call goes on in a new one
  | "transcription_failed" // what was said could not be turned into words; the call goes on
  | "network" // could not be reached, again and again
  | "slow" // the network does not keep up; some of what was said was not sent
  | "response_failed" // an answer failed; the call goes on
  | "server" // the server complained; the call goes on
  | "microphone_refused"
  | "microphone_missing"
  | "microphone_busy"
  | "microphone_insecure"; // neither https nor localhost

export interface CallError {
  readonly code: ErrorCode;
  /** The server's own words, if it had any. */
  readonly message?: string;
}

export interface State {
  readonly status: Status;
  readonly mode: Mode;
  /** The conversation exactly as the protocol has it. */
  readonly items: Conversation;
  /** The same for reading, with what is being said just now. */
  readonly lines: readonly Line[];
  /** The microphone is open. */
  readonly microphone: boolean;
  /** It is being opened: the browser may be asking the person. */
  readonly requestingMicrophone: boolean;
  /** The person is speaking. */
  readonly userSpeaking: boolean;
  readonly conversationId?: string;
  readonly error?: CallError;
}

/** Facts that decide what a call is doing. */
export interface Facts {
  link: "idle" | "connecting" | "open" | "reconnecting" | "failed";
  /** A response was asked for, or runs. */
  answering: boolean;
  /** It has begun to sound, or to be written. */
  sounding: boolean;
  userSpeaking: boolean;
  /** What the microphone takes goes to the server. */
  sending: boolean;
}

export function status({ link, answering, sounding, userSpeaking, sending }: Facts): Status {
  if (link !== "open") return link;
  if (sounding) return "speaking";
  if (userSpeaking) return "listening";
  if (answering) return "thinking";
  return sending ? "listening" : "ready";
}

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
