// The status of a chat. This is the only place that reads the status of the client.

import type { State } from "@vivavoce/client";

export type ChatStatus =
  | "idle"
  | "asking_permission"
  | "connecting"
  | "listening"
  | "thinking"
  | "using_tool"
  | "speaking"
  | "reconnecting"
  | "ended";

/** Return the status of a call. Without a call: `idle`. */
export function statusOf(state: State | undefined): ChatStatus {
  if (!state) return "idle";
  const status: string = state.status;
  switch (status) {
    case "failed":
      return "ended";
    case "ready":
    case "paused":
      return state.requestingMicrophone ? "asking_permission" : "listening";
    case "thinking":
      return state.toolCards.some((card) => card.state === "running") ? "using_tool" : "thinking";
    default:
      return status as ChatStatus;
  }
}

const CONNECTED: ReadonlySet<ChatStatus> = new Set([
  "asking_permission",
  "listening",
  "thinking",
  "using_tool",
  "speaking",
]);

/** True if the call has a session. */
export const isConnected = (status: ChatStatus): boolean => CONNECTED.has(status);

/** True if a connection is being made. */
export const isLoading = (status: ChatStatus): boolean =>
  status === "connecting" || status === "reconnecting";
