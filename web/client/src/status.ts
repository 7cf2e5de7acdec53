// The status of a call in one word, and the reason for it. A page shows the status, and asks `why` where one
// status has several causes.

import { isPaused } from "./devices";
import type { CallError, ErrorCode } from "./errors";
import { isHeld } from "./microphone";
import type { Turn } from "./turnState";

/** Hands-free, hold to talk, or text only. */
export type Mode = "open" | "push-to-talk" | "text";

export type Link = "idle" | "connecting" | "open" | "reconnecting" | "ended";

/**
 * `idle`: not started. `asking_permission`: the browser may be asking the user for the microphone.
 * `listening`: it is the user's turn. `using_tool`: the assistant waits for a tool. `ended`: it can be started
 * again.
 */
export type Status =
  | "idle"
  | "asking_permission"
  | "connecting"
  | "listening"
  | "thinking"
  | "using_tool"
  | "speaking"
  | "reconnecting"
  | "ended";

/** Reasons other than errors. */
export type Reason =
  | "microphone_off" // while listening: nothing of the user is heard
  | "push_to_talk" // while listening: the talk button is not held
  | "text_only" // while listening: the call has no sound
  | "language_change" // while reconnecting
  | "connection_lost" // while reconnecting
  | "closed" // the page ended the call
  | "hung_up"; // the server ended the call

export type Why = Reason | ErrorCode;

/** Return the status, and its reason where there is one. */
export function explain(turn: Turn): { status: Status; why?: Why } {
  const status = statusOf(turn);
  const why = whyOf(turn, status);
  return why ? { status, why } : { status };
}

/** True from the start of the call to its end. */
export const isLive = ({ link }: Turn): boolean => link !== "idle" && link !== "ended";

/** True if the audio of the microphone goes to the server. */
export const sendsAudio = ({ mode, microphone }: Turn): boolean =>
  microphone.phase === "open" && (mode === "open" || isHeld(microphone));

function statusOf(turn: Turn): Status {
  const { link, microphone } = turn;
  if (link === "reconnecting" || link === "ended") return link;
  const opened = link === "open" ? openStatus(turn) : link;
  const mayAsk = opened === "listening" || link !== "open";
  return microphone.phase === "requesting" && mayAsk ? "asking_permission" : opened;
}

function openStatus(turn: Turn): Status {
  if (isPaused(turn)) return "listening"; // and `why` says that it cannot
  if (isHeld(turn.microphone) && turn.microphone.phase === "open") return "listening";
  if (turn.playing || turn.response?.hasText) return "speaking";
  if (turn.userSpeaking) return "listening";
  if (turn.pageTools || turn.toolRuns.some(({ state }) => state === "running")) return "using_tool";
  return turn.response || turn.request !== "none" ? "thinking" : "listening";
}

function whyOf(turn: Turn, status: Status): Why | undefined {
  const { mode, microphone, error, reason } = turn;
  if (status === "ended") return reason ?? error?.code;
  if (status === "reconnecting")
    return reason ?? (isOfServer(error) ? error.code : "connection_lost");
  if (status !== "listening") return undefined;
  if (isPaused(turn)) return "sound_suspended";
  if (mode === "text") return "text_only";
  if (mode === "push-to-talk") return isHeld(microphone) ? undefined : "push_to_talk";
  const code = /^(microphone|sound)/.test(error?.code ?? "") ? error?.code : undefined;
  return code ?? (microphone.phase === "open" ? undefined : "microphone_off");
}

/** True if the server itself told the call to come again. */
const isOfServer = (error: CallError | undefined): error is CallError =>
  !!error && ["busy", "full", "server"].includes(error.code);
