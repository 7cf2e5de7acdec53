// Rules for the commands of the page, and for news of the microphone and the loudspeaker.

import { addImages, markPlayed, unplayedItems } from "./captions";
import * as client from "./clientEvents";
import { addDraft, type EnteredMessage, retryDrafts } from "./draftQueue";
import { callError, type ErrorCode } from "./errors";
import { isWaiting } from "./mcpCards";
import { CLOSED, countSent, isHeld, isLongEnough, press, release, RELEASED } from "./microphone";
import { encode, milliseconds } from "./pcm";
import { RATE } from "./rate";
import {
  configure,
  cutPlayback,
  endSession,
  interrupt,
  requestResponse,
  requestWaits,
  send,
  sendDrafts,
} from "./responses";
import type { PlaybackProgress } from "./player";
import { isLive, type Mode, sendsAudio } from "./status";
import type { ToolResult } from "./tools";
import type { Action, Turn } from "./turnState";

const MAX_BUFFERED_BYTES = 4 * RATE * 2 * (4 / 3); // 4 s of audio in base64

/** Start or continue the call: earlier errors no longer count, refused messages are sent again. */
export function start(turn: Turn, out: Action[]): Turn {
  if (turn.mode !== "text") out.push({ type: "wake_sound" });
  return { ...turn, reason: undefined, error: undefined, drafts: retryDrafts(turn.drafts) };
}

/** End the call, and first tell the server which part of each answer was heard. */
export function close(turn: Turn, out: Action[]): Turn {
  const cut = cutPlayback(turn, unplayedItems(turn.captions), out);
  out.push({ type: "disconnect" });
  return endSession({
    ...cut,
    link: "ended",
    reason: "closed",
    microphone: CLOSED,
    playing: false,
    waiting: [],
    request: "none",
    error: undefined,
  });
}

/**
 * Keep a typed message until the server confirms it, and interrupt the answer. The message is sent where
 * there is a session, after the report of which part of the answer was heard.
 */
export function enterText(turn: Turn, entered: EnteredMessage, out: Action[]): Turn {
  const drafts = addDraft(turn.drafts, entered);
  const error = turn.error?.code === "new_conversation" ? undefined : turn.error;
  const captions = addImages(turn.captions, entered.id, entered.images);
  return sendDrafts(interrupt({ ...turn, drafts, captions, error }, out), out);
}

/** Change the mode. Unfinished user speech is dropped. */
export function changeMode(turn: Turn, mode: Mode, out: Action[]): Turn {
  if (mode === turn.mode) return turn;
  let next: Turn = { ...turn, mode, userSpeaking: false, microphone: release(turn.microphone) };
  if (mode === "text") next = withoutDeviceError(stopMicrophone(next, out));
  else out.push({ type: "wake_sound" });
  if (next.link !== "open") return next;
  return configure(send(next, client.clearAudio, out), out);
}

/** Change the language. A call that is under way continues over a new connection. */
export function changeLanguage(turn: Turn, language: string, out: Action[]): Turn {
  if (language === turn.language) return turn;
  const next = { ...turn, language };
  if (turn.link === "idle" || turn.link === "ended") return next;
  const interrupted: Turn = { ...interrupt(next, out), reason: "language_change" };
  out.push({ type: "reconnect" });
  return endSession({ ...interrupted, request: requestWaits(interrupted) ? "sent" : "none" });
}

/** Press the talk button: interrupt, and open the microphone if it is closed. */
export function pressTalk(turn: Turn, out: Action[]): Turn {
  if (turn.mode !== "push-to-talk" || isHeld(turn.microphone)) return turn;
  const next = interrupt(turn, out);
  if (next.microphone.phase === "closed") out.push({ type: "start_recording" });
  if (next.transport === "webrtc") send(next, client.clearAudio, out); // the silence before
  const microphonePaused = next.microphone.phase === "open" && next.microphonePaused;
  return { ...next, microphonePaused, microphone: press(next.microphone) };
}

/** Release the talk button: ask for a response, unless the utterance was too short. */
export function releaseTalk(turn: Turn, out: Action[]): Turn {
  if (!isHeld(turn.microphone)) return turn;
  const next = { ...turn, microphone: release(turn.microphone) };
  if (!isLongEnough(turn.microphone)) return send(next, client.clearAudio, out);
  return requestResponse(send(next, client.commitAudio, out), out);
}

