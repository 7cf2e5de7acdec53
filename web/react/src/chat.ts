// One chat outside of React: it owns at most one call, and tells its listeners of every change. The hook reads
// it, and the adapters of other libraries do not need it.

import {
  type Call,
  type CallOptions,
  prepare as prepareCall,
  type SoundOptions,
  type State,
  type TokenRequest,
  type ToolCard,
  type ToolRun,
} from "@vivavoce/client";
import { isConnected, isLoading, statusOf } from "./status";

export interface ChatTokenRequest extends TokenRequest {
  /** The role that `connect` named. A back end decides whether the user has it. */
  role: string | undefined;
}

export interface ChatOptions extends Omit<CallOptions, "token" | "language">, SoundOptions {
  /** A client secret, or a function that creates one: the call runs it before every connection. */
  token: string | ((request: ChatTokenRequest) => Promise<string>);
  /** Whether `connect` opens the microphone. Default: unless `mode` is `text`. */
  autoMicrophone?: boolean;
  /** Makes the call, for tests. */
  prepare?: (options: CallOptions & SoundOptions) => Call;
}

const NO_LEVELS = { in: 0, out: 0 };

export class Chat {
  options: ChatOptions;
  readonly #listeners = new Set<() => void>();
  #call: Call | undefined;
  #state: State | undefined;
  #secret = "";
  #closing: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ChatOptions) {
    this.options = options;
  }

  get call(): Call | undefined {
    return this.#call;
  }

  /** The state of the call, the same object until it changes. Without a call: undefined. */
  snapshot = (): State | undefined => this.#state;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Loudness of microphone and loudspeaker now, 0 to 1. */
  get levels(): { in: number; out: number } {
    return this.#call?.levels ?? NO_LEVELS;
  }

  /** Start a call, or continue the ended one. Call it in a click. A call that runs goes on. */
  connect = async (role?: string, language?: string): Promise<void> => {
    const status = statusOf(this.#state);
    if (isConnected(status) || isLoading(status)) return;
    const call = this.#replaceCall(role, language);
    call.start();
    const wanted = this.options.autoMicrophone ?? this.options.mode !== "text";
    if (wanted && this.options.mode !== "push-to-talk") await call.startMic();
  };

  /** End the call. The conversation stays readable, and `connect` continues it. */
  disconnect = (): void => this.#call?.close();

  /** A component that uses this chat is shown. */
  mount = (): (() => void) => {
    clearTimeout(this.#closing);
    // React's strict mode unmounts and mounts at once, and such a call must go on.
    return () => void (this.#closing = setTimeout(this.disconnect));
  };

  /** Decide about a run that waits for the user. False if the server did not take the decision. */
  approve = async (card: ToolCard, approve: boolean): Promise<boolean> => {
    const { runId, approval } = card;
    if (!this.#call || !runId || !approval) return false;
    const address = new URL(`/api/approvals/${encodeURIComponent(runId)}`, this.#httpUrl());
    const response = await fetch(address, {
      method: "POST",
      headers: { "Content-Type": "application/json", Authorization: `Bearer ${this.#secret}` },
      body: JSON.stringify({ approve, arguments_sha256: approval.argumentsSha256 }),
    }).catch(() => undefined);
    if (!response?.ok) return false;
    this.#call.noteToolRun((await response.json()) as ToolRun);
    return true;
  };

  #httpUrl(): URL {
    const address = new URL(this.options.url, globalThis.location?.href);
    address.protocol = address.protocol.replace("ws", "http");
    return address;
  }

  #replaceCall(role: string | undefined, language: string | undefined): Call {
    const before = this.#state;
    const { token, prepare = prepareCall, autoMicrophone: _, ...options } = this.options;
    const call = prepare({
      ...options,
      ...(language !== undefined && { language }),
      ...(before?.conversationId && {
        conversationId: before.conversationId,
        items: before.items,
      }),
      token: async (request) => {
        this.#secret = typeof token === "string" ? token : await token({ ...request, role });
        return this.#secret;
      },
    });
    this.#call = call;
    this.#note(call);
    call.subscribe(() => this.#note(call));
    return call;
  }

  #note(call: Call): void {
    if (call !== this.#call) return;
    this.#state = call.state;
    for (const listener of this.#listeners) listener();
  }
}
