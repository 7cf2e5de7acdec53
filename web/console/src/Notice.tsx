// An error in one sentence, with buttons for what the user can do about it.

import type { CallError, ErrorCode } from "@vivavoce/client";
import type { Strings } from "./strings";

/** Errors after which the call waits for the user to start it again. */
const RESTARTABLE = new Set<ErrorCode>(["network", "unavailable", "revoked", "refused", "busy"]);

interface Props {
  error: CallError;
  strings: Strings;
  onRetry: () => void;
  onMicrophone: () => void;
  onWrite: () => void;
  onSignedOut: () => void;
}

/** Show an error and the actions that fit it. */
export function Notice({ error, strings, onRetry, onMicrophone, onWrite, onSignedOut }: Props) {
  const { code, message } = error;
  const button = (onClick: () => void, name: string) => (
    <button type="button" className="secondary" onClick={onClick}>
      {name}
    </button>
  );
  return (
    <div className="notice" role="alert">
      <p>
        {strings.errors[code]} {message && <q>{message}</q>}
      </p>
      <div>
        {code.startsWith("microphone") && button(onMicrophone, strings.retry)}
        {code.startsWith("microphone") && button(onWrite, strings.writeInstead)}
        {code === "not_signed_in" && button(onSignedOut, strings.retry)}
        {(code === "transcription_failed" || code === "busy") && button(onWrite, strings.writeInstead)}
        {RESTARTABLE.has(code) && button(onRetry, strings.retry)}
      </div>
    </div>
  );
}
