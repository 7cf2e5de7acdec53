// Made by `scripts/protocol_types.py` from the types of the server. Do not edit it.
//
// A field may be missing where the sender may leave it out. Both sides send the objects inside of
// events.

export type ClientEvent =
  | SessionUpdate
  | AudioCommit
  | AudioClear
  | PlayoutClear
  | ItemCreate
  | ItemRetrieve
  | ItemDelete
  | ItemTruncate
  | ResponseCreate
  | ResponseCancel
  | AudioAppend;

export type ServerEvent =
  | Error
  | SessionCreated
  | SessionUpdated
  | SpeechStarted
  | SpeechStopped
  | TimeoutTriggered
  | AudioCommitted
  | AudioCleared
  | DtmfReceived
  | PlayoutStarted
  | PlayoutStopped
  | PlayoutCleared
  | ConversationCreated
  | ItemCreated
  | ItemAdded
  | ItemDone
  | ItemRetrieved
  | ItemDeleted
  | ItemTruncated
  | TranscriptionDelta
  | TranscriptionSegment
  | TranscriptionCompleted
  | TranscriptionFailed
  | ResponseCreated
  | ResponseDone
  | OutputItemAdded
  | OutputItemDone
  | PartAdded
  | PartDone
  | TextDelta
  | TextDone
  | TranscriptDelta
  | TranscriptDone
  | AudioDelta
  | AudioDone
  | ArgumentsDelta
  | ArgumentsDone
  | McpArgumentsDelta
  | McpArgumentsDone
  | McpCallInProgress
  | McpCallCompleted
  | McpCallFailed
  | McpListInProgress
  | McpListCompleted
  | McpListFailed
  | RateLimitsUpdated;

export type OwnEvent =
  | CallNamed
  | ToolStarted
  | ToolProgress
  | ToolDone
  | ApprovalRequested
  | AnswerSources
  | Closing;

export interface AnswerSources {
  type: "vivavoce.sources";
  event_id: string;
  item_id: string;
  sources: readonly (Source)[];
}

export interface ApprovalRequested {
  type: "vivavoce.approval.requested";
  event_id: string;
  run_id: string;
  call_id: string;
  name: string;
  arguments: string;
  arguments_sha256: string;
  approve: string;
  expires_at: string | null;
}

export interface ArgumentsDelta {
  type: "response.function_call_arguments.delta";
  event_id: string;
  response_id: string;
  item_id: string;
  output_index: number;
  call_id: string;
  delta: string;
  obfuscation: string;
}

export interface ArgumentsDone {
  type: "response.function_call_arguments.done";
  event_id: string;
  response_id: string;
  item_id: string;
  output_index: number;
  call_id: string;
  name: string;
  arguments: string;
}

export interface Audio {
  input?: AudioInput;
  output?: AudioOutput;
}

export interface AudioAppend {
  type: "input_audio_buffer.append";
  event_id?: string | null;
  audio: string;
}

export interface AudioClear {
  type: "input_audio_buffer.clear";
  event_id?: string | null;
}

export interface AudioCleared {
  type: "input_audio_buffer.cleared";
  event_id: string;
}

export interface AudioCommit {
  type: "input_audio_buffer.commit";
  event_id?: string | null;
}

export interface AudioCommitted {
  type: "input_audio_buffer.committed";
  event_id: string;
  previous_item_id: string | null;
  item_id: string;
}

export interface AudioDelta {
  type: "response.output_audio.delta";
  event_id: string;
  response_id: string;
  item_id: string;
  output_index: number;
  content_index: number;
  delta: string;
}

export interface AudioDone {
  type: "response.output_audio.done";
  event_id: string;
  response_id: string;
  item_id: string;
  output_index: number;
  content_index: number;
}

export interface AudioInput {
  format?: Pcm | Pcmu | Pcma;
  transcription?: Transcription | null;
  noise_reduction?: NoiseReduction | null;
  turn_detection?: ServerVad | SemanticVad | null;
}

export interface AudioOptions {
  output?: VoiceOptions | null;
}

export interface AudioOutput {
  format?: Pcm | Pcmu | Pcma;
  voice?: string;
  speed?: number;
}

export interface CachedTokens {
  text_tokens?: number;
  audio_tokens?: number;
  image_tokens?: number;
}

export interface CallNamed {
  type: "vivavoce.call";
  event_id: string;
  call_id: string;
  conversation_id: string;
}

export interface ChosenFunction {
  type: "function";
  name: string;
}

export interface ChosenMcp {
  type: "mcp";
  server_label: string;
  name?: string | null;
}

