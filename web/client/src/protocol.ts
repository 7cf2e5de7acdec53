// The events of the Realtime protocol that a page needs for a call. Other server events are ignored.
// `protocol.generated.ts` has them all, as the server defines them.

import type { OwnEvent } from "./ownEvents";

export interface Part {
  type: string;
  text?: string;
  transcript?: string | null;
  /** Of a picture: a data URL. */
  image_url?: string;
}

export interface Message {
  type: "message";
  id: string;
  role: "user" | "assistant" | "system";
  status?: string;
  content: Part[];
}

export interface FunctionCall {
  type: "function_call";
  id: string;
  call_id: string;
  name: string;
  arguments: string;
  status?: string;
}

export interface FunctionCallOutput {
  type: "function_call_output";
  id: string;
  call_id: string;
  output: string;
}

export interface McpApprovalRequest {
  type: "mcp_approval_request";
  id: string;
  server_label: string;
  name: string;
  arguments: string;
}

export interface McpApprovalResponse {
  type: "mcp_approval_response";
  id: string;
  approval_request_id: string;
  approve: boolean;
}

export interface McpCall {
  type: "mcp_call";
  id: string;
  server_label: string;
  name: string;
  arguments: string;
  approval_request_id?: string | null;
  output?: string | null;
  error?: { type: string; code?: number; message?: string } | null;
}

export type Item =
  Message | FunctionCall | FunctionCallOutput | McpApprovalRequest | McpApprovalResponse | McpCall;

export interface ErrorBody {
  type?: string;
  code?: string | null;
  message?: string;
  /** The client event that caused the error. */
  event_id?: string | null;
  /** Seconds until the next attempt: sent by a Vivavoce server that is overloaded. */
  retry_after?: number;
}

export interface Response {
  id: string;
  status: "in_progress" | "completed" | "cancelled" | "incomplete" | "failed";
  status_details: { type: string; reason?: string; error?: ErrorBody } | null;
  conversation_id: string | null;
  output: Item[];
}

export interface Session {
  tools?: { name?: string; parameters?: unknown }[];
  audio?: { input?: { transcription?: object | null; turn_detection?: object | null } };
}

interface Delta {
  response_id: string;
  item_id: string;
  delta: string;
}

export type ServerEvent =
  | { type: "session.created" | "session.updated"; session: Session }
  | { type: "conversation.item.added"; item: Item; previous_item_id: string | null }
  | { type: "conversation.item.done"; item: Item }
  | { type: "conversation.item.deleted"; item_id: string }
  | { type: "conversation.item.truncated"; item_id: string; audio_end_ms: number }
  | { type: "conversation.item.input_audio_transcription.delta"; item_id: string; delta?: string }
  | {
      type: "conversation.item.input_audio_transcription.completed";
      item_id: string;
      content_index?: number;
      transcript: string;
    }
  | {
      type: "conversation.item.input_audio_transcription.failed";
      item_id: string;
      error: ErrorBody;
    }
  | { type: "input_audio_buffer.speech_started"; item_id: string; audio_start_ms?: number }
  | { type: "input_audio_buffer.speech_stopped"; item_id: string; audio_end_ms?: number }
  | { type: "input_audio_buffer.committed"; item_id: string }
  | { type: "response.created" | "response.done"; response: Response }
  | ({ type: "response.output_text.delta" } & Delta)
  | ({ type: "response.output_audio_transcript.delta" } & Delta)
  | ({ type: "response.output_audio.delta" } & Delta)
  | {
      type:
        | "output_audio_buffer.started"
        | "output_audio_buffer.stopped"
        | "output_audio_buffer.cleared";
      response_id: string;
    }
  | { type: "response.mcp_call.completed" | "response.mcp_call.failed"; item_id: string }
  | { type: "error"; error: ErrorBody }
  | OwnEvent;

export type ClientEvent =
  | { type: "session.update"; session: object; event_id?: string }
  | { type: "input_audio_buffer.append"; audio: string }
  | { type: "input_audio_buffer.commit"; event_id?: string }
  | { type: "input_audio_buffer.clear" }
  | { type: "output_audio_buffer.clear"; event_id: string }
  | { type: "conversation.item.create"; event_id?: string; item: object }
  | {
      type: "conversation.item.truncate";
      event_id: string;
      item_id: string;
      content_index: number;
      audio_end_ms: number;
    }
  | { type: "response.create"; event_id: string }
  | { type: "response.cancel"; event_id: string };
