// Rules for the connection and for the events of the server.

import { addReceivedAudio, applyToCaptions, hearItem, NO_CAPTIONS } from "./captions";
import * as client from "./clientEvents";
import { apply } from "./conversation";
import { hasFailed } from "./devices";
import { confirmDraft, createsDraft, draftOf, refuseDraft } from "./draftQueue";
import { busyCode, type CallError, callError, type ErrorCode, isBusy } from "./errors";
import { CLOSED, isHeld } from "./microphone";
import { decode, milliseconds } from "./pcm";
import type { Source } from "./ownEvents";
import type { ErrorBody, Response, ServerEvent, Session } from "./protocol";
import {
  configure,
  endSession,
  interrupt,
  isAnswering,
  requestResponse,
  requestWaits,
  send,
  sendDrafts,
  stopPlayback,
} from "./responses";
import { applyToRuns } from "./toolCards";
import type { Action, Turn } from "./turnState";

/** Note that a new connection is being opened. An earlier session ends. */
export const openConnection = (turn: Turn, link: "connecting" | "reconnecting"): Turn =>
  endSession({ ...turn, link });

/** Note that the connection is gone. Without a new error an earlier one stays. */
export const loseConnection = (
  turn: Turn,
  link: "ended" | "reconnecting",
  error: CallError | undefined,
): Turn =>
  endSession({
    ...turn,
    link,
    reason: link === "ended" ? "hung_up" : turn.reason,
    error: error ?? turn.error,
  });

/** End the call with an error. */
export function failConnection(turn: Turn, error: CallError, out: Action[]): Turn {
  out.push({ type: "stop_recording" });
  const failed = endSession({
    ...turn,
    link: "ended",
    reason: undefined,
    microphone: CLOSED,
    error,
  });
  return error.code === "conversation_deleted" ? forgetConversation(failed) : failed;
}

/** Forget what a deleted conversation contained. Typed messages that it did not contain are kept. */
const forgetConversation = (turn: Turn): Turn => ({
  ...turn,
  waiting: [],
  request: "none",
  conversationId: undefined,
  items: [],
  captions: NO_CAPTIONS,
  toolRuns: [],
  sources: new Map(),
});

/** Continue in a new conversation. Typed messages are kept; other waiting events were about the old one. */
export const replaceConversation = (turn: Turn): Turn => ({
  ...forgetConversation(endSession(turn)),
  error: callError("new_conversation"),
});

/** Apply one server event. Before `session.created` only that event counts. */
export function applyServerEvent(turn: Turn, event: ServerEvent, out: Action[]): Turn {
  if (event.type === "session.created") return openSession(turn, event.session, out);
  if (turn.link !== "open") return turn;
  const late = "response_id" in event && event.response_id === turn.interrupted;
  const pace = turn.transport === "webrtc" ? turn.pace : undefined;
  const captions = late ? turn.captions : applyToCaptions(turn.captions, event, pace);
  const next = {
    ...turn,
    items: apply(turn.items, event),
    captions,
    toolRuns: applyToRuns(turn.toolRuns, event),
  };
  switch (event.type) {
    case "conversation.item.done": // the receipt: the server has stored the item
      return { ...next, drafts: confirmDraft(next.drafts, event.item.id) };
    case "conversation.item.input_audio_transcription.failed":
      return { ...next, error: callError("transcription_failed") };
    case "input_audio_buffer.speech_started":
      return startSpeech(next, out);
    case "input_audio_buffer.speech_stopped":
    case "input_audio_buffer.committed":
      return { ...next, userSpeaking: false };
    case "response.created":
      return startResponse(next, event.response, out);
    case "response.output_text.delta":
      return receiveText(next);
    case "response.output_audio_transcript.delta":
      return late ? next : followItem(next, event.response_id, event.item_id, out);
    case "output_audio_buffer.started":
      return late ? next : startPlayout(next, event.response_id, out);
    case "output_audio_buffer.stopped":
    case "output_audio_buffer.cleared":
      return endPlayout(next, event, out);
    case "response.output_audio.delta":
      return late ? clearError(next, "transcription_failed") : play(next, event, out);
    case "response.done":
      return finishResponse(next, event.response, out);
    case "response.mcp_call.completed":
    case "response.mcp_call.failed": // the server makes no response by itself
      return requestResponse(next, out);
    case "vivavoce.sources":
      return noteSources(next, event.item_id, event.sources);
    case "error":
      return receiveError(next, event.error, out);
    default:
      return next;
  }
}

/** Note where an answer comes from. */
export const noteSources = (turn: Turn, item: string, sources: readonly Source[]): Turn => ({
  ...turn,
  sources: new Map(turn.sources).set(item, sources),
});

/** Configure a new session, and send what has been waiting for it. */
function openSession(turn: Turn, session: Session, out: Action[]): Turn {
  if (turn.link !== "connecting" && turn.link !== "reconnecting") return turn;
  const staysShown = /^(microphone|sound|new_conversation)/.test(turn.error?.code ?? "");
  let next: Turn = {
    ...turn,
    link: "open",
    reason: undefined,
    waiting: [],
    request: requestWaits(turn) ? "sent" : "none",
    serverTranscribes: !!session.audio?.input?.transcription,
    error: staysShown ? turn.error : undefined,
  };
  next = configure(next, out);
  for (const event of turn.waiting) next = send(next, event, out);
  return sendDrafts(next, out);
}