export interface Closing {
  type: "vivavoce.closing";
  event_id: string;
  code: number;
  reason: string;
}

export interface ContentPart {
  type: "audio" | "text";
  text?: string;
  transcript?: string | null;
  audio?: string | null;
}

export interface ConversationBody {
  id: string;
  object?: "realtime.conversation";
}

export interface ConversationCreated {
  type: "conversation.created";
  event_id: string;
  conversation: ConversationBody;
}

export interface CustomVoice {
  id: string;
}

export interface DetectedLanguage {
  code: string;
}

export interface DtmfReceived {
  type: "input_audio_buffer.dtmf_event_received";
  event_id: string;
  event: "#" | "*" | "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9" | "A" | "B" | "C" | "D";
  received_at: number;
}

export interface Duration {
  type: "duration";
  seconds: number;
}

export interface Error {
  type: "error";
  event_id: string;
  error: ErrorBody;
}

export interface ErrorBody {
  type: string;
  code: string | null;
  message: string;
  param?: string | null;
  event_id?: string | null;
  retry_after?: number;
}

export interface Failure {
  type: string | null;
  code: string | null;
  message: string | null;
}

export interface FunctionCall {
  type: "function_call";
  id?: string;
  object?: "realtime.item";
  status?: "completed" | "in_progress" | "incomplete";
  name: string;
  call_id: string;
  arguments: string;
}

export interface FunctionOutput {
  type: "function_call_output";
  id?: string;
  object?: "realtime.item";
  status?: "completed" | "in_progress" | "incomplete";
  call_id: string;
  output: string;
}

export interface FunctionTool {
  type: "function";
  name: string;
  description?: string | null;
  parameters?: Record<string, unknown> | null;
}

export interface InputTokens {
  text_tokens?: number;
  audio_tokens?: number;
  image_tokens?: number;
  cached_tokens?: number;
  cached_tokens_details?: CachedTokens;
}

export interface ItemAdded {
  type: "conversation.item.added";
  event_id: string;
  previous_item_id: string | null;
  item: Message | FunctionCall | FunctionOutput | McpListTools | McpApprovalRequest | McpApprovalResponse | McpCall;
}

export interface ItemCreate {
  type: "conversation.item.create";
  event_id?: string | null;
  item: Message | FunctionCall | FunctionOutput | McpListTools | McpApprovalRequest | McpApprovalResponse | McpCall;
  previous_item_id?: string | null;
}

export interface ItemCreated {
  type: "conversation.item.created";
  event_id: string;
  previous_item_id: string | null;
  item: Message | FunctionCall | FunctionOutput | McpListTools | McpApprovalRequest | McpApprovalResponse | McpCall;
}

export interface ItemDelete {
  type: "conversation.item.delete";
  event_id?: string | null;
  item_id: string;
}

export interface ItemDeleted {
  type: "conversation.item.deleted";
  event_id: string;
  item_id: string;
}

export interface ItemDone {
  type: "conversation.item.done";
  event_id: string;
  previous_item_id: string | null;
  item: Message | FunctionCall | FunctionOutput | McpListTools | McpApprovalRequest | McpApprovalResponse | McpCall;
}

export interface ItemReference {
  type: "item_reference";
  id: string;
}

export interface ItemRetrieve {
  type: "conversation.item.retrieve";
  event_id?: string | null;
  item_id: string;
}

export interface ItemRetrieved {
  type: "conversation.item.retrieved";
  event_id: string;
  item: Message | FunctionCall | FunctionOutput | McpListTools | McpApprovalRequest | McpApprovalResponse | McpCall;
}

export interface ItemTruncate {
  type: "conversation.item.truncate";
  event_id?: string | null;
  item_id: string;
  content_index: number;
  audio_end_ms: number;
}

export interface ItemTruncated {
  type: "conversation.item.truncated";
  event_id: string;
  item_id: string;
  content_index: number;
  audio_end_ms: number;
}

export interface Logprob {
  token: string;
  logprob: number;
  bytes: readonly (number)[] | null;
}

export interface McpApproval {
  always?: McpToolFilter | null;
  never?: McpToolFilter | null;
}

export interface McpApprovalRequest {
  type: "mcp_approval_request";
  id?: string;
  server_label: string;
  name: string;
  arguments: string;
}

export interface McpApprovalResponse {
  type: "mcp_approval_response";
  id?: string;
  approval_request_id: string;
  approve: boolean;
  reason?: string | null;
}

export interface McpArgumentsDelta {
  type: "response.mcp_call_arguments.delta";
  event_id: string;
  response_id: string;
  item_id: string;
  output_index: number;
  delta: string;
  obfuscation: string;
}

