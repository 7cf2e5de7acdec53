// The buttons that help the user after each error. Every error has at least one button.

import type { ErrorCode, Mode } from "@vivavoce/client";

/** `earlier`: open the list of conversations. `check`: open the page that checks the device and the network. */
export type ErrorAction =
  | "retry"
  | "microphone"
  | "resume"
  | "sign_in"
  | "begin_anew"
  | "continue_here"
  | "earlier"
  | "write"
  | "check";

export const ERROR_ACTIONS: Record<ErrorCode, readonly ErrorAction[]> = {
  not_signed_in: ["sign_in"],
  revoked: ["retry"],
  refused: ["retry"],
  busy: ["write", "retry"],
  full: ["retry"],
  unavailable: ["retry"],
  origin_not_allowed: ["retry"],
  upgrade_missing: ["retry", "check"],
  webrtc_unavailable: ["retry", "check"],
  conversation_deleted: ["begin_anew"],
  continued_elsewhere: ["continue_here"],
  sound_insecure: ["write", "check"],
  sound_failed: ["resume", "write", "check"],
  sound_suspended: ["resume"],
  new_conversation: ["earlier"],
  transcription_failed: ["write", "check"],
  network: ["retry", "check"],
  slow: ["check"],
  response_failed: ["check"],
  server: ["check"],
  microphone_refused: ["microphone", "write", "check"],
  microphone_missing: ["microphone", "write", "check"],
  microphone_busy: ["microphone", "write", "check"],
  microphone_changed: ["check"],
  microphone_insecure: ["write", "check"],
};

/** Return the buttons of an error. `waiting`: the call tries again by itself. */
export const actionsFor = (code: ErrorCode, mode: Mode, waiting: boolean): readonly ErrorAction[] =>
  ERROR_ACTIONS[code].filter(
    (action) => !(action === "write" && mode === "text") && !(action === "retry" && waiting),
  );
