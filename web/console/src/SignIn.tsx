// The page of a user without a call: while the page loads, without a sign-in link, without a server.

import { Grille } from "./Grille";
import type { SignInResult } from "./signInLink";
import type { Strings } from "./strings";

/** Show that the page is loading. */
export function Loading({ strings }: { strings: Strings }) {
  return (
    <main className="sign-in">
      <Grille presence="connecting" />
      <p role="status">{strings.signIn.loading}</p>
    </main>
  );
}

/** Explain how to sign in, or why the page cannot list assistants. */
export function SignIn(props: { result: SignInResult; strings: Strings; onRetry: () => void }) {
  const { result, onRetry } = props;
  const { signIn, errors, retry } = props.strings;
  const retryButton = (
    <button type="button" className="secondary" onClick={onRetry}>
      {retry}
    </button>
  );
  return (
    <main className="sign-in">
      <Grille presence="idle" />
      {result.status === "signed_out" ? (
        <>
          <h1>{signIn.title}</h1>
          {result.linkExpired && <p role="alert">{signIn.linkExpired}</p>}
          <p>{signIn.runCommand}</p>
          <pre>
            <code>vivavoce link</code>
          </pre>
          <p>{signIn.thenOpenLink}</p>
        </>
      ) : result.status === "refused" ? (
        <>
          <p role="alert">
            {errors[result.code].sentence.replace("{origin}", location.origin)}{" "}
            {errors[result.code].cause}
          </p>
          {retryButton}
        </>
      ) : (
        <>
          <h1>{result.status === "signed_in" ? signIn.noAssistants : signIn.unreachable}</h1>
          {retryButton}
        </>
      )}
    </main>
  );
}
