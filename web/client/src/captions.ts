// Captions: the words of an item while they are spoken. The conversation learns the text of an item when the
// item is done. A caption follows the text delta by delta, and knows at which position in the audio each
// delta begins. So a page can show which words the user has heard, and which remain after an interruption.
//
// Captions are a fold over server events and playback, as the conversation is. Values are replaced, never
// changed.

import type { Conversation } from "./conversation";
import type { PlayedPosition } from "./playout";
import type { Message, ServerEvent } from "./protocol";

interface Caption {
  readonly pieces: readonly { readonly text: string; readonly atMs: number }[];
  readonly receivedMs: number; // ms of audio received
  readonly playedMs: number; // ms of audio played
  /** The user speaks: the caption is shown before its item exists. */
  readonly userSpeech: boolean;
  /** The audio was truncated or its connection was lost: later deltas are ignored. */
  readonly ended: boolean;
}

export interface Captions {
  readonly byItem: ReadonlyMap<string, Caption>;
  /** Pictures of the user's messages. The server leaves large ones out of its events. */
  readonly images: ReadonlyMap<string, readonly string[]>;
  /** User items whose transcription failed. */
  readonly untranscribed: ReadonlySet<string>;
}

/** One line of a transcript, as a page shows it. */
export interface Line {
  readonly id: string;
  readonly role: "user" | "assistant";
  readonly text: string;
  /** Number of characters of `text` that the user has heard. Without audio, the whole length. */
  readonly heard: number;
  /** The pictures of a message, as data URLs. */
  readonly images?: readonly string[];
  /**
   * `in_progress`: not finished. `interrupted`: `text` is the part that was heard. `untranscribed`: the
   * transcription failed. `unsent`: typed, and not confirmed by the server.
   */
  readonly status: "in_progress" | "done" | "interrupted" | "untranscribed" | "unsent";
}

/** Milliseconds per character of speech, until a first answer was heard. */
export const PACE = 65;

const LAST_WORD_MS = 400; // a short word and the silence after it
const MEASURED_LENGTH = 40; // characters: in a shorter answer, the silence before and after it changes the pace by more than a tenth
const ROUNDING_MS = 1; // received audio is counted per delta, played audio as a whole

const EMPTY: Caption = { pieces: [], receivedMs: 0, playedMs: 0, userSpeech: false, ended: false };

export const NO_CAPTIONS: Captions = {
  byItem: new Map(),
  images: new Map(),
  untranscribed: new Set(),
};

/**
 * Fold one server event into the captions. With a `pace`, in ms per character, no audio arrives as events, and the
 * position of each spoken word is estimated.
 */
export function applyToCaptions(captions: Captions, event: ServerEvent, pace = 0): Captions {
  switch (event.type) {
    case "input_audio_buffer.speech_started":
      return change(captions, event.item_id, markUserSpeech);
    case "conversation.item.input_audio_transcription.delta":
      return change(captions, event.item_id, (caption) =>
        append(markUserSpeech(caption), event.delta),
      );
    case "response.output_audio_transcript.delta":
      if (pace)
        return change(captions, event.item_id, (caption) => spread(caption, event.delta, pace));
      return change(captions, event.item_id, (caption) => append(caption, event.delta));
    case "response.output_text.delta":
      return change(captions, event.item_id, (caption) => append(caption, event.delta));
    case "conversation.item.input_audio_transcription.failed":
      return { ...captions, untranscribed: new Set([...captions.untranscribed, event.item_id]) };
    case "conversation.item.truncated":
      return change(captions, event.item_id, (caption) => shorten(caption, event.audio_end_ms));
    case "conversation.item.deleted":
      return remove(captions, event.item_id);
    default:
      return captions;
  }
}

/** Keep the pictures of a message that the user entered. */
export const addImages = (captions: Captions, id: string, images: readonly string[]): Captions =>
  images.length ? { ...captions, images: new Map(captions.images).set(id, images) } : captions;

/** Count `ms` of audio that arrived for an item. */
export const addReceivedAudio = (captions: Captions, id: string, ms: number): Captions =>
  change(captions, id, (caption) => ({ ...caption, receivedMs: caption.receivedMs + ms }));

/** Count all words as heard, because they can only be read. */
export const hearAll = (captions: Captions): Captions => ({
  ...captions,
  byItem: new Map([...captions.byItem].map(([id, it]) => [id, { ...it, playedMs: it.receivedMs }])),
});

/** Note that an item has been played up to `ms`. Items without a caption are of an earlier conversation. */
export function markPlayed(captions: Captions, { item, ms }: PlayedPosition): Captions {
  if (!captions.byItem.has(item)) return captions;
  return change(captions, item, (caption) =>
    caption.playedMs >= ms ? caption : { ...caption, playedMs: ms },
  );
}

/** Note that the server has played all of an item. Return the ms per character that this took, if it is known. */
export function hearItem(
  captions: Captions,
  id: string,
): { captions: Captions; pace: number | undefined } {
  const caption = captions.byItem.get(id) ?? EMPTY;
  const { length } = captionText(caption);
  const pace = length >= MEASURED_LENGTH ? caption.playedMs / length : undefined;
  const heard = { ...caption, playedMs: caption.receivedMs };
  return { captions: change(captions, id, () => heard), pace };
}

/**
 * End an item's audio at `ms` and keep the words that began before it. Return `whole: true` if the item
 * was finished and its playback stopped within the last word: such an answer was not interrupted.
 */
