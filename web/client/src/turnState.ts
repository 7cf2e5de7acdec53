// The state of a call, the inputs that change it and the actions that follow from it. The rules are in
// `turn.ts`.

import { type Captions, NO_CAPTIONS, PACE } from "./captions";
import { DEFAULT_TRANSCRIPTION } from "./clientEvents";
import type { Conversation } from "./conversation";
import type { DraftQueue } from "./draftQueue";
import type { CallError, ErrorCode } from "./errors";
import { CLOSED, type Microphone } from "./microphone";
import type { PlayedPosition } from "./playout";
import type { ClientEvent, FunctionCall, ServerEvent } from "./protocol";
import type { Source, ToolRun } from "./ownEvents";
import type { LoudspeakerState, PlaybackProgress } from "./player";
import type { Link, Mode, Reason } from "./status";
import type { ToolRuns } from "./toolCards";
import type { ToolResult } from "./tools";
import type { Transport } from "./wire";

export interface Turn {
  readonly mode: Mode;
  readonly language: string | undefined;
  readonly link: Link;
  /** Over `webrtc` the server plays the audio, and says when. */
  readonly transport: Transport;
  /** The last item with spoken words. */
  readonly spoken: { readonly response: string; readonly item: string } | undefined;
  /** The response that the server plays over WebRTC. */
  readonly playout: string | undefined;
  /** Milliseconds per character that the assistant speaks: over WebRTC the positions of words are estimated. */
  readonly pace: number;
  /** Why the call is not connected, where no error is the reason. */
  readonly reason: Reason | undefined;
  readonly conversationId: string | undefined;
  readonly items: Conversation;
  readonly captions: Captions;
  /** The tools that the server runs or ran. */
  readonly toolRuns: ToolRuns;
  /** Where answers come from, by their item. */
  readonly sources: ReadonlyMap<string, readonly Source[]>;
  readonly drafts: DraftQueue;
  /** Client events that wait for a session. */
  readonly waiting: readonly ClientEvent[];
  /** To send as `audio.input.transcription`, where the server has not chosen one. */
  readonly transcription: object;
  readonly serverTranscribes: boolean;
  /** The response that the server is making. */
  readonly response: { readonly id: string; readonly hasText: boolean } | undefined;
  /** The response that the user interrupted: what arrives of it later is dropped. */
  readonly interrupted: string | undefined;
  /**
   * `sent`: a `response.create` has no response yet. `deferred`: the server refused it because a response was
   * active, so it is sent again after that response. `repeated`: the refusal came after the end of that
   * response, so it was sent again at once.
   */
  readonly request: "none" | "sent" | "repeated" | "deferred";
  /** Number of responses whose tools run in the page. */
  readonly pageTools: number;
  /** Number of requests for a response. */
  readonly requests: number;
  /** The loudspeaker has audio to play. */
  readonly playing: boolean;
  /** Number of flushes of the loudspeaker that have not reported yet. */
  readonly flushes: number;
  readonly userSpeaking: boolean;
  readonly microphone: Microphone;
  /** The system or the browser has paused the open microphone: it records silence, or nothing. */
  readonly microphonePaused: boolean;
  /** After a failure, answers are read instead of heard. */
  readonly loudspeaker: LoudspeakerState;
  readonly error: CallError | undefined;
}

/** News of the connection. */
export type ConnectionInput =
  | { type: "connection_opening"; link: "connecting" | "reconnecting" }
  | { type: "connection_lost"; link: "ended" | "reconnecting"; error?: CallError }
  | { type: "connection_failed"; error: CallError }
  | { type: "transport_chosen"; transport: Transport }
  | { type: "conversation_gone" } // the connection opens again, for a new conversation
  | { type: "server_event"; event: ServerEvent };

export type Input =
  | ConnectionInput
  | { type: "started" }
  | { type: "closed" }
  | { type: "text_entered"; id: string; text: string; images?: readonly string[] } // data URLs
  | { type: "interrupted" }
  | { type: "mode_changed"; mode: Mode }
  | { type: "language_changed"; language: string }
  | { type: "talk_pressed" }
  | { type: "talk_released" }
  | { type: "microphone_requested" }
  | { type: "microphone_opened" }
  | { type: "microphone_failed"; code: ErrorCode }
  | { type: "microphone_stopped" }
  | { type: "microphone_lost" } // unplugged, or the user took the permission back
  | { type: "microphone_paused"; paused: boolean }
  | { type: "devices_changed" } // one was plugged in or unplugged
  | { type: "loudspeaker_changed"; state: LoudspeakerState }
  | { type: "resumed" }
  | { type: "audio_recorded"; pcm: Int16Array; bufferedBytes: number } // unsent bytes in the socket
  | ({ type: "playback_progressed" } & PlaybackProgress)
  | { type: "playback_flushed"; positions: readonly PlayedPosition[] }
  | { type: "tools_finished"; results: readonly ToolResult[] }
  | { type: "tool_run_read"; run: ToolRun } // from the server, over HTTP
  | { type: "mcp_request_answered"; request: string; approve: boolean }
  | { type: "sources_read"; item: string; sources: readonly Source[] };

export type Action =
  | { type: "send"; event: ClientEvent }
  | { type: "play"; item: string; pcm: Int16Array<ArrayBuffer> }
  | { type: "follow_playback"; item: string | undefined } // over WebRTC, reported as `playback_progressed`
  | { type: "flush_playback" } // reported back as `playback_flushed`
  | { type: "start_recording" } // reported back as `microphone_opened` or `microphone_failed`
  | { type: "stop_recording" }
  | { type: "keep_recording"; pcm: Int16Array } // of the user's turn
  | { type: "wake_sound" } // reported back as `loudspeaker_changed`
  | { type: "run_tools"; calls: readonly FunctionCall[] } // reported back as `tools_finished`
  | { type: "reconnect" }
  | { type: "disconnect" };

export interface Step {
  readonly turn: Turn;
  readonly actions: readonly Action[];
}

export interface TurnOptions {
  mode?: Mode | undefined;
  language?: string | undefined;
  conversationId?: string | undefined;
  items?: Conversation | undefined;
  transcription?: object | undefined;
}

/** Return the state of a call that has not been started. */
export const initialTurn = (options: TurnOptions): Turn => ({
  mode: options.mode ?? "open",
  language: options.language,
  link: "idle",
  transport: "websocket",
  spoken: undefined,
  playout: undefined,
  pace: PACE,
  reason: undefined,
  conversationId: options.conversationId,
  items: options.items ?? [],
  captions: NO_CAPTIONS,
  toolRuns: [],
  sources: new Map(),
  drafts: [],
  waiting: [],
  transcription: options.transcription ?? DEFAULT_TRANSCRIPTION,
  serverTranscribes: false,
  response: undefined,
  interrupted: undefined,
  request: "none",
  requests: 0,
  pageTools: 0,
  playing: false,
  flushes: 0,
  userSpeaking: false,
  microphone: CLOSED,
  microphonePaused: false,
  loudspeaker: "running",
  error: undefined,
});
