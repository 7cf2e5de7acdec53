// What people see who cannot talk yet: while the page arrives, without a link, without a server.

import type { Arrival } from "./arrival";
import { Grille } from "./Grille";
import type { Words } from "./words";

export function Waiting({ words }: { words: Words }) {
  return (
    <main className="door">
      <Grille status="connecting" />
      <p role="status">{words.signIn.loading}</p>
    </main>
  );
}

export function Door(props: { arrival: Arrival; words: Words; onRetry: () => void }) {
  const { arrival, onRetry } = props;
  const { signIn, again } = props.words;
  const retry = (
    <button type="button" className="plain" onClick={onRetry}>
      {again}
    </button>
  );
  return (
    <main className="door">
      <Grille status="idle" />
      {arrival.at === "door" ? (
        <>
          <h1>{signIn.title}</h1>
          {arrival.stale && <p role="alert">{signIn.stale}</p>}
          <p>{signIn.how}</p>
          <pre>
            <code>vivavoce link</code>
          </pre>
          <p>{signIn.then}</p>
        </>
      ) : (
        <>
          <h1>{arrival.at === "home" ? signIn.empty : signIn.unreachable}</h1>
          {retry}
        </>
      )}
    </main>
  );
}
