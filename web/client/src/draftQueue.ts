// Typed messages that the server has not confirmed yet. The queue keeps them without a connection and after a
// failed call. The page chooses the id of each item. So it sees when the server has the item, and sending
// the item again over a new connection does no harm.

import type { Line } from "./captions";
import type { ClientEvent } from "./protocol";

/** A message as the user entered it. */
export interface EnteredMessage {
  readonly id: string;
  readonly text: string;
  /** Data URLs of pictures. */
  readonly images: readonly string[];
}

export interface Draft extends EnteredMessage {
  /**
   * `held`: it waits for a session, or for the end of an interruption. `sent`: on the connection that is
   * open. `refused`: by the server; it stays visible and is sent when the call is started again.
   */
  readonly status: "held" | "sent" | "refused";
}

export type DraftQueue = readonly Draft[];

const MAX_DRAFTS = 20; // the oldest is dropped
const EVENT_PREFIX = "typed_";

/** Make an item id of random bytes. Without https, `crypto.randomUUID` does not exist. */
export const itemId = (bytes: Uint8Array): string =>
  `item_${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;

/** Append a typed message. At 20 messages the oldest is dropped. */
export const addDraft = (queue: DraftQueue, { id, text, images }: EnteredMessage): DraftQueue =>
  [...queue, { id, text, images, status: "held" as const }].slice(-MAX_DRAFTS);

/** Remove the message that the server has confirmed with this item id. */
export const confirmDraft = (queue: DraftQueue, id: string): DraftQueue =>
  queue.some((draft) => draft.id === id) ? queue.filter((draft) => draft.id !== id) : queue;

/** Mark the message as refused whose event caused an error. */
export const refuseDraft = (queue: DraftQueue, eventId: string): DraftQueue =>
  queue.map((draft) => (isEventOf(draft, eventId) ? { ...draft, status: "refused" } : draft));

/** Prepare refused messages for another attempt. */
export const retryDrafts = (queue: DraftQueue): DraftQueue => hold(queue, "refused");

/** Prepare messages that were sent, and not confirmed, for the next connection. */
export const holdSentDrafts = (queue: DraftQueue): DraftQueue => hold(queue, "sent");

/** List the messages that have not been sent on this connection. */
export const heldDrafts = (queue: DraftQueue): DraftQueue =>
  queue.filter(({ status }) => status === "held");

/** Note that all held messages have been sent. */
export const markSent = (queue: DraftQueue): DraftQueue =>
  queue.map((draft) => (draft.status === "held" ? { ...draft, status: "sent" } : draft));

/** Return the id of the message that the event created, if it is still in the queue. */
export const draftOf = (queue: DraftQueue, eventId: string): string | undefined =>
  queue.find((draft) => isEventOf(draft, eventId))?.id;

/** True if the event created a typed message, whether or not it is still in a queue. */
export const createsDraft = (eventId: string): boolean => eventId.startsWith(EVENT_PREFIX);

/** Return the event that creates the message as an item. */
export const createDraftItem = ({ id, text, images }: EnteredMessage): ClientEvent => ({
  type: "conversation.item.create",
  event_id: EVENT_PREFIX + id,
  item: {
    id,
    type: "message",
    role: "user",
    content: [
      ...images.map((image_url) => ({ type: "input_image", image_url })),
      ...(text || !images.length ? [{ type: "input_text", text }] : []),
    ],
  },
});

/** Return the unconfirmed messages as lines of the transcript. */
export const draftLines = (queue: DraftQueue, connected: boolean): Line[] =>
  queue.map(({ id, text, images, status }) => ({
    id,
    role: "user",
    text,
    heard: text.length,
    ...(images.length && { images }),
    status: status === "refused" || !connected ? "unsent" : "done",
  }));

function hold(queue: DraftQueue, from: Draft["status"]): DraftQueue {
  if (!queue.some(({ status }) => status === from)) return queue;
  return queue.map((draft) => (draft.status === from ? { ...draft, status: "held" } : draft));
}

const isEventOf = ({ id }: Draft, eventId: string): boolean => EVENT_PREFIX + id === eventId;
