// One conversation of the drawer: continue, rename, copy, export, delete.

import { useState } from "react";
import {
  asText,
  type ConversationInfo,
  deleteConversation,
  readConversation,
  rename,
} from "./conversations";
import { MoreSymbol } from "./icons";
import { languageName, type Strings } from "./strings";

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

/** Show a conversation, and what can be done with it. */
export function ConversationEntry(props: EntryProps) {
  const { one, current, assistant, language, strings, onOpen } = props;
  const { drawer } = strings;
  const [open, setOpen] = useState(false);
  const title = one.title ?? one.beginning ?? drawer.untitled;
  const when = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  return (
    <li data-current={current || undefined}>
      <button type="button" className="open" aria-current={current || undefined} onClick={onOpen}>
        <b lang={one.language ?? undefined}>{title}</b>
        <small>
          {assistant}
          {one.language && one.language !== language && ` · ${languageName(one.language)}`} ·{" "}
          {when.format(new Date(one.updated_at))}
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
