// The earlier conversations: search, continue, rename, copy, export, delete.

import { useEffect, useRef, useState } from "react";
import { type ConversationInfo, listConversations } from "./conversations";
import { ConversationEntry } from "./ConversationEntry";
import { type Assistant, localize } from "./server";
import type { Talking } from "./useTalk";

interface Props {
  talking: Talking;
  assistants: Assistant[];
  /** A conversation was opened, or a new one begins. */
  onDone: () => void;
}

export function Drawer({ talking, assistants, onDone }: Props) {
  const { strings, state, language } = talking;
  const [search, setSearch] = useState("");
  const { all: found, failed, more, load, change, remove } = useConversations(search.trim());
  const empty = found && !found.length && (search ? strings.drawer.notFound : strings.drawer.none);
  return (
    <div className="drawer">
      <button
        type="button"
        className="secondary"
        onClick={() => {
          talking.call?.close();
          talking.beginAnew();
          onDone();
        }}
      >
        {strings.newConversation}
      </button>
      <input
        type="search"
        aria-label={strings.drawer.search}
        placeholder={strings.drawer.search}
        value={search}
        onChange={({ target }) => setSearch(target.value)}
      />
      {failed && <p role="alert">{strings.drawer.failed}</p>}
      {empty && <p className="nothing">{empty}</p>}
      <ul>
        {found?.map((one) => (
          <ConversationEntry
            key={one.id}
            one={one}
            current={one.id === state.conversationId}
            assistant={titleOf(one, assistants, language)}
            language={language}
            strings={strings}
            onOpen={() => {
              talking.openConversation(one.assistant, one.id, one.language);
              onDone();
            }}
            onRenamed={(title) => change(one.id, title)}
            onDeleted={() => {
              remove(one.id);
              if (one.id === state.conversationId) talking.beginAnew();
            }}
          />
        ))}
      </ul>
      {more && (
        <button type="button" className="secondary" onClick={load}>
          {strings.drawer.older}
        </button>
      )}
    </div>
  );
}

const titleOf = (one: ConversationInfo, assistants: Assistant[], language: string): string => {
  const found = assistants.find(({ name }) => name === one.assistant);
  return found ? localize(found.title, language) : one.assistant;
};

const PAUSE_MS = 250; // of typing, before a search

/** Read the conversations that contain something, page by page. */
function useConversations(search: string) {
  const [all, setAll] = useState<ConversationInfo[]>();
  const [last, setLast] = useState<string>();
  const [failed, setFailed] = useState(false);
  const latest = useRef(search);
  latest.current = search;
  const load = (before?: string) => {
    listConversations(search, before).then(
      ({ data, has_more, last_id }) => {
        if (latest.current !== search) return;
        const said = data.filter(({ beginning, updated_at, created_at }) =>
          Boolean(beginning ?? updated_at > created_at),
        );
        setAll((earlier) => (before ? [...(earlier ?? []), ...said] : said));
        setLast(has_more ? (last_id ?? undefined) : undefined);
        setFailed(false);
      },
      () => setFailed(true),
    );
  };
  useEffect(() => {
    const timer = setTimeout(load, search ? PAUSE_MS : 0);
    return () => clearTimeout(timer);
  }, [search]);
  const change = (id: string, title: string | null) =>
    setAll((before) => before?.map((one) => (one.id === id ? { ...one, title } : one)));
  const remove = (id: string) => setAll((before) => before?.filter((one) => one.id !== id));
  return { all, failed, more: last !== undefined, load: () => load(last), change, remove };
}
