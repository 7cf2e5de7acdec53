// The stage: the assistant's name, the grille, what it does now, and what the user can do about it. Before the
// first word it fills the page and offers questions. Later it stands beside the transcript.

import { useRef } from "react";
import { Microphone } from "./Microphone";
import {
  canStop,
  hasFailed,
  isAtRest,
  isReconnecting,
  isUnderWay,
  presenceOf,
  presenceText,
} from "./presence";
import { localize } from "./server";
import { languageName, type Strings } from "./strings";
import { Announcer } from "./Transcript";
import { useGlide } from "./useGlide";
import type { Talking } from "./useTalk";

export type Layout = "empty" | "talking" | "full";

interface Props {
  talking: Talking;
  layout: Layout;
  /** The call tries again at the time that the server named. */
  waiting: boolean;
}

export function Stage({ talking, layout, waiting }: Props) {
  const { assistant, language, state, call, mode, strings, hold, toggleMicrophone } = talking;
  const grille = useRef<HTMLDivElement>(null);
  useGlide(grille, layout);
  return (
    <section className="stage" data-mode={mode} aria-label={strings.call}>
      <div className="who">
        <h2>{localize(assistant.title, language)}</h2>
        {layout === "empty" && assistant.description && (
          <p>{localize(assistant.description, language)}</p>
        )}
      </div>
      <div className="grille-place" ref={grille}>
        <Microphone
          state={state}
          call={call}
          strings={strings}
          onSwitch={toggleMicrophone}
          onHold={hold}
        />
      </div>
      <div className="now">
        <p className="status" role="status" data-presence={presenceOf(state)}>
          {presenceText(state, strings)}
        </p>
        {mode === "text" && <Announcer lines={state.lines} language={language} />}
        <Hint talking={talking} />
      </div>
      <Actions talking={talking} waiting={waiting} />
      {layout === "empty" && <Suggestions talking={talking} />}
      {layout === "empty" && <Notes talking={talking} />}
    </section>
  );
}

function Hint({ talking }: { talking: Talking }) {
  const { assistant, language, tooShort, strings } = talking;
  const unheard = !assistant.hears.includes(language);
  return (
    <p className="hint" data-warning={unheard || undefined}>
      {tooShort
        ? strings.hints.tooShort
        : unheard
          ? unheardHint(localize(assistant.title, language), language, strings)
          : hint(talking)}
    </p>
  );
}

function hint({ state, strings }: Talking): string {
  if (state.requestingMicrophone) return strings.hints.requestingMicrophone;
  if ((isReconnecting(state) || hasFailed(state)) && state.lines.length)
    return strings.hints.conversationKept;
  return strings.hints[state.mode];
}

const unheardHint = (name: string, language: string, { hints }: Strings): string =>
  hints.unheard.replace("{name}", name).replace("{language}", languageName(language));

function Actions({ talking, waiting }: { talking: Talking; waiting: boolean }) {
  const { state, call, strings, beginAnew } = talking;
  return (
    <div className="actions">
      {canStop(state) && (
        <button
          type="button"
          className="stop"
          aria-label={strings.stopResponse}
          onClick={() => void call?.interrupt()}
        >
          <span aria-hidden="true" /> {strings.stop}
        </button>
      )}
      {isReconnecting(state) && !waiting && (
        <button type="button" className="secondary" onClick={() => call?.start()}>
          {strings.retryNow}
        </button>
      )}
      {call && isUnderWay(state) && (
        <button type="button" className="secondary" onClick={() => call.close()}>
          {strings.hangUp}
        </button>
      )}
      {call && isAtRest(state) && state.lines.length > 0 && (
        <button type="button" className="secondary" onClick={beginAnew}>
          {strings.newConversation}
        </button>
      )}
    </div>
  );
}

function Suggestions({ talking }: { talking: Talking }) {
  const { assistant, language, strings, ensureCall } = talking;
  const questions = assistant.suggestions?.[language] ?? [];
  if (!questions.length) return null;
  return (
    <ul className="suggestions" aria-label={strings.suggestions}>
      {questions.map((question) => (
        <li key={question}>
          <button type="button" onClick={() => void ensureCall().sendText(question)}>
            {question}
          </button>
        </li>
      ))}
    </ul>
  );
}

function Notes({ talking }: { talking: Talking }) {
  const { assistant, language, strings } = talking;
  if (!assistant.notes?.length) return null;
  return (
    <aside className="notes" aria-label={strings.notes}>
      {assistant.notes.map((note, i) => (
        <p key={i}>{localize(note, language)}</p>
      ))}
    </aside>
  );
}
