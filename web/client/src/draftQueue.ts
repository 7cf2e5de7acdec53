// Typed messages that the server has not confirmed yet. The queue keeps them without a connection and after a
// failed call. The page chooses the id of each item. So it sees when the server has the item, and sending
// the item again over a new connection does no harm.

import type { Line } from "./captions";
import type { ClientEvent } from "./protocol";

export interface Draft {
  readonly id: string;
  readonly text: string;
  /** The server refused the item. It stays visible and is sent again when the call is started again. */
  readonly refused: boolean;
}

export type DraftQueue = readonly Draft[];

const MAX_DRAFTS = 20; // the oldest is dropped
const EVENT_PREFIX = "typed_";

/** Make an item id of random bytes. Without https, `crypto.randomUUID` does not exist. */
export const itemId = (bytes: Uint8Array): string =>
  `item_${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;

/** Append a typed message. At 20 messages the oldest is dropped. */
export const addDraft = (queue: DraftQueue, id: string, text: string): DraftQueue =>
  [...queue, { id, text, refused: false }].slice(-MAX_DRAFTS);

/** Remove the message that the server has confirmed with this item id. */
export const confirmDraft = (queue: DraftQueue, id: string): DraftQueue =>
  queue.some((draft) => draft.id === id) ? queue.filter((draft) => draft.id !== id) : queue;

/** Mark the message as refused whose event caused an error. */
export const refuseDraft = (queue: DraftQueue, eventId: string): DraftQueue =>
  queue.map((draft) => (isEventOf(draft, eventId) ? { ...draft, refused: true } : draft));

/** Prepare refused messages for another attempt. */
export const retryDrafts = (queue: DraftQueue): DraftQueue =>
  queue.map((draft) => (draft.refused ? { ...draft, refused: false } : draft));

/** List the messages to send when a session has been created. */
export const unsentDrafts = (queue: DraftQueue): DraftQueue =>
  queue.filter(({ refused }) => !refused);

/** True if the event created a typed message, whether or not it is still in a queue. */
export const createsDraft = (eventId: string): boolean => eventId.startsWith(EVENT_PREFIX);

/** True if the message that the event created is still in the queue. */
export const holdsDraft = (queue: DraftQueue, eventId: string): boolean =>
  queue.some((draft) => isEventOf(draft, eventId));

/** Return the event that creates the message as an item. */
export const createDraftItem = ({ id, text }: Draft): ClientEvent => ({
  type: "conversation.item.create",
  event_id: EVENT_PREFIX + id,
  item: { id, type: "message", role: "user", content: [{ type: "input_text", text }] },
});

/** Return the unconfirmed messages as lines of the transcript. */
export const draftLines = (queue: DraftQueue, connected: boolean): Line[] =>
  queue.map(({ id, text, refused }) => ({
    id,
    role: "user",
    text,
    heard: text.length,
    status: refused || !connected ? "unsent" : "done",
  }));

const isEventOf = ({ id }: Draft, eventId: string): boolean => EVENT_PREFIX + id === eventId;