export interface McpArgumentsDone {
  type: "response.mcp_call_arguments.done";
  event_id: string;
  response_id: string;
  item_id: string;
  output_index: number;
  arguments: string;
}

export interface McpCall {
  type: "mcp_call";
  id?: string;
  server_label: string;
  name: string;
  arguments: string;
  output?: string | null;
  error?: McpProtocolError | McpToolError | McpHttpError | null;
  approval_request_id?: string | null;
}

export interface McpCallCompleted {
  type: "response.mcp_call.completed";
  event_id: string;
  item_id: string;
  output_index: number;
}

export interface McpCallFailed {
  type: "response.mcp_call.failed";
  event_id: string;
  item_id: string;
  output_index: number;
}

export interface McpCallInProgress {
  type: "response.mcp_call.in_progress";
  event_id: string;
  item_id: string;
  output_index: number;
}

export interface McpHttpError {
  type: "http_error";
  code: number;
  message: string;
}

export interface McpListCompleted {
  type: "mcp_list_tools.completed";
  event_id: string;
  item_id: string;
}

export interface McpListFailed {
  type: "mcp_list_tools.failed";
  event_id: string;
  item_id: string;
}

export interface McpListInProgress {
  type: "mcp_list_tools.in_progress";
  event_id: string;
  item_id: string;
}

export interface McpListTools {
  type: "mcp_list_tools";
  id?: string;
  server_label: string;
  tools?: readonly (McpListedTool)[];
}

export interface McpListedTool {
  name: string;
  description?: string | null;
  input_schema: Record<string, unknown>;
  annotations?: Record<string, unknown> | null;
}

export interface McpProtocolError {
  type: "protocol_error";
  code: number;
  message: string;
}

export interface McpTool {
  type: "mcp";
  server_label: string;
  server_url?: string | null;
  connector_id?: "connector_dropbox" | "connector_gmail" | "connector_googlecalendar" | "connector_googledrive" | "connector_microsoftteams" | "connector_outlookcalendar" | "connector_outlookemail" | "connector_sharepoint" | null;
  tunnel_id?: string | null;
  authorization?: string | null;
  headers?: Record<string, string> | null;
  allowed_tools?: readonly (string)[] | McpToolFilter | null;
  require_approval?: "always" | "never" | McpApproval | null;
  server_description?: string | null;
  defer_loading?: boolean | null;
  allowed_callers?: readonly ("direct" | "programmatic")[] | null;
}

export interface McpToolError {
  type: "tool_execution_error";
  message: string;
}

export interface McpToolFilter {
  tool_names?: readonly (string)[] | null;
  read_only?: boolean | null;
}

export interface Message {
  type: "message";
  id?: string;
  object?: "realtime.item";
  status?: "completed" | "in_progress" | "incomplete";
  role: "assistant" | "system" | "user";
  phase?: "commentary" | "final_answer" | null;
  content?: readonly (Part)[];
}

export interface NoiseReduction {
  type: "far_field" | "near_field";
  strength?: number;
}

export interface OutputItemAdded {
  type: "response.output_item.added";
  event_id: string;
  response_id: string;
  output_index: number;
  item: Message | FunctionCall | FunctionOutput | McpListTools | McpApprovalRequest | McpApprovalResponse | McpCall;
}

export interface OutputItemDone {
  type: "response.output_item.done";
  event_id: string;
  response_id: string;
  output_index: number;
  item: Message | FunctionCall | FunctionOutput | McpListTools | McpApprovalRequest | McpApprovalResponse | McpCall;
}

export interface OutputTokens {
  text_tokens?: number;
  audio_tokens?: number;
  reasoning_tokens?: number;
}

export interface Part {
  type: "input_audio" | "input_image" | "input_text" | "output_audio" | "output_text";
  text?: string;
  transcript?: string | null;
  audio?: string | null;
  image_url?: string;
  detail?: "auto" | "high" | "low";
}

export interface PartAdded {
  type: "response.content_part.added";
  event_id: string;
  response_id: string;
  item_id: string;
  output_index: number;
  content_index: number;
  part: ContentPart;
}

export interface PartDone {
  type: "response.content_part.done";
  event_id: string;
  response_id: string;
  item_id: string;
  output_index: number;
  content_index: number;
  part: ContentPart;
}

export interface Pcm {
  type: "audio/pcm";
  rate?: "24000";
}

export interface Pcma {
  type: "audio/pcma";
}

export interface Pcmu {
  type: "audio/pcmu";
}

