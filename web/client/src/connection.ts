// The connection of a call: it requests a secret, opens a WebSocket, and opens another one after a loss. The
// decisions are pure: `closeCodes.ts` interprets a close, `backoff.ts` decides when to try again.

import { nextAttempt } from "./backoff";
import * as client from "./clientEvents";
import { afterClose, CloseCode } from "./closeCodes";
import { type CallError, callError, Refusal } from "./errors";
import type { ClientEvent, ErrorBody, ServerEvent } from "./protocol";
import type { Peer, PeerOptions } from "./peer";
import type { Mode } from "./status";
import type { ConnectionInput } from "./turnState";
import { type Transport, UNAVAILABLE, type Wire } from "./wire";

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

/** A client secret, or the response of the server that made it: this also names servers that help WebRTC. */
export type Secret = string | { value: string; vivavoce?: { ice_servers?: RTCIceServer[] } };

export interface ConnectionOptions {
  /** Address of `/v1/realtime`, http(s) or ws(s). */
  url: string | URL;
  /** A client secret, or a function that creates one: the call runs it before every connection. */
  token: string | ((request: TokenRequest) => Promise<Secret>);
  assistant?: string;
  /** Names of events outside of the protocol to ask the server for: `vivavoce` for its own. */
  events?: readonly string[];
  /**
   * `auto` tries WebRTC first, and uses a WebSocket where the browser, the network or the server does not
   * allow WebRTC, and for text. It remembers this until the page is loaded again.
   */
  transport?: "auto" | Transport;
}

/** What a connection needs of its call. */
export interface ConnectionOwner {
  /** Return what the next session is for. */
  readonly target: () => Target;
  readonly onInput: (input: ConnectionInput) => void;
  /** Connect the events of a new peer. */
  readonly onPeer: (peer: Peer) => void;
}

export interface ConnectionEnvironment {
  socket: new (url: string, protocols: string[]) => WebSocket;
  random: () => number;
  /** Load the code of WebRTC. Without it there is none. */
  loadPeer?: () => Promise<{ Peer: new (options: PeerOptions) => Peer }>;
  /** The servers that were not reached over WebRTC since the page was loaded. */
  withoutWebRtc?: Set<string>;
}

const HANDSHAKE_TIMEOUT_MS = 10_000;
const HANDSHAKES = 3; // that fail, while secrets arrive, show that something between refuses WebSockets
const PROBE_MS = 3_000; // a server that has not answered by then is gone
const STEADY_MS = 5_000; // a session that ends sooner does not reset the count of attempts

type Timer = ReturnType<typeof setTimeout>;

type Phase =
  | { name: "closed" }
  | { name: "requesting_secret" }
  | { name: "handshake"; socket: Wire; timer: Timer }
  | { name: "open"; socket: Wire; timer: Timer; probing: boolean } // a session was created
  | { name: "waiting"; timer: Timer };

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #environment: ConnectionEnvironment;
  readonly #owner: ConnectionOwner;

  #phase: Phase = { name: "closed" };
  #attempts = 0;
  #hadSession = false;
  #lostHandshakes = 0;
  #peer: Peer | undefined;
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

  /** The peer connection, if the call uses WebRTC. */
  get peer(): Peer | undefined {
    return this.hasSocket ? this.#peer : undefined;
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

  /** Find out at once whether the connection still stands. Do not wait for the next attempt. */
  check(): void {
    const phase = this.#phase;
    if (phase.name === "waiting") return this.start();
    if (phase.name !== "open") return;
    this.send(client.probe);
    const timer = setTimeout(() => {
      this.#onClose(CloseCode.lost, "");
      phase.socket.close(); // which may take a minute, where nobody answers
    }, PROBE_MS);
    this.#enter({ ...phase, timer, probing: true });
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
    let secret: Secret;
    try {
      secret = await this.#requestSecret();
    } catch (error) {
      if (this.#phase === phase) this.#withoutSecret(error);
      return;
    }
    const load = this.#usesWebRtc() ? this.#environment.loadPeer : undefined;
    const module = await load?.().catch(() => undefined);
    if (this.#phase !== phase) return;
    const { value, vivavoce } = typeof secret === "string" ? { value: secret } : secret;
    if (module) this.#connectPeer(module.Peer, value, vivavoce?.ice_servers ?? []);
    else this.#connectSocket(value);
  }

  #usesWebRtc(): boolean {
    const { transport, url } = this.#options;
    if (transport === "webrtc") return true;
    if (transport === "websocket" || this.#owner.target().mode === "text") return false;
    const { withoutWebRtc } = this.#environment;
    return "RTCPeerConnection" in globalThis && !withoutWebRtc?.has(`${url}`);
  }

  async #requestSecret(): Promise<Secret> {
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

  #connectPeer(
    Made: new (options: PeerOptions) => Peer,
    secret: string,
    iceServers: RTCIceServer[],
  ): void {
    const address = this.#address();
    address.pathname = address.pathname.replace(/\/*$/, "/calls");
    address.protocol = address.protocol.replace("ws", "http");
    address.searchParams.set("events", "vivavoce"); // says why it closes: a channel has no close frame
    const peer = new Made({ address: address.href, secret, iceServers });
    this.#peer = peer;
    this.#owner.onPeer(peer);
    this.#use(peer, "webrtc");
  }

  #connectSocket(secret: string): void {
    const { socket: Socket } = this.#environment;
    const address = this.#address();
    address.protocol = address.protocol.replace("http", "ws");
    const protocols = ["realtime", `openai-insecure-api-key.${secret}`];
    this.#peer = undefined;
    this.#use(new Socket(address.href, protocols) as unknown as Wire, "websocket");
  }

  #use(socket: Wire, transport: Transport): void {
    this.#owner.onInput({ type: "transport_chosen", transport });
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
      if (code === UNAVAILABLE) return this.#withoutWebRtc();
      this.#lostHandshakes = opened || this.#peer ? 0 : this.#lostHandshakes + 1;
      this.#onClose(code, reason);
    };
  }

  /** Go on over a WebSocket, where the page allows it. */
  #withoutWebRtc(): void {
    if (this.#options.transport === "webrtc") return this.#fail(callError("webrtc_unavailable"));
    this.#environment.withoutWebRtc?.add(`${this.#options.url}`);
    void this.#open();
  }

  #address(): URL {
    const { url, assistant, events = [] } = this.#options;
    const { conversationId, language, greeting, tools } = this.#owner.target();
    const address = new URL(url);
    if (assistant) address.searchParams.set("assistant", assistant);
    if (language) address.searchParams.set("language", language);
    if (conversationId) address.searchParams.set("conversation_id", conversationId);
    address.searchParams.set("client_tools", tools.join(","));
    if (events.length) address.searchParams.set("events", events.join(","));
    if (!greeting) address.searchParams.set("greeting", "false");
    return address;
  }

  #receive(socket: Wire, event: ServerEvent): void {
    const created = event.type === "session.created";
    if (created) this.#hadSession = this.#mayRenewSecret = true;
    if (created || (this.#phase.name === "open" && this.#phase.probing)) {
      const timer = setTimeout(() => void (this.#attempts = 0), STEADY_MS);
      this.#enter({ name: "open", socket, timer, probing: false });
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
    if (globalThis.navigator?.onLine !== false) this.#attempts++; // offline none can succeed
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
