// The earlier conversations: search, continue, rename, copy, export, delete.

import { useEffect, useState } from "react";
import {
  asText,
  type ConversationInfo,
  deleteConversation,
  listConversations,
  matching,
  readConversation,
  rename,
} from "./conversations";
import { MoreSymbol } from "./icons";
import { type Assistant, localize } from "./server";
import type { Strings } from "./strings";
import type { Talking } from "./useTalk";

interface Props {
  talking: Talking;
  assistants: Assistant[];
  /** A conversation was opened, or a new one begins. */
  onDone: () => void;
}

export function Drawer({ talking, assistants, onDone }: Props) {
  const { strings, state, language } = talking;
  const { all, failed, more, load, change, remove } = useConversations();
  const [search, setSearch] = useState("");
  const found = matching(all ?? [], search);
  const empty = all && !found.length && (search ? strings.drawer.notFound : strings.drawer.none);
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
        {found.map((one) => (
          <Entry
            key={one.id}
            one={one}
            current={one.id === state.conversationId}
            assistant={titleOf(one, assistants, language)}
            language={language}
            strings={strings}
            onOpen={() => {
              talking.openConversation(one.assistant, one.id);
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

/** Read the conversations that contain something, page by page. */
function useConversations() {
  const [all, setAll] = useState<ConversationInfo[]>();
  const [last, setLast] = useState<string>();
  const [failed, setFailed] = useState(false);
  const load = () => {
    listConversations(last).then(
      ({ data, has_more, last_id }) => {
        const said = data.filter(({ beginning, updated_at, created_at }) =>
          Boolean(beginning ?? updated_at > created_at),
        );
        setAll((before) => [...(before ?? []), ...said]);
        setLast(has_more ? (last_id ?? undefined) : undefined);
        setFailed(false);
      },
      () => setFailed(true),
    );
  };
  useEffect(load, []); // the first page
  const change = (id: string, title: string | null) =>
    setAll((before) => before?.map((one) => (one.id === id ? { ...one, title } : one)));
  const remove = (id: string) => setAll((before) => before?.filter((one) => one.id !== id));
  return { all, failed, more: last !== undefined, load, change, remove };
}

interface EntryProps {
  one: ConversationInfo;
  current: boolean;
  assistant: string;
  language: string;
  strings: Strings;
  onOpen: () => void;
  onRenamed: (title: string | null) => void;
  onDeleted: () => void;
}

function Entry(props: EntryProps) {
  const { one, current, assistant, language, strings, onOpen } = props;
  const { drawer } = strings;
  const [open, setOpen] = useState(false);
  const title = one.title ?? one.beginning ?? drawer.untitled;
  const when = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  return (
    <li data-current={current || undefined}>
      <button type="button" className="open" aria-current={current || undefined} onClick={onOpen}>
        <b>{title}</b>
        <small>
          {assistant} · {when.format(new Date(one.updated_at))}
          {current && ` · ${drawer.current}`}
        </small>
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label={drawer.more.replace("{title}", title)}
        aria-expanded={open}
        onClick={() => setOpen(!open)}
      >
        <MoreSymbol />
      </button>
      {open && <EntryActions {...props} title={title} />}
    </li>
  );
}

function EntryActions(props: EntryProps & { title: string }) {
  const { one, assistant, strings, title, onRenamed, onDeleted } = props;
  const { drawer, you, cancel } = strings;
  const [asked, setAsked] = useState<"rename" | "delete">();
  const [told, setTold] = useState("");
  const attempt = (work: Promise<unknown>, success = "", failure = drawer.failed) =>
    void work.then(
      () => setTold(success),
      () => setTold(failure),
    );
  const text = async () => asText((await readConversation(one.id))?.items ?? [], you, assistant);
  const button = (name: string, onClick: () => void, kind = "secondary") => (
    <button type="button" className={kind} onClick={onClick}>
      {name}
    </button>
  );
  if (asked === "rename")
    return (
      <RenameForm
        title={title}
        strings={strings}
        onCancel={() => setAsked(undefined)}
        onSave={(name) => {
          attempt(rename(one.id, name).then(() => onRenamed(name)));
          setAsked(undefined);
        }}
      />
    );
  return (
    <div className="entry-actions">
      {asked === "delete" ? (
        <>
          {button(
            drawer.deleteForGood,
            () => attempt(deleteConversation(one.id).then(onDeleted)),
            "stop",
          )}
          {button(cancel, () => setAsked(undefined))}
        </>
      ) : (
        <>
          {button(drawer.rename, () => setAsked("rename"))}
          {button(drawer.copy, () =>
            attempt(
              text().then((copied) => navigator.clipboard.writeText(copied)),
              drawer.copied,
              drawer.notCopied,
            ),
          )}
          {button(drawer.export, () => attempt(text().then((all) => save(all, title))))}
          {button(drawer.delete, () => setAsked("delete"))}
        </>
      )}
      {told && <p role="status">{told}</p>}
    </div>
  );
}

function RenameForm(props: {
  title: string;
  strings: Strings;
  onCancel: () => void;
  onSave: (name: string | null) => void;
}) {
  const { strings, onCancel, onSave } = props;
  const [name, setName] = useState(props.title);
  return (
    <form
      className="entry-actions"
      onSubmit={(event) => {
        event.preventDefault();
        onSave(name.trim() || null);
      }}
    >
      <input
        autoFocus
        aria-label={strings.drawer.name}
        maxLength={120}
        value={name}
        onChange={({ target }) => setName(target.value)}
      />
      <button type="submit" className="approve">
        {strings.drawer.save}
      </button>
      <button type="button" className="secondary" onClick={onCancel}>
        {strings.cancel}
      </button>
    </form>
  );
}

/** Let the browser save a text as a file. */
function save(text: string, title: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = `${title.replace(/[^\p{L}\p{N} -]+/gu, "").trim() || "vivavoce"}.txt`;
  link.click();
  URL.revokeObjectURL(address);
}
