// The client events that a call sends.

import { RATE } from "./rate";
import type { PlayedPosition } from "./playout";
import type { ClientEvent } from "./protocol";
import type { Mode } from "./status";

/**
 * Prefix of the ids of events whose errors are not shown. They report something that may have happened too
 * late, for example a cancel after the response was done. Such an error changes nothing for the user.
 */
const IGNORE_ERRORS = "quiet_";

export const ignoresErrors = (eventId: string): boolean => eventId.startsWith(IGNORE_ERRORS);

/** Ask for a response. `number` counts the requests of a call, so that an error names one of them. */
export const respond = (number: number): ClientEvent => ({
  type: "response.create",
  event_id: `ask_${number}`,
});

/** True if an error of this event is about the request with this number, or names no event. */
export const isAbout = (eventId: string, number: number): boolean =>
  !eventId || eventId === `ask_${number}`;

export const clearAudio: ClientEvent = { type: "input_audio_buffer.clear" };
export const commitAudio: ClientEvent = { type: "input_audio_buffer.commit" };
export const commitUnfinishedAudio: ClientEvent = {
  type: "input_audio_buffer.commit",
  event_id: `${IGNORE_ERRORS}commit`,
};
/** Over WebRTC: stop the audio that the server plays. */
export const clearPlayback: ClientEvent = {
  type: "output_audio_buffer.clear",
  event_id: `${IGNORE_ERRORS}clear`,
};
export const cancel: ClientEvent = {
  type: "response.cancel",
  event_id: `${IGNORE_ERRORS}cancel`,
};

export const answerMcpRequest = (request: string, approve: boolean): ClientEvent => ({
  type: "conversation.item.create",
  item: { type: "mcp_approval_response", approval_request_id: request, approve },
});

export const truncate = ({ item, ms }: PlayedPosition): ClientEvent => ({
  type: "conversation.item.truncate",
  event_id: `${IGNORE_ERRORS}truncate`,
  item_id: item,
  content_index: 0,
  audio_end_ms: ms,
});

/** Ask for an answer that changes nothing. */
export const probe: ClientEvent = {
  type: "session.update",
  event_id: `${IGNORE_ERRORS}probe`,
  session: { type: "realtime" },
};

/** Return the result of a tool call as an item. */
export const toolOutput = (call_id: string, output: string): ClientEvent => ({
  type: "conversation.item.create",
  item: { type: "function_call_output", call_id, output },
});

/**
 * Configure the session for `mode`, with answers that are spoken or written. `transcription` is undefined where
 * the server has chosen one.
 */
export function configure(
  mode: Mode,
  spoken: boolean,
  transcription: object | undefined,
): ClientEvent {
  const format = { type: "audio/pcm", rate: RATE };
  const turn_detection = mode === "open" ? { type: "semantic_vad" } : null;
  return {
    type: "session.update",
    session: {
      type: "realtime",
      output_modalities: [spoken ? "audio" : "text"],
      audio: {
        input: { format, turn_detection, ...(transcription && { transcription }) },
        output: { format },
      },
    },
  };
}

export const DEFAULT_TRANSCRIPTION = { model: "gpt-realtime-whisper" };
