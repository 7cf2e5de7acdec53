// Requests of the widget to its server. They need no credential: the server knows the page by its origin.

import { Refusal, type TokenRequest } from "@vivavoce/client";

export type Texts = Record<string, string>;

/** What the widget shows of an assistant before a call. Texts are by language. */
export interface WidgetInfo {
  title: Texts;
  description: Texts;
  consent: Texts;
  languages: string[];
  hears: string[];
}

/** One visitor of the page. Its token stays in this object: it ends with the page. */
export class WidgetServer {
  readonly #base: URL;
  readonly #assistant: string;
  #visitor: string | undefined;

  /** `base`: the address of the server, with a slash at its end. */
  constructor(base: URL, assistant: string) {
    this.#base = base;
    this.#assistant = assistant;
  }

  get realtimeUrl(): URL {
    return new URL("v1/realtime", this.#base);
  }

  /** Read what to show. Throws a `Refusal`, or an `Error` if a retry may help. */
  async info(): Promise<WidgetInfo> {
    return readJson<WidgetInfo>(await fetch(this.#address(""), { credentials: "omit" }));
  }

  /** Mint a client secret for one connection. Throws a `Refusal`, or an `Error` if a retry may help. */
  async clientSecret({ conversationId, language, mode }: TokenRequest): Promise<string> {
    const response = await fetch(this.#address("/client_secrets"), {
      method: "POST",
      credentials: "omit",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        mode: mode === "text" ? "text" : "voice",
        language,
        visitor: this.#visitor,
        conversation_id: conversationId,
      }),
    });
    const { value, visitor } = await readJson<{ value: string; visitor: string }>(response);
    this.#visitor = visitor;
    return value;
  }

  #address(path: string): URL {
    return new URL(`api/widget/${encodeURIComponent(this.#assistant)}${path}`, this.#base);
  }
}

async function readJson<T>(response: Response): Promise<T> {
  if (response.ok) return (await response.json()) as T;
  const { message, code } = await readError(response);
  if (code === "conversation_not_found") throw new Refusal("new_conversation", message);
  if (code === "origin_not_allowed") {
    console.error(`vivavoce-widget: ${message}`); // for the author of the page
    throw new Refusal("origin_not_allowed", message);
  }
  if (response.status === 429) {
    const seconds = Number(response.headers.get("Retry-After"));
    throw new Refusal("full", message, seconds || undefined);
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
