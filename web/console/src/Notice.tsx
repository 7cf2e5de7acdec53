// A failure in one sentence, and the way on.

import type { CallError, Trouble } from "@vivavoce/client";
import type { Words } from "./words";

/** After these the call stands still until somebody asks for it. */
const AGAIN = new Set<Trouble>(["network", "unavailable", "revoked", "refused", "busy"]);

interface Props {
  error: CallError;
  words: Words;
  onRetry: () => void;
  onMicrophone: () => void;
  onWrite: () => void;
  onSignedOut: () => void;
}

export function Notice({ error, words, onRetry, onMicrophone, onWrite, onSignedOut }: Props) {
  const { code, message } = error;
  const way = (does: () => void, name: string) => (
    <button type="button" className="plain" onClick={does}>
      {name}
    </button>
  );
  return (
    <div className="notice" role="alert">
      <p>
        {words.errors[code]} {message && <q>{message}</q>}
      </p>
      <div>
        {code.startsWith("microphone") && way(onMicrophone, words.again)}
        {code.startsWith("microphone") && way(onWrite, words.writeInstead)}
        {code === "not_signed_in" && way(onSignedOut, words.again)}
        {(code === "unheard" || code === "busy") && way(onWrite, words.writeInstead)}
        {AGAIN.has(code) && way(onRetry, words.again)}
      </div>
    </div>
  );
}