export interface PlayoutClear {
  type: "output_audio_buffer.clear";
  event_id?: string | null;
}

export interface PlayoutCleared {
  type: "output_audio_buffer.cleared";
  event_id: string;
  response_id: string;
}

export interface PlayoutStarted {
  type: "output_audio_buffer.started";
  event_id: string;
  response_id: string;
}

export interface PlayoutStopped {
  type: "output_audio_buffer.stopped";
  event_id: string;
  response_id: string;
}

export interface Prompt {
  id: string;
  version?: string | null;
  variables?: Record<string, unknown> | null;
}

export interface RateLimit {
  name: string;
  limit: number;
  remaining: number;
  reset_seconds: number;
}

export interface RateLimitsUpdated {
  type: "rate_limits.updated";
  event_id: string;
  rate_limits: readonly (RateLimit)[];
}

export interface Reasoning {
  effort?: "high" | "low" | "medium" | "minimal" | "xhigh" | null;
}

export interface Response {
  object?: "realtime.response";
  id: string;
  status: "cancelled" | "completed" | "failed" | "in_progress" | "incomplete";
  status_details?: StatusDetails | null;
  output?: readonly (Message | FunctionCall | FunctionOutput | McpListTools | McpApprovalRequest | McpApprovalResponse | McpCall)[];
  conversation_id?: string | null;
  output_modalities: readonly ["audio" | "text"];
  max_output_tokens?: number | "inf";
  audio?: ResponseAudio;
  usage?: Usage | null;
  metadata?: Record<string, string> | null;
}

export interface ResponseAudio {
  output: ResponseVoice;
}

export interface ResponseCancel {
  type: "response.cancel";
  event_id?: string | null;
  response_id?: string | null;
}

export interface ResponseCreate {
  type: "response.create";
  event_id?: string | null;
  response?: ResponseOptions | null;
}

export interface ResponseCreated {
  type: "response.created";
  event_id: string;
  response: Response;
}

export interface ResponseDone {
  type: "response.done";
  event_id: string;
  response: Response;
}

export interface ResponseOptions {
  conversation?: "auto" | "none" | null;
  instructions?: string | null;
  output_modalities?: readonly ["audio" | "text"] | null;
  audio?: AudioOptions | null;
  tools?: readonly (FunctionTool | McpTool)[] | null;
  tool_choice?: "auto" | "none" | "required" | ChosenFunction | ChosenMcp | null;
  max_output_tokens?: number | "inf" | null;
  parallel_tool_calls?: boolean | null;
  reasoning?: Reasoning | null;
  prompt?: Prompt | null;
  metadata?: Record<string, string> | null;
  input?: readonly (Message | FunctionCall | FunctionOutput | McpListTools | McpApprovalRequest | McpApprovalResponse | McpCall | ItemReference)[] | null;
}

export interface ResponseVoice {
  format: Pcm | Pcmu | Pcma;
  voice: string;
}

export interface RetentionRatio {
  type: "retention_ratio";
  retention_ratio: number;
  token_limits?: TokenLimits | null;
}

export interface SemanticVad {
  type: "semantic_vad";
  eagerness?: "auto" | "high" | "low" | "medium";
  create_response?: boolean;
  interrupt_response?: boolean;
}

export interface ServerVad {
  type: "server_vad";
  threshold?: number;
  prefix_padding_ms?: number;
  silence_duration_ms?: number;
  idle_timeout_ms?: number | null;
  create_response?: boolean;
  interrupt_response?: boolean;
}

export interface SessionConfig {
  type: "realtime";
  object?: "realtime.session";
  id?: string;
  model?: string;
  output_modalities?: readonly ["audio" | "text"];
  instructions?: string;
  tools?: readonly (FunctionTool | McpTool)[];
  tool_choice?: "auto" | "none" | "required" | ChosenFunction | ChosenMcp;
  max_output_tokens?: number | "inf";
  tracing?: "auto" | Tracing | null;
  truncation?: "auto" | "disabled" | RetentionRatio;
  prompt?: Prompt | null;
  expires_at?: number;
  audio?: Audio;
  include?: readonly ("item.input_audio_transcription.logprobs")[] | null;
  parallel_tool_calls?: boolean;
  reasoning?: Reasoning;
}

export interface SessionCreated {
  type: "session.created";
  event_id: string;
  session: SessionConfig | TranscriptionConfig;
}

export interface SessionUpdate {
  type: "session.update";
  event_id?: string | null;
  session: Record<string, unknown>;
}

export interface SessionUpdated {
  type: "session.updated";
  event_id: string;
  session: SessionConfig | TranscriptionConfig;
}

