// The page before there is a transcript: the assistant, its notes, and the conversations that the user
// had with it earlier.

import { useEffect, useState } from "react";
import { type Assistant, type ConversationInfo, listConversations, localize } from "./server";
import type { Strings } from "./strings";

interface Props {
  assistant: Assistant;
  language: string;
  strings: Strings;
  onContinue: (conversationId: string) => void;
}

/** Introduce the assistant. */
export function Introduction({ assistant, language, strings, onContinue }: Props) {
  return (
    <div className="introduction">
      <h2>{localize(assistant.title, language)}</h2>
      {assistant.description && <p>{localize(assistant.description, language)}</p>}
      {!!assistant.notes?.length && (
        <aside aria-label={strings.notes}>
          {assistant.notes.map((note, i) => (
            <p key={i}>{localize(note, language)}</p>
          ))}
        </aside>
      )}
      <Earlier
        assistant={assistant.name}
        language={language}
        strings={strings}
        onContinue={onContinue}
      />
    </div>
  );
}

/** List the last conversations with this assistant. Without any, or without an answer, show nothing. */
function Earlier(props: Omit<Props, "assistant"> & { assistant: string }) {
  const { assistant, language, strings, onContinue } = props;
  const [earlier, setEarlier] = useState<ConversationInfo[]>([]);
  useEffect(() => {
    let shown = true;
    setEarlier([]);
    listConversations(assistant).then(
      (found) => shown && setEarlier(found),
      () => {}, // the call will tell what is wrong
    );
    return () => void (shown = false);
  }, [assistant]);
  if (!earlier.length) return null;
  const time = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  return (
    <nav className="earlier" aria-label={strings.earlier}>
      <span>{strings.earlier}</span>
      {earlier.map(({ id, updated_at }) => (
        <button key={id} type="button" className="secondary" onClick={() => onContinue(id)}>
          {time.format(new Date(updated_at))}
        </button>
      ))}
    </nav>
  );
}
