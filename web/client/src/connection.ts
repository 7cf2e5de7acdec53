// The connection of a call: it requests a secret, opens a WebSocket, and opens another one after a loss. The
// decisions are pure: `closeCodes.ts` interprets a close, `backoff.ts` decides when to try again.

import { nextAttempt } from "./backoff";
import { afterClose, CloseCode } from "./closeCodes";
import { type CallError, callError, Refusal } from "./errors";
import type { ClientEvent, ErrorBody, ServerEvent } from "./protocol";
import type { Mode } from "./status";
import type { ConnectionInput } from "./turnState";

export interface TokenRequest {
  conversationId: string | undefined;
  language: string | undefined;
  /** A server that is full may still accept a text session. */
  mode: Mode;
}

/** The purpose of the next session. */
export interface Target extends TokenRequest {
  /** Whether the assistant may speak first: not while the user holds the talk button, or has asked. */
  greeting: boolean;
  /** The names of the tools that the client runs; `*` for every tool that the assistant declares. */
  tools: readonly string[];
}

export interface ConnectionOptions {
  /** Address of `/v1/realtime`, http(s) or ws(s). */
  url: string | URL;
  /** A client secret, or a function that creates one: the call runs it before every connection. */
  token: string | ((request: TokenRequest) => Promise<string>);
  assistant?: string;
  /** Names of events outside of the protocol to ask the server for: `vivavoce` for its own. */
  events?: readonly string[];
}

/** What a connection needs of its call. */
export interface ConnectionOwner {
  /** Return what the next session is for. */
  readonly target: () => Target;
  readonly onInput: (input: ConnectionInput) => void;
}

export interface ConnectionEnvironment {
  socket: new (url: string, protocols: string[]) => WebSocket;
  random: () => number;
}

const HANDSHAKE_TIMEOUT_MS = 10_000;
const HANDSHAKES = 3; // that fail, while secrets arrive, show that something between refuses WebSockets
const STEADY_MS = 5_000; // a session that ends sooner does not reset the count of attempts

type Timer = ReturnType<typeof setTimeout>;

