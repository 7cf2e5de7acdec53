// The events of a call for the pane of engineers: their kinds, ids and times, and none of the words. Repeats are
// folded: an answer has hundreds of deltas.

import type { ServerEvent } from "@vivavoce/client";

export interface LoggedEvent {
  type: string;
  /** Of its item, or of its response. */
  id: string | undefined;
  /** Milliseconds since the session began: of the first one, and of the last repeat. */
  at: number;
  until: number;
  count: number;
}

const MAX_EVENTS = 500;
const NEAR = 4; // entries: audio and words of an answer come in turns

/** Add an event, and leave out the oldest of more than 500. */
export function logged(
  log: readonly LoggedEvent[],
  event: { type: string; id: string | undefined },
  at: number,
): readonly LoggedEvent[] {
  const same = log.findLastIndex(({ type, id }) => type === event.type && id === event.id);
  const before = log[same];
  if (before && same >= log.length - NEAR)
    return log.with(same, { ...before, until: at, count: before.count + 1 });
  return [...log.slice(1 - MAX_EVENTS), { ...event, at, until: at, count: 1 }];
}

/** Return what the log keeps of an event. */
export function summary(event: ServerEvent): { type: string; id: string | undefined } {
  const { type, item_id, item, response, response_id } = event as {
    type: string;
    item_id?: string;
    item?: { id?: string };
    response?: { id?: string };
    response_id?: string;
  };
  return { type, id: item_id ?? item?.id ?? response?.id ?? response_id };
}
