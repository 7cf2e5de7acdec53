// Why a microphone does not open. A call loads this with the microphone.

import type { ErrorCode } from "./errors";

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
