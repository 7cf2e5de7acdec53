// An error in one sentence, with buttons for what the user can do about it. A button is only offered where it
// can help.

import type { CallError, ErrorCode, Mode } from "@vivavoce/client";
import type { Strings } from "./strings";

/** Errors after which the call waits for the user to start it again. */
const RESTARTABLE = new Set<ErrorCode>([
  "network",
  "unavailable",
  "upgrade_missing",
  "webrtc_unavailable",
  "origin_not_allowed",
  "revoked",
  "refused",
  "busy",
  "full",
]);

/** Errors that do not concern text sessions. */
const WRITING_HELPS = new Set<ErrorCode>([
  "busy",
  "transcription_failed",
  "sound_insecure",
  "sound_failed",
  "microphone_refused",
  "microphone_missing",
  "microphone_busy",
  "microphone_insecure",
]);

const MICROPHONE = new Set<ErrorCode>([
  "microphone_refused",
  "microphone_missing",
  "microphone_busy",
]);

interface Props {
  error: CallError;
  mode: Mode;
  /** The call tries again by itself, at the time that the server named. */
  waiting: boolean;
  strings: Strings;
  onRetry: () => void;
  onMicrophone: () => void;
  onResume: () => void;
  onWrite: () => void;
  onSignedOut: () => void;
}

/** Show an error and the actions that fit it. */
export function Notice(props: Props) {
  const { error, mode, waiting, strings } = props;
  const { onRetry, onMicrophone, onResume, onWrite, onSignedOut } = props;
  const { code, message } = error;
  const button = (onClick: () => void, name: string) => (
    <button type="button" className="secondary" onClick={onClick}>
      {name}
    </button>
  );
  return (
    <div className="notice" role="alert">
      <p>
        {strings.errors[code].replace("{origin}", location.origin)} {message && <q>{message}</q>}{" "}
        {waiting && strings.triesAgain}
      </p>
      <div>
        {MICROPHONE.has(code) && button(onMicrophone, strings.retry)}
        {code === "not_signed_in" && button(onSignedOut, strings.retry)}
        {(code === "sound_suspended" || code === "sound_failed") &&
          button(onResume, strings.resume)}
        {code === "conversation_deleted" && button(onRetry, strings.newConversation)}
        {code === "continued_elsewhere" && button(onRetry, strings.continueHere)}
        {mode !== "text" && WRITING_HELPS.has(code) && button(onWrite, strings.writeInstead)}
        {RESTARTABLE.has(code) && !waiting && button(onRetry, strings.retry)}
      </div>
    </div>
  );
}
