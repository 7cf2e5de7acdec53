// A connection over WebRTC: audio as tracks, events on the data channel `oai-events`. A page loads this file when
// it needs it. `Peer` has the face of a WebSocket, so `connection.ts` treats both alike.
//
// Signalling is one request: the offer goes to `POST …/calls`, and the response is the answer. Neither side
// sends candidates later.

import { loudness } from "./loudness";
import type { PlaybackProgress } from "./player";
import type { Wire } from "./wire";
import { UNAVAILABLE } from "./wire";

export interface PeerOptions {
  /** Address of `…/realtime/calls`. */
  address: string;
  secret: string;
  iceServers: RTCIceServer[];
}

const CHANNEL = "oai-events";
const CONNECT_MS = 8_000; // until the channel is open
const LOST_MS = 5_000; // a network that comes back sooner is not a loss
const TICK_MS = 100;

/** What the browser measures of a connection over WebRTC, since it began. */
export interface PeerStats {
  /** To the server and back. */
  roundTripMs: number | undefined;
  /** Of the audio that arrives. */
  jitterMs: number | undefined;
  packetsReceived: number;
  packetsLost: number;
}

/** Statuses of a server, or of a proxy, that does not take calls over WebRTC, or not this offer. */
const NOT_OFFERED: ReadonlySet<number> = new Set([400, 404, 405, 415, 501]);

/** Close codes for a call that the server refuses, as it sends them over a WebSocket. */
const closeCode = (status: number): number =>
  status === 401 ? 3000 : status === 429 || status === 503 ? 1013 : status < 500 ? 4000 : 1011;

export class Peer implements Wire {
  onopen: () => void = () => {};
  onmessage: (event: { data: string }) => void = () => {};
  onclose: (event: { code: number; reason: string }) => void = () => {};
  /** Receives how long the item has been heard, every 100 ms. */
  onprogress: (progress: PlaybackProgress) => void = () => {};
  /** Receives whether the browser refuses to play, because the user has not clicked yet. */
  onblocked: (blocked: boolean) => void = () => {};
  /** The id of the call, from the response to the offer. */
  callId: string | undefined;

  readonly #pc: RTCPeerConnection;
  readonly #channel: RTCDataChannel;
  readonly #sender: RTCRtpSender;
  readonly #audio = new Audio();
  readonly #aborted = new AbortController();
  readonly #samples = new Float32Array(1024);
  #meter: AnalyserNode | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #ticker: ReturnType<typeof setInterval> | undefined;
  #source: MediaStreamTrack | undefined;
  #sending: MediaStreamTrack | undefined;
  #farewell: { code: number; reason: string } | undefined;
  #closed = false;

