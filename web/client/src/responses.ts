// Rules that commands and server events share: sending, asking for a response, interrupting one.

import { cutCaption, endUnfinished, hearAll } from "./captions";
import * as client from "./clientEvents";
import { hasFailed } from "./devices";
import { createDraftItem, heldDrafts, holdSentDrafts, markSent } from "./draftQueue";
import type { PlayedPosition } from "./playout";
import type { ClientEvent } from "./protocol";
import { loseRuns } from "./toolCards";
import type { Action, Turn } from "./turnState";

const MAX_WAITING_EVENTS = 20; // further ones are dropped

/** Send an event, or keep it until there is a session. */
export function send(turn: Turn, event: ClientEvent, out: Action[]): Turn {
  if (turn.link === "open") {
    out.push({ type: "send", event });
    return turn;
  }
  if (turn.waiting.length >= MAX_WAITING_EVENTS) return turn;
  return { ...turn, waiting: [...turn.waiting, event] };
}

/** Configure the session for the mode of the call. Without a loudspeaker answers are written. */
export function configure(turn: Turn, out: Action[]): Turn {
  const { mode, loudspeaker, serverTranscribes, transcription } = turn;
  const spoken = mode !== "text" && !hasFailed(loudspeaker);
  return send(
    turn,
    client.configure(mode, spoken, serverTranscribes ? undefined : transcription),
    out,
  );
}

/** Ask the server for a response. */
export function requestResponse(
  turn: Turn,
  out: Action[],
  request: "sent" | "repeated" = "sent",
): Turn {
  const requests = turn.requests + 1;
  return send({ ...turn, request, requests }, client.respond(requests), out);
}

/** Send the typed messages that are held, and ask for a response. Wait for an interruption to end. */
export function sendDrafts(turn: Turn, out: Action[]): Turn {
  const held = heldDrafts(turn.drafts);
  if (turn.link !== "open" || turn.flushes || !held.length) return turn;
  let next: Turn = { ...turn, drafts: markSent(turn.drafts) };
  for (const draft of held) next = send(next, createDraftItem(draft), out);
  return requestResponse(next, out);
}

/** Stop the response: cancel it where the server is still making it, and stop its audio. */
export function interrupt(turn: Turn, out: Action[]): Turn {
  const request = turn.request === "deferred" ? "none" : turn.request;
  let next: Turn = { ...turn, request };
  if (turn.response || turn.request !== "none") next = send(next, client.cancel, out);
  if (!isAnswering(next)) return next;
  if (next.transport === "webrtc" && next.link === "open")
    next = send(next, client.clearPlayback, out);
  return stopPlayback(next, out);
}

/** True if a response is being made or played. */
export const isAnswering = ({ response, playing }: Turn): boolean => !!response || playing;

/** Stop the audio of the response. The flush reports where each item was cut. */
export function stopPlayback(turn: Turn, out: Action[]): Turn {
  out.push({ type: "flush_playback" });
  return {
    ...turn,
    interrupted: turn.response?.id,
    playing: false,
    flushes: turn.flushes + 1,
  };
}

/**
 * Cut the captions where playback stopped, and tell the server which part was heard. Items without a caption
 * are of an earlier conversation: the server does not know them. Over WebRTC the server knows what it played.
 */
export function cutPlayback(turn: Turn, positions: readonly PlayedPosition[], out: Action[]): Turn {
  let next = turn;
  for (const position of positions) {
    if (!next.captions.byItem.has(position.item)) continue;
    const { captions, whole } = cutCaption(next.captions, position, next.items);
    next = { ...next, captions };
    if (!whole && turn.transport === "websocket") next = send(next, client.truncate(position), out);
  }
  return next;
}

/** True if a request for a response waits for a session. */
export const requestWaits = ({ waiting }: Turn): boolean =>
  waiting.some(({ type }) => type === "response.create");

/**
 * Forget what belonged to a session that is gone. Audio that has arrived plays on. A request that had no
 * response yet waits for the next session, unless a typed message waits too: that one asks by itself.
 */
export function endSession(turn: Turn): Turn {
  const drafts = holdSentDrafts(turn.drafts);
  const asks = turn.request !== "none" && !requestWaits(turn) && !heldDrafts(drafts).length;
  const plays = turn.transport === "websocket"; // what has arrived; over WebRTC nothing has
  const captions = plays ? turn.captions : hearAll(turn.captions);
  const waiting = asks ? [...turn.waiting, client.respond(turn.requests)] : turn.waiting;
  return {
    ...turn,
    response: undefined,
    interrupted: undefined,
    waiting,
    request: requestWaits({ ...turn, waiting }) ? "sent" : "none",
    userSpeaking: false,
    drafts,
    playing: plays && turn.playing,
    playout: undefined,
    spoken: undefined,
    captions: endUnfinished(captions, turn.items),
    toolRuns: loseRuns(turn.toolRuns),
  };
}
