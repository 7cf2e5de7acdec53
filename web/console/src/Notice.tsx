// A failure in one sentence, and the way on.

import type { CallError, ErrorCode } from "@vivavoce/client";
import type { Strings } from "./strings";

/** After these the call stands still until somebody asks for it. */
const AGAIN = new Set<ErrorCode>(["network", "unavailable", "revoked", "refused", "busy"]);

interface Props {
  error: CallError;
  strings: Strings;
  onRetry: () => void;
  onMicrophone: () => void;
  onWrite: () => void;
  onSignedOut: () => void;
}

export function Notice({ error, strings, onRetry, onMicrophone, onWrite, onSignedOut }: Props) {
  const { code, message } = error;
  const way = (does: () => void, name: string) => (
    <button type="button" className="secondary" onClick={does}>
      {name}
    </button>
  );
  return (
    <div className="notice" role="alert">
      <p>
        {strings.errors[code]} {message && <q>{message}</q>}
      </p>
      <div>
        {code.startsWith("microphone") && way(onMicrophone, strings.retry)}
        {code.startsWith("microphone") && way(onWrite, strings.writeInstead)}
        {code === "not_signed_in" && way(onSignedOut, strings.retry)}
        {(code === "transcription_failed" || code === "busy") && way(onWrite, strings.writeInstead)}
        {AGAIN.has(code) && way(onRetry, strings.retry)}
      </div>
    </div>
  );
}