type Phase =
  | { name: "closed" }
  | { name: "requesting_secret" }
  | { name: "handshake" | "open"; socket: WebSocket; timer: Timer } // `open`: a session was created
  | { name: "waiting"; timer: Timer };

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #environment: ConnectionEnvironment;
  readonly #owner: ConnectionOwner;

  #phase: Phase = { name: "closed" };
  #attempts = 0;
  #hadSession = false;
  #lostHandshakes = 0;
  #mayRenewSecret = true;
  #lastError: ErrorBody | undefined;

  constructor(
    options: ConnectionOptions,
    environment: ConnectionEnvironment,
    owner: ConnectionOwner,
  ) {
    this.#options = options;
    this.#environment = environment;
    this.#owner = owner;
  }

  get hasSocket(): boolean {
    return "socket" in this.#phase;
  }

  /** Bytes that the socket has not sent yet. */
  get bufferedBytes(): number {
    return "socket" in this.#phase ? this.#phase.socket.bufferedAmount : 0;
  }

  /** Open, or try again at once, with a fresh count of attempts. */
  start(): void {
    this.#attempts = this.#lostHandshakes = 0;
    this.#mayRenewSecret = true;
    void this.#open();
  }

  /** Replace the connection by a new one. */
  reopen(): void {
    const before = this.#phase;
    void this.#open();
    if ("socket" in before) before.socket.close(CloseCode.normal);
  }

  close(): void {
    const before = this.#phase;
    this.#enter({ name: "closed" });
    this.#hadSession = false;
    if ("socket" in before) before.socket.close(CloseCode.normal);
  }

  send(event: ClientEvent): void {
    if ("socket" in this.#phase) this.#phase.socket.send(JSON.stringify(event));
  }

  #enter<P extends Phase>(phase: P): P {
    if ("timer" in this.#phase) clearTimeout(this.#phase.timer);
    this.#phase = phase;
    return phase;
  }

  async #open(): Promise<void> {
    const phase = this.#enter({ name: "requesting_secret" });
    this.#lastError = undefined;
    const link = this.#hadSession || this.#attempts ? "reconnecting" : "connecting";
    this.#owner.onInput({ type: "connection_opening", link });
    let secret: string;
    try {
      secret = await this.#requestSecret();
    } catch (error) {
      if (this.#phase === phase) this.#withoutSecret(error);
      return;
    }
    if (this.#phase === phase) this.#connect(secret);
  }

  async #requestSecret(): Promise<string> {
    const { token } = this.#options;
    if (typeof token === "string") return token;
    const { conversationId, language, mode } = this.#owner.target();
    return token({ conversationId, language, mode }); // the owner's target may have further fields
  }

  #withoutSecret(error: unknown): void {
    if (!(error instanceof Refusal)) return this.#retry();
    const { code, message, retryAfter } = error;
    if (retryAfter !== undefined) {
      const type = code === "full" ? "rate_limit_error" : code;
      const named = code === "busy" ? "server_busy" : code;
      this.#lastError = { type, code: named, message, retry_after: retryAfter };
      this.#retry({ code, message, retryAfter });
    } else if (code === "new_conversation" && this.#owner.target().conversationId)
      this.#replaceConversation();
    else this.#fail(callError(code, message));
  }

  #connect(secret: string): void {
    const { socket: Socket } = this.#environment;
    const socket = new Socket(this.#address(), ["realtime", `openai-insecure-api-key.${secret}`]);
    const timer = setTimeout(() => socket.close(), HANDSHAKE_TIMEOUT_MS);
    this.#enter({ name: "handshake", socket, timer });
    let opened = false;
    const isCurrent = () => "socket" in this.#phase && this.#phase.socket === socket;
    socket.onmessage = ({ data }) => {
      if (isCurrent()) this.#receive(socket, JSON.parse(data as string) as ServerEvent);
    };
    socket.onopen = () => void (opened = true);
    socket.onclose = ({ code, reason }) => {
      if (!isCurrent()) return;
      this.#lostHandshakes = opened ? 0 : this.#lostHandshakes + 1;
      this.#onClose(code, reason);
    };
  }

  #address(): string {
    const { url, assistant, events = [] } = this.#options;
    const { conversationId, language, greeting, tools } = this.#owner.target();
    const address = new URL(url);
    address.protocol = address.protocol.replace("http", "ws");
    if (assistant) address.searchParams.set("assistant", assistant);
    if (language) address.searchParams.set("language", language);
    if (conversationId) address.searchParams.set("conversation_id", conversationId);
    address.searchParams.set("client_tools", tools.join(","));
    if (events.length) address.searchParams.set("events", events.join(","));
    if (!greeting) address.searchParams.set("greeting", "false");
    return address.href;
  }

  #receive(socket: WebSocket, event: ServerEvent): void {
    if (event.type === "session.created") {
      const timer = setTimeout(() => void (this.#attempts = 0), STEADY_MS);
      this.#enter({ name: "open", socket, timer });
      this.#hadSession = this.#mayRenewSecret = true;
    }
    if (event.type === "error") this.#lastError = event.error;
    this.#owner.onInput({ type: "server_event", event });
  }

  #onClose(code: number, reason: string): void {
    // A server refuses calls after the handshake, so what ended the handshake is not the server.
    if (
      this.#lostHandshakes >= HANDSHAKES &&
      !this.#hadSession &&
      typeof this.#options.token !== "string"
    )
      return this.#fail(callError("upgrade_missing"));
    const decision = afterClose({
      code,
      reason,
      wasOpen: this.#phase.name === "open",
      error: this.#lastError,
      mayRenewSecret: this.#mayRenewSecret,
      continuing: this.#owner.target().conversationId !== undefined,
    });
    switch (decision.next) {
      case "end":
        this.#enter({ name: "closed" });
        this.#hadSession = false;
        return this.#owner.onInput({ type: "connection_lost", link: "ended" });
      case "renew_secret":
        this.#mayRenewSecret = false;
        return void this.#open();
      case "retry":
        return this.#retry(decision.error);
      case "new_conversation":
        return this.#replaceConversation();
      case "fail":
        return this.#fail(decision.error);
    }
  }

  #retry(error?: CallError): void {
    const { random } = this.#environment;
    const next = nextAttempt(this.#attempts, this.#hadSession, this.#lastError, random);
    if ("giveUp" in next) return this.#fail(next.giveUp);
    this.#attempts++;
    this.#enter({ name: "waiting", timer: setTimeout(() => void this.#open(), next.waitMs) });
    this.#owner.onInput({ type: "connection_lost", link: "reconnecting", ...(error && { error }) });
  }

  #replaceConversation(): void {
    this.#owner.onInput({ type: "conversation_gone" });
    void this.#open();
  }

  #fail(error: CallError): void {
    this.#enter({ name: "closed" });
    this.#owner.onInput({ type: "connection_failed", error });
  }
}
