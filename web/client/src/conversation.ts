// The conversation as a fold over server events. The server has the same fold, and the same recordings test
// both. Items are replaced, never changed, so a page can compare them by identity.

import type { Item, ServerEvent } from "./protocol";

export type Conversation = readonly Item[];

/** Items that were truncated: their transcripts stay away when the item is done later. */
const TRUNCATED = new WeakSet<Item>();

/** Fold one server event into the conversation. Other events return it unchanged. */
export function apply(conversation: Conversation, event: ServerEvent): Conversation {
  switch (event.type) {
    case "conversation.item.added":
      return insert(conversation, event.item, event.previous_item_id);
    case "conversation.item.done":
      return replace(conversation, event.item.id, (item) =>
        TRUNCATED.has(item) ? truncate(event.item) : event.item,
      );
    case "conversation.item.input_audio_transcription.completed":
      return replace(conversation, event.item_id, (item) =>
        rewrite(item, event.transcript, event.content_index),
      );
    case "conversation.item.truncated":
      return replace(conversation, event.item_id, truncate);
    case "conversation.item.deleted":
      return conversation.filter((item) => item.id !== event.item_id);
    default:
      return conversation;
  }
}

/** Insert an item after `previous`: first if that is null, last if that is unknown. */
function insert(conversation: Conversation, item: Item, previous: string | null): Conversation {
  if (conversation.some((other) => other.id === item.id))
    return replace(conversation, item.id, () => item);
  const found = conversation.findIndex((other) => other.id === previous);
  const at = previous === null ? 0 : found < 0 ? conversation.length : found + 1;
  return [...conversation.slice(0, at), item, ...conversation.slice(at)];
}

function replace(
  conversation: Conversation,
  id: string,
  change: (item: Item) => Item,
): Conversation {
  if (!conversation.some((item) => item.id === id)) return conversation;
  return conversation.map((item) => (item.id === id ? change(item) : item));
}

function truncate(item: Item): Item {
  const cut = rewrite(item, null);
  TRUNCATED.add(cut);
  return cut;
}

/** Replace the transcript of an item, in all its parts or in one of them. */
function rewrite(item: Item, transcript: string | null, only?: number): Item {
  if (item.type !== "message") return item;
  const content = item.content.map((part, i) =>
    "transcript" in part && (only ?? i) === i ? { ...part, transcript } : part,
  );
  const rewritten = { ...item, content };
  if (TRUNCATED.has(item)) TRUNCATED.add(rewritten);
  return rewritten;
}