export interface Source {
  id: string;
  source: string;
  place?: string;
  title?: string;
  score: number;
  revision: string;
}

export interface SpeechStarted {
  type: "input_audio_buffer.speech_started";
  event_id: string;
  audio_start_ms: number;
  item_id: string;
}

export interface SpeechStopped {
  type: "input_audio_buffer.speech_stopped";
  event_id: string;
  audio_end_ms: number;
  item_id: string;
}

export interface StatusDetails {
  type: "cancelled" | "completed" | "failed" | "incomplete";
  reason?: string | null;
  error?: Failure | null;
}

export interface TextDelta {
  type: "response.output_text.delta";
  event_id: string;
  response_id: string;
  item_id: string;
  output_index: number;
  content_index: number;
  delta: string;
  obfuscation: string;
}

export interface TextDone {
  type: "response.output_text.done";
  event_id: string;
  response_id: string;
  item_id: string;
  output_index: number;
  content_index: number;
  text: string;
}

export interface TimeoutTriggered {
  type: "input_audio_buffer.timeout_triggered";
  event_id: string;
  audio_start_ms: number;
  audio_end_ms: number;
  item_id: string;
}

export interface TokenLimits {
  post_instructions?: number;
}

export interface Tokens {
  type: "tokens";
  total_tokens: number;
  input_tokens: number;
  input_token_details?: TranscriptionTokens;
  output_tokens: number;
}

export interface ToolDone {
  type: "vivavoce.tool.done";
  event_id: string;
  call_id: string;
  name: string;
  run_id: string;
  state: string;
}

export interface ToolProgress {
  type: "vivavoce.tool.progress";
  event_id: string;
  call_id: string;
  text: string;
}

export interface ToolStarted {
  type: "vivavoce.tool.started";
  event_id: string;
  call_id: string;
  name: string;
}

export interface Tracing {
  workflow_name?: string | null;
  group_id?: string | null;
  metadata?: Record<string, unknown> | null;
}

export interface TranscriptDelta {
  type: "response.output_audio_transcript.delta";
  event_id: string;
  response_id: string;
  item_id: string;
  output_index: number;
  content_index: number;
  delta: string;
  obfuscation: string;
}

export interface TranscriptDone {
  type: "response.output_audio_transcript.done";
  event_id: string;
  response_id: string;
  item_id: string;
  output_index: number;
  content_index: number;
  transcript: string;
}

export interface Transcription {
  model?: string | null;
  language?: string | null;
  prompt?: string | null;
  languages?: readonly (string)[];
  keywords?: readonly (string)[];
  delay?: "high" | "low" | "medium" | "minimal" | "xhigh";
}

export interface TranscriptionAudio {
  input?: AudioInput;
}

export interface TranscriptionCompleted {
  type: "conversation.item.input_audio_transcription.completed";
  event_id: string;
  item_id: string;
  content_index: number;
  transcript: string;
  usage: Duration | Tokens;
  languages: readonly (DetectedLanguage)[] | null;
  logprobs: readonly (Logprob)[] | null;
}

export interface TranscriptionConfig {
  type: "transcription";
  object?: "realtime.transcription_session";
  id?: string;
  expires_at?: number;
  audio?: TranscriptionAudio;
  include?: readonly ("item.input_audio_transcription.logprobs")[] | null;
}

export interface TranscriptionDelta {
  type: "conversation.item.input_audio_transcription.delta";
  event_id: string;
  item_id: string;
  content_index: number;
  delta: string;
  logprobs: readonly (Logprob)[] | null;
  obfuscation: string;
}

export interface TranscriptionError {
  type?: string | null;
  code: string | null;
  message: string | null;
  param?: string | null;
}

export interface TranscriptionFailed {
  type: "conversation.item.input_audio_transcription.failed";
  event_id: string;
  item_id: string;
  content_index: number;
  error: TranscriptionError;
}

export interface TranscriptionSegment {
  type: "conversation.item.input_audio_transcription.segment";
  event_id: string;
  item_id: string;
  content_index: number;
  id: string;
  text: string;
  speaker: string;
  start: number;
  end: number;
}

export interface TranscriptionTokens {
  text_tokens?: number;
  audio_tokens?: number;
}

export interface Usage {
  total_tokens?: number;
  input_tokens?: number;
  output_tokens?: number;
  input_token_details?: InputTokens;
  output_token_details?: OutputTokens;
}

export interface VoiceOptions {
  format?: Pcm | Pcmu | Pcma | null;
  voice?: string | CustomVoice | null;
}
