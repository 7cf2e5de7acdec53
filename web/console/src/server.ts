// Requests of the page to its own server over HTTP. Scripts cannot read the cookie that sign-in sets. Every
// change is a JSON request, which other sites cannot send in the user's name.

import { Refusal, type TokenRequest, type ToolRun } from "@vivavoce/client";

/** One text, or one per language. */
export type LocalizedText = string | Record<string, string>;

export interface Assistant {
  name: string;
  title: LocalizedText;
  description?: LocalizedText;
  languages: string[];
  /** The languages in which people can speak to it. */
  hears: string[];
  /** The one that the settings of the server name for calls that name none. */
  default?: boolean;
  /** Shown before a call, for example that the recogniser is of demo quality. */
  notes?: LocalizedText[];
  /** The voice that it has unless the user chooses another one. */
  voice?: string;
  /** Questions to offer before a call, by language. */
  suggestions?: Record<string, string[]>;
}

/** Return the text in `language`, otherwise in the first language that it has. */
export const localize = (text: LocalizedText, language: string): string =>
  typeof text === "string" ? text : (text[language] ?? Object.values(text)[0] ?? "");

/** Exchange the code of a sign-in link for a cookie. False if the link was used or has expired. */
export async function signIn(code: string): Promise<boolean> {
  const response = await post("api/sign-in", { code });
  if (response.status === 403 || response.status >= 500) await readJson(response); // throws
  return response.ok;
}

/** Revoke the cookie, in every tab. */
export async function signOut(): Promise<void> {
  await post("api/sign-out", {});
}

/** List the assistants that the user may call. Throws a `Refusal`, or an `Error` if a retry may help. */
export async function listAssistants(): Promise<Assistant[]> {
  const { data } = await readJson<{ data: Assistant[] }>(await fetch("api/assistants"));
  return data;
}

export interface VoiceList {
  data: { name: string; default: boolean }[];
  /** Whether the server can speak a sample of each. */
  samples: boolean;
}

/** List the voices in which an assistant can speak. */
export async function listVoices(assistant: string, language: string): Promise<VoiceList> {
  const query = new URLSearchParams({ language });
  return readJson(await fetch(`api/assistants/${assistant}/voices?${query}`));
}

/** Return the address of a sample, which is a WAV file. */
export function sampleAddress(assistant: string, voice: string, language: string): string {
  const query = new URLSearchParams({ language });
  return `api/assistants/${assistant}/voices/${encodeURIComponent(voice)}/sample?${query}`;
}

/** Create a client secret for one connection. Throws a `Refusal`, or an `Error` if a retry may help. */
export async function createClientSecret(
  assistant: string,
  request: TokenRequest,
  voice?: string,
): Promise<string> {
  const { conversationId, language, mode } = request;
  const response = await post("v1/realtime/client_secrets", {
    session: {
      type: "realtime",
      ...(mode === "text" && { output_modalities: ["text"] }),
      ...(voice && { audio: { output: { voice } } }),
    },
    vivavoce: {
      assistant,
      language,
      ...(conversationId && { conversation_id: conversationId }),
    },
  });
  const { value } = await readJson<{ value: string }>(response);
  return value;
}

/** List the runs that wait for an approval of the user. */
export async function listApprovals(): Promise<ToolRun[]> {
  const { data } = await readJson<{ data: ToolRun[] }>(await fetch("api/approvals"));
  return data;
}

/** Return a run that needed an approval, as it is now. */
export async function readApproval(runId: string): Promise<ToolRun> {
  return readJson(await fetch(`api/approvals/${encodeURIComponent(runId)}`));
}

/** Approve or reject a run with these arguments. Throws a `Refusal` if it does not wait any more. */
export async function decide(
  runId: string,
  argumentsSha256: string,
  approve: boolean,
): Promise<ToolRun> {
  const body = { approve, arguments_sha256: argumentsSha256 };
  return readJson(await post(`api/approvals/${encodeURIComponent(runId)}`, body));
}

export type Score = "up" | "down";

/** Say how good a call was. A later feedback replaces the first. */
export async function giveFeedback(call: string, score: Score, text: string): Promise<void> {
  const body = { score, ...(text.trim() && { text: text.trim() }) };
  await readJson(await post(`api/calls/${encodeURIComponent(call)}/feedback`, body));
}

export const post = (path: string, body: object, method = "POST"): Promise<Response> =>
  fetch(path, {
    method,
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

export async function readJson<T>(response: Response): Promise<T> {
  if (response.ok) return (await response.json()) as T;
  const { message, code } = await readError(response);
  if (code === "conversation_not_found") throw new Refusal("new_conversation", message);
  if (code === "origin_not_allowed") throw new Refusal("origin_not_allowed"); // the page says it in full
  if (response.status === 401) throw new Refusal("not_signed_in", message);
  if (response.status === 429) {
    const seconds = Number(response.headers.get("Retry-After"));
    throw new Refusal(code === "server_busy" ? "busy" : "full", message, seconds || undefined);
  }
  if (response.status < 500) throw new Refusal("refused", message);
  throw new Error(message);
}

async function readError(response: Response): Promise<{ message: string; code?: string }> {
  try {
    const { error } = (await response.json()) as { error?: { message?: string; code?: string } };
    return { message: "", ...error };
  } catch {
    return { message: "" };
  }
}
