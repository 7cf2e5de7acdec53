// The server events that the Vercel AI SDK shows, under its names. Sound stays with the client.

import type { ServerEvent } from "@vivavoce/client";
import type { Experimental_RealtimeServerEvent as Event } from "ai";

/** Return an event as the SDK names it. */
export function normalized(raw: ServerEvent): Event {
  const { response_id, item_id, ...event } = raw as unknown as Record<string, string>;
  const at = { responseId: response_id ?? "", itemId: item_id ?? "", raw };
  const { delta = "", transcript = "", text = "" } = event;
  switch (raw.type as string) {
    case "session.created":
      return { type: "session-created", raw };
    case "input_audio_buffer.speech_started":
      return { type: "speech-started", ...at };
    case "input_audio_buffer.committed":
      return { type: "audio-committed", ...at };
    case "conversation.item.input_audio_transcription.completed":
      return { type: "input-transcription-completed", ...at, transcript };
    case "response.created":
      return { type: "response-created", responseId: idOf(raw), raw };
    case "response.done":
      return { type: "response-done", responseId: idOf(raw), status: "completed", raw };
    case "response.output_audio_transcript.delta":
      return { type: "audio-transcript-delta", ...at, delta };
    case "response.output_audio_transcript.done":
      return { type: "audio-transcript-done", ...at, transcript };
    case "response.output_text.delta":
      return { type: "text-delta", ...at, delta };
    case "response.output_text.done":
      return { type: "text-done", ...at, text };
    default:
      return { type: "custom", rawType: raw.type, raw };
  }
}

const idOf = (raw: ServerEvent): string =>
  (raw as { response?: { id?: string } }).response?.id ?? "";
