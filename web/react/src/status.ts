// The status of a chat. This is the only place that reads the status of the client.

import type { State } from "@vivavoce/client";

export type ChatStatus = State["status"];

/** Return the status of a call. Without a call: `idle`. */
export const statusOf = (state: State | undefined): ChatStatus => state?.status ?? "idle";

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