/** Note that the user speaks: an answer stops at once, and so does a message about the last utterance. */
function startSpeech(turn: Turn, out: Action[]): Turn {
  const next = clearError(
    { ...turn, userSpeaking: true },
    "transcription_failed",
    "new_conversation",
    "microphone_changed", // the user is heard
  );
  return isAnswering(next) ? stopPlayback(next, out) : next;
}

/** Note the response that the server makes. A new response makes an error of an earlier one obsolete. */
function startResponse(turn: Turn, response: Response, out: Action[]): Turn {
  const next: Turn = {
    ...turn,
    response: { id: response.id, hasText: false },
    conversationId: response.conversation_id ?? turn.conversationId,
    request: turn.request === "deferred" ? "deferred" : "none",
  };
  const begun = clearError(next, "response_failed", "server", "busy", "full");
  // The assistant speaks by itself, for example a greeting, and the user speaks already.
  const unwanted = isHeld(turn.microphone) && turn.request === "none";
  return unwanted ? interrupt(begun, out) : begun;
}

/** An answer shows that the model understood the user, whether or not there is a transcript. */
function receiveText(turn: Turn): Turn {
  const response = turn.response && { ...turn.response, hasText: true };
  return clearError({ ...turn, response }, "transcription_failed");
}

function play(
  turn: Turn,
  { item_id, delta }: { item_id: string; delta: string },
  out: Action[],
): Turn {
  if (hasFailed(turn.loudspeaker)) return clearError(turn, "transcription_failed");
  const pcm = decode(delta);
  out.push({ type: "play", item: item_id, pcm });
  const captions = addReceivedAudio(turn.captions, item_id, milliseconds(pcm.length));
  return clearError({ ...turn, captions, playing: true }, "transcription_failed");
}

/** Note which item a response speaks. Its words come before its sound, or after. */
function followItem(turn: Turn, response: string, item: string, out: Action[]): Turn {
  if (turn.spoken?.item === item) return turn;
  if (turn.playout === response) out.push({ type: "follow_playback", item });
  return { ...turn, spoken: { response, item } };
}

/** Note that the server plays a response over WebRTC. */
function startPlayout(turn: Turn, response: string, out: Action[]): Turn {
  const item = turn.spoken?.response === response ? turn.spoken.item : undefined;
  if (item) out.push({ type: "follow_playback", item });
  return { ...clearError(turn, "transcription_failed"), playout: response, playing: true };
}

/** Note that the server stopped playing. An item that it played to the end was heard, and its pace is kept. */
function endPlayout(turn: Turn, event: { type: string; response_id: string }, out: Action[]): Turn {
  if (turn.playout !== event.response_id) return turn;
  out.push({ type: "follow_playback", item: undefined });
  const next = { ...turn, playout: undefined, playing: false };
  const { spoken } = turn;
  if (event.type.endsWith("cleared") || spoken?.response !== event.response_id) return next;
  const { captions, pace } = hearItem(turn.captions, spoken.item);
  return { ...next, captions, pace: Math.min(150, Math.max(30, pace ?? turn.pace)) };
}

/** End the response: report its failure, run its tools, and send a request that waited for its end. */
function finishResponse(turn: Turn, response: Response, out: Action[]): Turn {
  const running = turn.response?.id === response.id ? undefined : turn.response;
  let next: Turn = { ...turn, response: running };
  const failure = response.status_details?.error;
  if (response.status === "failed" && turn.error?.code !== "transcription_failed") {
    const code = isBusy(failure) ? busyCode(failure) : "response_failed";
    next = { ...next, error: callError(code, failure?.message) };
  }
  if (response.status === "completed") {
    const calls = response.output.filter((item) => item.type === "function_call");
    if (calls.length) {
      out.push({ type: "run_tools", calls });
      next = { ...next, pageTools: next.pageTools + 1 };
    }
  }
  return next.request === "deferred" ? requestResponse(next, out) : next;
}

/** Show an error of the server, unless the call knows how to go on. */
function receiveError(turn: Turn, error: ErrorBody, out: Action[]): Turn {
  const eventId = error.event_id ?? "";
  if (client.ignoresErrors(eventId)) return turn;
  const draft = draftOf(turn.drafts, eventId);
  if (createsDraft(eventId) && !draft) return turn; // sent twice, and confirmed in between
  // Its receipt was lost with an earlier connection.
  if (draft && error.code === "item_create_duplicate_item_id")
    return { ...turn, drafts: confirmDraft(turn.drafts, draft) };
  const next = { ...turn, drafts: refuseDraft(turn.drafts, eventId) };
  if (error.code === "session_expired") return next; // the server closes and the call reconnects
  if (error.code === "conversation_already_has_active_response")
    return client.isAbout(eventId, turn.requests) ? repeatRequest(next, out) : next;
  const request = next.request === "deferred" ? "deferred" : "none";
  const code = isBusy(error) ? busyCode(error) : "server";
  return { ...next, request, error: callError(code, error.message) };
}

/**
 * Ask again when the response is done that made the server refuse a request: the assistant began by itself, for
 * example with a greeting. If it is done already, ask at once, but only one time in a row.
 */
function repeatRequest(turn: Turn, out: Action[]): Turn {
  if (turn.response || turn.request === "repeated") return { ...turn, request: "deferred" };
  return requestResponse(turn, out, "repeated");
}

const clearError = (turn: Turn, ...codes: ErrorCode[]): Turn =>
  turn.error && codes.includes(turn.error.code) ? { ...turn, error: undefined } : turn;
