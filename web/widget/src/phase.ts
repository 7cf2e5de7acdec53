// The state of a call as the widget shows it. This is the only place that reads the status of the client.

import type { State } from "@vivavoce/client";

export type Phase =
  | "idle"
  | "connecting"
  | "listening"
  | "ready"
  | "thinking"
  | "speaking"
  | "reconnecting"
  | "ended";

/** Return what the call does, as the widget names it. */
export function phaseOf(state: State | undefined): Phase {
  const status = state?.status ?? "idle";
  switch (status) {
    case "asking_permission":
      return "connecting";
    case "using_tool":
      return "thinking";
    case "listening":
      return state?.microphone || state?.userSpeaking ? "listening" : "ready";
    default:
      return status;
  }
}

/** True if the call has a connection, or is making one. */
export const isLive = (phase: Phase): boolean => phase !== "idle" && phase !== "ended";
