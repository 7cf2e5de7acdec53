// An error: what it is, what causes it, and buttons for what the user can do about it.

import type { CallError, Mode } from "@vivavoce/client";
import { actionsFor, type ErrorAction } from "./errorActions";
import type { Strings } from "./strings";

/** The page that checks the device and the network. It opens beside this one, so that the call goes on. */
export const CHECK = "./check/";

interface Props {
  error: CallError;
  mode: Mode;
  /** The call tries again by itself, at the time that the server named. */
  waiting: boolean;
  strings: Strings;
  onAction: (action: ErrorAction) => void;
}

const nameOf = (action: ErrorAction, strings: Strings): string =>
  ({
    retry: strings.retry,
    microphone: strings.retry,
    resume: strings.resume,
    sign_in: strings.retry,
    begin_anew: strings.newConversation,
    continue_here: strings.continueHere,
    earlier: strings.drawer.title,
    write: strings.writeInstead,
    check: strings.checkDevice,
  })[action];

/** Show an error and the actions that fit it. */
export function Notice({ error, mode, waiting, strings, onAction }: Props) {
  const { code, message } = error;
  const { sentence, cause } = strings.errors[code];
  return (
    <div className="notice" role="alert">
      <p>
        {sentence.replace("{origin}", location.origin)} {cause} {message && <q>{message}</q>}{" "}
        {waiting && strings.triesAgain}
      </p>
      <div>
        {actionsFor(code, mode, waiting).map((action) =>
          action === "check" ? (
            <CheckLink key={action} strings={strings} />
          ) : (
            <button
              key={action}
              type="button"
              className="secondary"
              onClick={() => onAction(action)}
            >
              {nameOf(action, strings)}
            </button>
          ),
        )}
      </div>
    </div>
  );
}

export function CheckLink({ strings }: { strings: Strings }) {
  return (
    <a className="secondary" href={CHECK} target="_blank" rel="noopener">
      {strings.checkDevice}
    </a>
  );
}