  constructor({ address, secret, iceServers }: PeerOptions) {
    this.#pc = new RTCPeerConnection({ iceServers });
    const { sender } = this.#pc.addTransceiver("audio", { direction: "sendrecv" });
    this.#sender = sender;
    this.#channel = this.#pc.createDataChannel(CHANNEL);
    this.#channel.onopen = () => {
      clearTimeout(this.#timer);
      this.onopen();
    };
    this.#channel.onmessage = ({ data }) => this.#receive(data as string);
    this.#channel.onclose = () => this.#onChannelClosed();
    this.#pc.onconnectionstatechange = () => this.#onState();
    this.#pc.ontrack = ({ track, streams }) => {
      const stream = streams[0] ?? new MediaStream([track]);
      this.#audio.srcObject = stream;
      void this.wake();
      this.#measure(stream);
    };
    this.#timer = setTimeout(() => this.#end(UNAVAILABLE), CONNECT_MS);
    void this.#negotiate(address, secret);
  }

  /** Bytes that the channel has not sent yet. */
  get bufferedAmount(): number {
    return this.#channel.bufferedAmount;
  }

  /** Loudness of what is heard now, 0 to 1. */
  get level(): number {
    if (!this.#meter || this.#audio.muted) return 0;
    this.#meter.getFloatTimeDomainData(this.#samples);
    return loudness(this.#samples, 1);
  }

  /** Read what the browser measures of the connection. */
  async stats(): Promise<PeerStats> {
    let [roundTripMs, jitterMs]: (number | undefined)[] = [];
    let [packetsReceived, packetsLost] = [0, 0];
    (await this.#pc.getStats()).forEach(
      (one: RTCIceCandidatePairStats | RTCInboundRtpStreamStats) => {
        if (one.type === "candidate-pair" && "nominated" in one && one.nominated)
          roundTripMs = 1000 * (one.currentRoundTripTime ?? 0);
        if (one.type !== "inbound-rtp" || !("jitter" in one)) return;
        jitterMs = 1000 * (one.jitter ?? 0);
        packetsReceived = one.packetsReceived ?? 0;
        packetsLost = one.packetsLost ?? 0;
      },
    );
    return { roundTripMs, jitterMs, packetsReceived, packetsLost };
  }

  /** Play by the loudspeaker with this id; "" for the one of the system. It may be unplugged. */
  useLoudspeaker(id: string): void {
    void this.#audio.setSinkId?.(id).catch(() => {});
  }

  send(text: string): void {
    if (this.#channel.readyState !== "open") return;
    try {
      this.#channel.send(text);
    } catch {
      // The other side takes no messages of this size, for example with a picture.
      const { event_id } = JSON.parse(text) as { event_id?: string };
      const message = "The message is too large for this connection.";
      this.#tell({ code: "message_too_large", message, event_id });
    }
  }

  close(): void {
    this.#end(1000);
  }

  /** Send this microphone, or silence. The peer sends a copy, so the page may use the track at the same time. */
  useTrack(track: MediaStreamTrack | undefined, heard: boolean): void {
    if (track !== this.#source) {
      this.#source = track;
      this.#sending?.stop();
      this.#sending = track?.clone();
      void this.#sender.replaceTrack(this.#sending ?? null).catch(() => {}); // closed meanwhile
    }
    if (this.#sending) this.#sending.enabled = heard;
  }

  /** Report for how long this item is heard, until `silence`, or until another one or none is followed. */
  follow(item: string | undefined): void {
    clearInterval(this.#ticker);
    if (item === undefined) return;
    this.#audio.muted = false;
    const start = performance.now();
    this.#ticker = setInterval(
      () => this.onprogress({ item, ms: performance.now() - start, drained: false }),
      TICK_MS,
    );
  }

  /** Be silent at once, until the next item: what the server stops is on its way for some time. */
  silence(): void {
    this.follow(undefined);
    this.#audio.muted = true;
  }

  /** Play what the browser has refused to play. Call it in a click. */
  async wake(): Promise<void> {
    if (!this.#audio.srcObject) return;
    const blocked = await this.#audio.play().then(
      () => false,
      (error: Error) => error.name === "NotAllowedError",
    );
    if (!this.#closed) this.onblocked(blocked);
  }

  /** Measure the loudness of what arrives. The browser's own statistics have it only where the server sends it. */
  #measure(stream: MediaStream): void {
    void (this.#meter?.context as AudioContext | undefined)?.close();
    const context = new AudioContext();
    this.#meter = new AnalyserNode(context, { fftSize: this.#samples.length });
    context.createMediaStreamSource(stream).connect(this.#meter);
  }

  async #negotiate(address: string, secret: string): Promise<void> {
    try {
      const offer = await this.#pc.createOffer();
      await this.#pc.setLocalDescription(offer);
      const response = await fetch(address, {
        method: "POST",
        headers: { Authorization: `Bearer ${secret}`, "Content-Type": "application/sdp" },
        body: offer.sdp ?? "",
        signal: this.#aborted.signal,
      });
      if (!response.ok) return await this.#refuse(response);
      this.callId = response.headers.get("Location")?.split("/").at(-1);
      await this.#pc.setRemoteDescription({ type: "answer", sdp: await response.text() });
    } catch (error) {
      // A `TypeError` is a network that is gone: the next attempt may succeed.
      this.#end(error instanceof TypeError ? 1006 : UNAVAILABLE);
    }
  }

  async #refuse(response: Response): Promise<void> {
    const { status, headers } = response;
    if (NOT_OFFERED.has(status)) return this.#end(UNAVAILABLE);
    const body = (await response.json().catch(() => ({}))) as { error?: object };
    const retry_after = Number(headers.get("Retry-After")) || undefined;
    this.#tell({ retry_after, ...body.error });
    this.#end(closeCode(status));
  }

  #receive(data: string): void {
    const event = JSON.parse(data) as { type: string; code?: number; reason?: string };
    // A data channel has no close frame. So our server says last what a close frame would say.
    if (event.type === "vivavoce.closing")
      this.#farewell = { code: event.code ?? 1000, reason: event.reason ?? "" };
    this.onmessage({ data });
  }

  #tell(error: object): void {
    this.onmessage({ data: JSON.stringify({ type: "error", error }) });
  }

  /** A channel that closes while its connection stands was closed by the server. */
  #onChannelClosed(): void {
    const { code, reason } = this.#farewell ?? { code: 1000, reason: "" };
    this.#end(code, reason);
  }

  #onState(): void {
    const state = this.#pc.connectionState;
    if (this.#channel.readyState !== "open") {
      if (state === "failed") this.#end(UNAVAILABLE);
      return;
    }
    clearTimeout(this.#timer);
    if (state === "failed") this.#end(1006);
    if (state === "disconnected") this.#timer = setTimeout(() => this.#end(1006), LOST_MS);
  }

  #end(code: number, reason = ""): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.silence();
    this.useTrack(undefined, false);
    this.#audio.srcObject = null;
    void (this.#meter?.context as AudioContext | undefined)?.close();
    this.#aborted.abort();
    this.#pc.close();
    this.onclose({ code, reason });
  }
}