export function cutCaption(
  captions: Captions,
  { item: id, ms }: PlayedPosition,
  conversation: Conversation,
): { captions: Captions; whole: boolean } {
  const caption = captions.byItem.get(id) ?? EMPTY;
  const finished = conversation.some(
    (item) => item.id === id && item.type === "message" && item.status === "completed",
  );
  const allBegun = caption.pieces.every(({ atMs }) => atMs < ms);
  const whole = finished && allBegun && caption.receivedMs - ms <= LAST_WORD_MS;
  const cut = whole ? { ...caption, playedMs: caption.receivedMs } : shorten(caption, ms);
  return { captions: change(captions, id, () => cut), whole };
}

/** List the items whose audio has not been played to its end, each with its played position. */
export const unplayedItems = ({ byItem }: Captions): PlayedPosition[] =>
  [...byItem]
    .filter(([, caption]) => !caption.ended && !isPlayed(caption))
    .map(([item, { playedMs }]) => ({ item, ms: playedMs }));

/** End the captions of unfinished items after a lost connection. User speech without an item is dropped. */
export function endUnfinished(captions: Captions, conversation: Conversation): Captions {
  const items = new Map(conversation.map((item) => [item.id, item]));
  const kept = [...captions.byItem].flatMap(([id, caption]): [string, Caption][] => {
    const item = items.get(id);
    if (!item) return [];
    const unfinished = item.type === "message" && item.status === "in_progress";
    return [[id, unfinished ? { ...caption, ended: true } : caption]];
  });
  return { ...captions, byItem: new Map(kept) };
}

/** Return the transcript: the messages of the conversation, then the user speech that is not an item yet. */
export function transcriptLines(captions: Captions, conversation: Conversation): Line[] {
  const lines = conversation.flatMap((item) => {
    if (item.type !== "message" || item.role === "system") return [];
    const line = item.role === "user" ? userLine(captions, item) : assistantLine(captions, item);
    return line ? [line] : [];
  });
  const known = new Set(conversation.map((item) => item.id));
  for (const [id, caption] of captions.byItem) {
    if (known.has(id) || !caption.userSpeech) continue;
    const text = captionText(caption);
    const status = captions.untranscribed.has(id) ? "untranscribed" : "in_progress";
    lines.push({ id, role: "user", text, heard: text.length, status });
  }
  return lines;
}

function userLine({ byItem, images: entered, untranscribed }: Captions, item: Message): Line {
  const { id } = item;
  const caption = byItem.get(id);
  const pending = item.content.some((part) => part.transcript === null);
  const text = itemText(item) || (caption ? captionText(caption) : "");
  const status = untranscribed.has(id) ? "untranscribed" : pending ? "in_progress" : "done";
  const images = entered.get(id) ?? item.content.flatMap(({ image_url }) => image_url ?? []);
  const line = { id, role: "user", text, heard: text.length, status } as const;
  return images.length ? { ...line, images } : line;
}

function assistantLine({ byItem }: Captions, item: Message): Line | undefined {
  const { id } = item;
  const line = { id, role: "assistant" } as const;
  const caption = byItem.get(id);
  const finalText = itemText(item);
  if (caption?.ended || (item.status === "incomplete" && !finalText)) {
    const text = caption ? captionText(caption).trimEnd() : "";
    return { ...line, text, heard: text.length, status: "interrupted" };
  }
  const unfinished = item.status === "in_progress";
  const text = unfinished && caption ? captionText(caption) : finalText;
  if (unfinished && !text) return undefined;
  const allHeard = !caption || !caption.receivedMs || (!unfinished && isPlayed(caption));
  const heard = allHeard ? text.length : heardLength(caption);
  if (item.status === "incomplete") return { ...line, text, heard, status: "interrupted" };
  return { ...line, text, heard, status: !unfinished && allHeard ? "done" : "in_progress" };
}

function change(captions: Captions, id: string, edit: (caption: Caption) => Caption): Captions {
  const before = captions.byItem.get(id);
  const after = edit(before ?? EMPTY);
  if (after === before) return captions;
  return { ...captions, byItem: new Map(captions.byItem).set(id, after) };
}

function remove(captions: Captions, id: string): Captions {
  const byItem = new Map(captions.byItem);
  return byItem.delete(id) ? { ...captions, byItem } : captions;
}

const markUserSpeech = (caption: Caption): Caption =>
  caption.userSpeech ? caption : { ...caption, userSpeech: true };

function append(caption: Caption, delta: string | undefined): Caption {
  if (caption.ended || !delta) return caption;
  return { ...caption, pieces: [...caption.pieces, { text: delta, atMs: caption.receivedMs }] };
}

/** Append words, each at the position where it is probably spoken. */
const spread = (caption: Caption, delta: string, pace: number): Caption =>
  (delta.match(/\s*\S+\s*/g) ?? []).reduce((so, word) => {
    const added = append(so, word);
    return added === so ? so : { ...added, receivedMs: so.receivedMs + word.length * pace };
  }, caption);

const shorten = (caption: Caption, ms: number): Caption => ({
  ...caption,
  pieces: caption.pieces.filter(({ atMs }) => atMs < ms),
  receivedMs: ms,
  playedMs: ms,
  ended: true,
});

const isPlayed = ({ playedMs, receivedMs }: Caption): boolean =>
  playedMs >= receivedMs - ROUNDING_MS;

const itemText = (item: Message): string =>
  item.content.map((part) => part.text ?? part.transcript ?? "").join("");

const captionText = ({ pieces }: Caption): string => pieces.map(({ text }) => text).join("");

const heardLength = ({ pieces, playedMs, receivedMs }: Caption): number =>
  pieces.reduce(
    (length, { text, atMs }) => (atMs < playedMs || !receivedMs ? length + text.length : length),
    0,
  );