/** Open the microphone, unless it is open or being opened. */
export function requestMicrophone(turn: Turn, out: Action[]): Turn {
  if (turn.microphone.phase !== "closed") return turn;
  out.push({ type: "start_recording" });
  return {
    ...turn,
    microphonePaused: false,
    microphone: { phase: "requesting", button: RELEASED },
  };
}

/** Note that the microphone is open. Close it again if it was stopped in the meantime. */
export function openMicrophone(turn: Turn, out: Action[]): Turn {
  const code = turn.error?.code ?? "";
  const settled = code.startsWith("microphone") && code !== "microphone_changed";
  const error = settled ? undefined : turn.error;
  if (turn.microphone.phase === "closed") {
    out.push({ type: "stop_recording" });
    return { ...turn, error };
  }
  return { ...turn, error, microphone: { ...turn.microphone, phase: "open" } };
}

/** Note that the microphone could not be opened. */
export const failMicrophone = (turn: Turn, code: ErrorCode): Turn => ({
  ...turn,
  microphone: turn.microphone.phase === "requesting" ? CLOSED : turn.microphone,
  error: callError(code),
});

/** A text session needs neither microphone nor loudspeaker. */
const withoutDeviceError = (turn: Turn): Turn =>
  /^(microphone|sound)/.test(turn.error?.code ?? "") ? { ...turn, error: undefined } : turn;

/** Note that the microphone ended by itself: unplugged, or its permission was taken back. Open the default one. */
export function loseMicrophone(turn: Turn, out: Action[]): Turn {
  if (turn.microphone.phase === "closed") return turn;
  out.push({ type: "start_recording" });
  const microphone = { ...turn.microphone, phase: "requesting" as const };
  return { ...turn, microphone, error: callError("microphone_changed") };
}

/** Open a microphone that was plugged in, if the user wants one. */
export const changeDevices = (turn: Turn, out: Action[]): Turn =>
  isLive(turn) && turn.error?.code === "microphone_missing" ? requestMicrophone(turn, out) : turn;

/** Close the microphone. An utterance that has begun is committed and answered. */
export function stopMicrophone(turn: Turn, out: Action[]): Turn {
  out.push({ type: "stop_recording" });
  const next = { ...turn, microphone: CLOSED };
  if (turn.mode !== "open" || !turn.userSpeaking) return next;
  const committed = send({ ...next, userSpeaking: false }, client.commitUnfinishedAudio, out);
  return requestResponse(committed, out);
}

/** Send recorded audio. Drop it while more than 4 s wait in the socket. */
export function sendAudio(turn: Turn, pcm: Int16Array, bufferedBytes: number, out: Action[]): Turn {
  if (turn.link !== "open" || !sendsAudio(turn)) return turn;
  const slow = bufferedBytes > MAX_BUFFERED_BYTES;
  const changed = slow !== (turn.error?.code === "slow");
  const next = changed ? { ...turn, error: slow ? callError("slow") : undefined } : turn;
  if (slow) return next;
  if (turn.transport === "websocket")
    out.push({ type: "send", event: { type: "input_audio_buffer.append", audio: encode(pcm) } });
  out.push({ type: "keep_recording", pcm });
  const microphone = countSent(next.microphone, milliseconds(pcm.length));
  return microphone === next.microphone ? next : { ...next, microphone };
}

/**
 * Follow playback. Reports that were sent before a flush, or before the call was closed, are out of date. After a
 * failure the loudspeaker plays what has arrived, and its reports count.
 */
export function progressPlayback(turn: Turn, progress: PlaybackProgress): Turn {
  if (turn.flushes || (turn.link !== "open" && turn.link !== "reconnecting" && !turn.playing))
    return turn;
  return {
    ...turn,
    playing: !progress.drained,
    captions: markPlayed(turn.captions, { item: progress.item, ms: progress.ms }),
  };
}

/** Answer a request for the approval of an MCP call. After a no, ask for the response at once. */
export function answerMcpRequest(
  turn: Turn,
  request: string,
  approve: boolean,
  out: Action[],
): Turn {
  if (!isWaiting(turn.items, request)) return turn;
  const next = send(turn, client.answerMcpRequest(request, approve), out);
  return approve ? next : requestResponse(next, out);
}

/** Return the results of tools to the server, and ask for the response that uses them. */
export function returnToolResults(turn: Turn, results: readonly ToolResult[], out: Action[]): Turn {
  let next = { ...turn, pageTools: Math.max(0, turn.pageTools - 1) };
  if (!results.length) return next;
  for (const { callId, output } of results)
    next = send(next, client.toolOutput(callId, output), out);
  return requestResponse(next, out);
}
