// The state of a call as a page sees it, derived from the state of the turn.

import { type Line, transcriptLines } from "./captions";
import type { Conversation } from "./conversation";
import { isPaused } from "./devices";
import { draftLines } from "./draftQueue";
import { type CallError, callError } from "./errors";
import type { Source } from "./ownEvents";
import { mcpCards } from "./mcpCards";
import { explain, type Mode, type Status, type Why } from "./status";
import { sameCard, type ToolCard, toolCards } from "./toolCards";
import type { Turn } from "./turnState";
import type { Transport } from "./wire";

export interface State {
  readonly status: Status;
  /** The reason for the status, where it has one. */
  readonly why?: Why;
  readonly mode: Mode;
  /** The conversation exactly as the protocol has it. */
  readonly items: Conversation;
  /** The transcript, with the words that are being spoken and the messages that are not sent yet. */
  readonly lines: readonly Line[];
  /** The tools that the server runs or ran, the oldest first. */
  readonly toolCards: readonly ToolCard[];
  /** Where answers come from, by the id of their line. */
  readonly sources: ReadonlyMap<string, readonly Source[]>;
  /** The microphone is open. */
  readonly microphone: boolean;
  /** The microphone is being opened: the browser may be asking the user. */
  readonly requestingMicrophone: boolean;
  readonly userSpeaking: boolean;
  /** What carries the call. */
  readonly transport: Transport;
  readonly conversationId?: string;
  readonly error?: CallError;
}

type Before = Pick<State, "lines" | "toolCards">;

/** Derive the state. Unchanged lines and cards are taken from `before`, so a page renders only the others. */
export function view(turn: Turn, before: Before = NOTHING): State {
  const { mode, link, items, captions, microphone, conversationId } = turn;
  const error = turn.error ?? (isPaused(turn) ? SUSPENDED : undefined);
  const known = new Set(items.map(({ id }) => id));
  const drafts = turn.drafts.filter(({ id }) => !known.has(id));
  const lines = [...transcriptLines(captions, items), ...draftLines(drafts, link === "open")];
  return {
    ...explain(turn),
    mode,
    items,
    lines: reuse(before.lines, lines, sameLine),
    toolCards: reuse(
      before.toolCards,
      [...toolCards(turn.toolRuns, items, lines), ...mcpCards(items, lines)],
      sameCard,
    ),
    sources: turn.sources,
    microphone: microphone.phase === "open",
    requestingMicrophone: microphone.phase === "requesting",
    userSpeaking: turn.userSpeaking,
    transport: turn.transport,
    ...(conversationId && { conversationId }),
    ...(error && { error }),
  };
}

const NOTHING: Before = { lines: [], toolCards: [] };
const SUSPENDED = callError("sound_suspended"); // one object, which a page compares by identity

/** True if a page has nothing to render again. */
export const sameState = (a: State, b: State): boolean =>
  (Object.keys({ ...a, ...b }) as (keyof State)[]).every((key) => a[key] === b[key]);

function reuse<T>(
  before: readonly T[],
  now: readonly T[],
  same: (a: T, b: T) => boolean,
): readonly T[] {
  const reused = now.map((one, i) => {
    const old = before[i];
    return old && same(old, one) ? old : one;
  });
  const unchanged = reused.length === before.length && reused.every((one, i) => one === before[i]);
  return unchanged ? before : reused;
}

const sameLine = (a: Line, b: Line): boolean =>
  a.id === b.id &&
  a.text === b.text &&
  a.heard === b.heard &&
  a.status === b.status &&
  a.images?.length === b.images?.length &&
  !!a.images?.every((image, i) => image === b.images?.[i]) === !!a.images;
