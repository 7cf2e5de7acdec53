// One run of a tool of the server: what it does, how far it is, and its result. A run that waits for the user
// has two buttons.

import type { ToolCard as Card } from "@vivavoce/client";
import { memo, useRef, useState } from "react";
import type { Strings } from "./strings";
import { argumentEntries, resultText, toolTitle } from "./toolText";
import type { Decide } from "./useApprovals";

interface Props {
  card: Card;
  strings: Strings;
  onDecide: Decide;
}

/** Show a run. */
export const ToolCard = memo(function ToolCard({ card, strings, onDecide }: Props) {
  const { name, state, progress, result } = card;
  const title = toolTitle(name);
  const label = state === "waiting" ? waitingLabel(card, strings) : strings.tools.states[state];
  const frame = useRef<HTMLElement>(null);
  const failed = state === "failed" || state === "unknown";
  return (
    <section
      ref={frame}
      className="tool-card"
      data-state={state}
      aria-label={`${title}: ${label}`}
      tabIndex={-1}
    >
      <p className="tool-state">
        <span className="mark" aria-hidden="true" /> <b>{title}</b> <span>{label}</span>
      </p>
      {state === "running" && progress && <p className="tool-progress">{progress}</p>}
      {failed && result && <p className="tool-progress">{resultText(result)}</p>}
      {state === "waiting" ? (
        <Arguments text={card.arguments} />
      ) : (
        <Details card={card} strings={strings} withResult={!failed} />
      )}
      {isForUser(card) && (
        <Decision
          title={title}
          strings={strings}
          onDecide={async (approve) => {
            const taken = await onDecide(card, approve);
            if (taken) frame.current?.focus(); // the button that had it is gone
            return taken;
          }}
        />
      )}
    </section>
  );
});

/** True if the user is the one who decides. */
const isForUser = ({ state, approval, mcpRequest }: Card): boolean =>
  state === "waiting" && (approval?.by === "user" || mcpRequest === true);

const waitingLabel = ({ approval }: Card, { tools }: Strings): string =>
  approval?.by === "staff" ? tools.waitsForStaff : tools.waitsForYou;

function Arguments({ text }: { text: string }) {
  const entries = argumentEntries(text);
  if (!entries.length) return null;
  return (
    <dl>
      {entries.map(({ name, value }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Details(props: { card: Card; strings: Strings; withResult: boolean }) {
  const { card, strings, withResult } = props;
  const result = withResult ? card.result : undefined;
  if (result === undefined && !argumentEntries(card.arguments).length) return null;
  return (
    <details>
      <summary>{strings.tools.details}</summary>
      <Arguments text={card.arguments} />
      {result !== undefined && (
        <pre tabIndex={0} aria-label={strings.tools.result}>
          {resultText(result)}
        </pre>
      )}
    </details>
  );
}

function Decision(props: {
  title: string;
  strings: Strings;
  onDecide: (approve: boolean) => Promise<boolean>;
}) {
  const { title, strings, onDecide } = props;
  const [sent, setSent] = useState<"no" | "sending" | "failed">("no");
  const press = (approve: boolean) => {
    if (sent === "sending") return;
    setSent("sending");
    void onDecide(approve).then((taken) => setSent(taken ? "sending" : "failed"));
  };
  return (
    <>
      <div className="decision">
        <button
          type="button"
          className="approve"
          aria-label={`${strings.tools.approve}: ${title}`}
          aria-disabled={sent === "sending"}
          onClick={() => press(true)}
        >
          {strings.tools.approve}
        </button>
        <button
          type="button"
          className="secondary"
          aria-label={`${strings.tools.reject}: ${title}`}
          aria-disabled={sent === "sending"}
          onClick={() => press(false)}
        >
          {strings.tools.reject}
        </button>
      </div>
      {sent === "failed" && <p role="alert">{strings.tools.notTaken}</p>}
    </>
  );
}

/** Make screen readers say which tools wait for the user, in every mode. */
export function ApprovalAnnouncer({
  cards,
  strings,
}: {
  cards: readonly Card[];
  strings: Strings;
}) {
  const waiting = cards.filter(isForUser);
  return (
    <p className="visually-hidden" aria-live="polite">
      {waiting.map(({ name }) => `${toolTitle(name)}: ${strings.tools.waitsForYou}`).join(". ")}
    </p>
  );
}
