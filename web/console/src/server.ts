// What the page asks of its own server over HTTP. The cookie that sign-in sets is out of scripts' reach;
// every change is a JSON request, which other sites cannot make in our name.

import { Refusal, type Wanted } from "@vivavoce/client";

/** Text, or text by language. */
export type Text = string | Record<string, string>;

export interface Assistant {
  name: string;
  title: Text;
  description?: Text;
  languages: string[];
  /** What people should know before they talk, as that the recogniser is for demonstration. */
  notes?: Text[];
}

export const say = (text: Text, language: string): string =>
  typeof text === "string" ? text : (text[language] ?? Object.values(text)[0] ?? "");

/** Trades the code of a sign-in link for a cookie. False if the link is used up. */
export async function signIn(code: string): Promise<boolean> {
  const response = await post("api/sign-in", { code });
  if (response.status >= 500) throw new Error(`sign-in: ${response.status}`);
  return response.ok;
}

/** Ends the cookie, in every tab. */
export async function signOut(): Promise<void> {
  await post("api/sign-out", {});
}

export async function assistants(): Promise<Assistant[]> {
  const { data } = await read<{ data: Assistant[] }>(await fetch("api/assistants"));
  return data;
}

/** A fresh client secret for one connection. Throws a `Refusal`: see there. */
export async function secret(assistant: string, wanted: Wanted): Promise<string> {
  const { conversationId, language, mode } = wanted;
  const response = await post("v1/realtime/client_secrets", {
    session: { type: "realtime", ...(mode === "text" && { output_modalities: ["text"] }) },
    vivavoce: {
      assistant,
      language,
      ...(conversationId && { conversation_id: conversationId }),
    },
  });
  const { value } = await read<{ value: string }>(response);
  return value;
}

const post = (path: string, body: object): Promise<Response> =>
  fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

async function read<T>(response: Response): Promise<T> {
  if (response.ok) return (await response.json()) as T;
  const { message, code } = await explanation(response);
  if (code === "conversation_not_found") throw new Refusal("new_conversation", message);
  if (response.status === 401 || response.status === 403)
    throw new Refusal("not_signed_in", message);
  if (response.status === 429) {
    const seconds = Number(response.headers.get("Retry-After"));
    throw new Refusal("busy", message, seconds || undefined);
  }
  if (response.status < 500) throw new Refusal("refused", message);
  throw new Error(message);
}

async function explanation(response: Response): Promise<{ message: string; code?: string }> {
  try {
    const { error } = (await response.json()) as { error?: { message?: string; code?: string } };
    return { message: "", ...error };
  } catch {
    return { message: "" };
  }
}
