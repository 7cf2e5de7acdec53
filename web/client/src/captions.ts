// Words while they are being said. The conversation learns an item's text when it is finished; a caption
// follows it word by word, and knows where in the sound each piece of text begins. So a page can show
// what has been heard apart from what is still to come, and what remains of an answer that was cut.

import type { Conversation } from "./conversation";
import type { PlayedPosition } from "./playout";
import type { Message, ServerEvent } from "./protocol";

interface Caption {
  pieces: { text: string; at: number }[];
  /** Milliseconds of sound received, and played. */
  received: number;
  played: number;
  /** Nothing more of this is coming, or wanted. */
  cut: boolean;
}

/** One line of a transcript, as a page shows it. */
export interface Line {
  readonly id: string;
  readonly role: "user" | "assistant";
  readonly text: string;
  /** How many characters of `text` have been heard; all of it where there is no sound. */
  readonly heard: number;
  /**
   * `coming`: not finished. `cut`: interrupted, `text` is what was heard. `lost`: not understood.
   * `unsent`: typed, and not with the server.
   */
  readonly status: "in_progress" | "done" | "interrupted" | "untranscribed" | "unsent";
}

export class Captions {
  readonly #captions = new Map<string, Caption>();
  readonly #lost = new Set<string>();

  /** Takes the words and sounds of one event. True if a caption changed. */
  apply(event: ServerEvent): boolean {
    switch (event.type) {
      case "input_audio_buffer.speech_started":
        this.#of(event.item_id);
        return true;
      case "conversation.item.input_audio_transcription.delta":
      case "response.output_text.delta":
      case "response.output_audio_transcript.delta": {
        const caption = this.#of(event.item_id);
        if (caption.cut || !event.delta) return false;
        caption.pieces.push({ text: event.delta, at: caption.received });
        return true;
      }
      case "conversation.item.input_audio_transcription.failed":
        this.#lost.add(event.item_id);
        return true;
      case "conversation.item.truncated":
        this.#shorten(this.#of(event.item_id), event.audio_end_ms);
        return true;
      default:
        return false;
    }
  }

  /** `ms` more of an item's sound have come. */
  receive(id: string, ms: number): void {
    this.#of(id).received += ms;
  }

  /** An item has been played up to `ms`. True if that uncovered words. */
  play(id: string, ms: number): boolean {
    const caption = this.#of(id);
    const before = heard(caption);
    caption.played = Math.max(caption.played, ms);
    return heard(caption) !== before;
  }

  /**
   * An item's sound ends here: of its words remain those that began before `ms`. What was finished and
   * stopped in its last word is `whole`: nobody would say that it was interrupted.
   */
  cut(id: string, ms: number, conversation: Conversation): "cut" | "whole" {
    const caption = this.#of(id);
    const finished = conversation.some(
      (item) => item.id === id && item.type === "message" && item.status === "completed",
    );
    const begun = caption.pieces.every(({ at }) => at < ms);
    if (finished && begun && caption.received - ms <= LAST_WORD_MS) {
      caption.played = caption.received;
      return "whole";
    }
    this.#shorten(caption, ms);
    return "cut";
  }

  /** Items whose sound has not been played to its end, and how far it has. */
  unheard(): PlayedPosition[] {
    return [...this.#captions]
      .filter(([, caption]) => !caption.cut && !played(caption))
      .map(([item, { played }]) => ({ item, ms: played }));
  }

  /** The connection is gone: nothing more comes of what is unfinished, and of speech nothing at all. */
  settle(conversation: Conversation): void {
    const items = new Map(conversation.map((item) => [item.id, item]));
    for (const [id, caption] of this.#captions) {
      const item = items.get(id);
      if (!item) this.#captions.delete(id);
      else if (item.type === "message" && item.status === "in_progress") caption.cut = true;
    }
  }

  /** The transcript: the conversation's messages, then what is being said just now. */
  lines(conversation: Conversation): Line[] {
    const lines: Line[] = [];
    const known = new Set<string>();
    for (const item of conversation) {
      known.add(item.id);
      if (item.type !== "message" || item.role === "system") continue;
      const line = this.#line(item);
      if (line) lines.push(line);
    }
    for (const [id, caption] of this.#captions) {
      if (known.has(id)) continue;
      const text = said(caption);
      const status = this.#lost.has(id) ? "untranscribed" : "in_progress";
      lines.push({ id, role: "user", text, heard: text.length, status });
    }
    return lines;
  }

  #line(item: Message): Line | undefined {
    const { id } = item;
    const caption = this.#captions.get(id);
    const text = item.content.map((part) => part.text ?? part.transcript ?? "").join("");
    if (item.role === "user") {
      const unheard = item.content.some((part) => part.transcript === null);
      const words = text || (caption ? said(caption) : "");
      const status = this.#lost.has(id) ? "untranscribed" : unheard ? "in_progress" : "done";
      return { id, role: "user", text: words, heard: words.length, status };
    }
    if (caption?.cut || (item.status === "incomplete" && !text)) {
      const words = caption ? said(caption).trimEnd() : "";
      return { id, role: "assistant", text: words, heard: words.length, status: "interrupted" };
    }
    const coming = item.status === "in_progress";
    const words = coming && caption ? said(caption) : text;
    if (coming && !words) return undefined;
    const all = !caption || !caption.received || (!coming && played(caption));
    const done = !coming && all;
    return {
      id,
      role: "assistant",
      text: words,
      heard: all ? words.length : heard(caption),
      status: item.status === "incomplete" ? "interrupted" : done ? "done" : "in_progress",
    };
  }

  #shorten(caption: Caption, ms: number): void {
    caption.pieces = caption.pieces.filter((piece) => piece.at < ms);
    caption.received = caption.played = ms;
    caption.cut = true;
  }

  #of(id: string): Caption {
    let caption = this.#captions.get(id);
    if (!caption) {
      caption = { pieces: [], received: 0, played: 0, cut: false };
      this.#captions.set(id, caption);
    }
    return caption;
  }
}

const LAST_WORD_MS = 400; // a short word, and the silence after it
const ROUNDING_MS = 1; // pieces are counted one by one, what is played as a whole

const played = ({ played, received }: Caption): boolean => played >= received - ROUNDING_MS;

const said = (caption: Caption): string => caption.pieces.map((piece) => piece.text).join("");

function heard({ pieces, played, received }: Caption): number {
  let length = 0;
  for (const { text, at } of pieces) if (at < played || !received) length += text.length;
  return length;
}
