// A call over WebRTC. The test plays the browser's peer connection, and the server at its other end.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { CallOptions } from "../src/call";
import { Peer } from "../src/peer";
import { microtasks, responseDone, ScriptedSocket, startCall } from "./support";

class Channel {
  readyState = "connecting";
  bufferedAmount = 0;
  readonly sent: { type: string; [key: string]: unknown }[] = [];
  onopen = (): void => {};
  onclose = (): void => {};
  onmessage: (event: { data: string }) => void = () => {};
  constructor(readonly label: string) {}
  send(text: string): void {
    if (text.length > 256_000) throw new TypeError("too large");
    this.sent.push(JSON.parse(text));
  }
}

class Track {
  enabled = true;
  stopped = false;
  readonly copies: Track[] = [];
  clone(): Track {
    const copy = new Track();
    this.copies.push(copy);
    return copy;
  }
  stop(): void {
    this.stopped = true;
  }
}

class Connection {
  static made: Connection[] = [];
  connectionState = "new";
  channel = new Channel("");
  readonly sender = {
    track: null as Track | null,
    replaceTrack: async (track: Track | null) => void (this.sender.track = track),
  };
  closed = false;
  answer = "";
  onconnectionstatechange = (): void => {};
  ontrack: (event: object) => void = () => {};
  constructor(readonly configuration: RTCConfiguration) {
    Connection.made.push(this);
  }
  addTransceiver(): object {
    return { sender: this.sender };
  }
  createDataChannel(label: string): Channel {
    return (this.channel = new Channel(label));
  }
  async createOffer(): Promise<object> {
    return { type: "offer", sdp: "v=0 offer" };
  }
  async setLocalDescription(): Promise<void> {}
  async setRemoteDescription({ sdp }: { sdp: string }): Promise<void> {
    this.answer = sdp;
  }
  close(): void {
    this.closed = true;
  }

  /** Connect, and open the channel. */
  open(): void {
    this.change("connected");
    this.channel.readyState = "open";
    this.channel.onopen();
    this.ontrack({ track: {}, streams: ["the remote stream"] });
  }
  change(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange();
  }
  deliver(...events: object[]): void {
    for (const event of events) this.channel.onmessage({ data: JSON.stringify(event) });
  }
  static get last(): Connection {
    return Connection.made.at(-1)!;
  }
}

class Context {
  static open = 0;
  constructor() {
    Context.open++;
  }
  createMediaStreamSource(): object {
    return { connect: () => {} };
  }
  async close(): Promise<void> {
    Context.open--;
  }
}

class Meter {
  constructor(readonly context: Context) {}
  getFloatTimeDomainData(samples: Float32Array): void {
    samples.fill(0.1);
  }
}

class Loudspeaker {
  static last: Loudspeaker;
  srcObject: unknown = null;
  muted = false;
  refuses = false;
  constructor() {
    Loudspeaker.last = this;
  }
  async play(): Promise<void> {
    if (this.refuses) throw Object.assign(new Error("no click"), { name: "NotAllowedError" });
  }
}

const answered = () =>
  new Response("v=0 answer", { status: 201, headers: { Location: "/v1/realtime/calls/rtc_7" } });
const refused =
  (status: number, error: object, headers: Record<string, string> = {}) =>
  async () =>
    Response.json({ error }, { status, headers });

let respond: (address: string, request: RequestInit) => Promise<Response>;
const requests: { address: string; request: RequestInit }[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  Connection.made = [];
  ScriptedSocket.opened.length = requests.length = 0;
  respond = async () => answered();
  vi.stubGlobal("RTCPeerConnection", Connection);
  vi.stubGlobal("Audio", Loudspeaker);
  vi.stubGlobal("AudioContext", Context);
  vi.stubGlobal("AnalyserNode", Meter);
  Context.open = 0;
  vi.stubGlobal("fetch", (address: string, request: RequestInit) => {
    requests.push({ address, request });
    return respond(address, request);
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Start a call that may use WebRTC. `memory`: what an earlier call of the page has learned. */
async function start(options: Partial<CallOptions> = {}, memory = new Set<string>()) {
  const started = await startCall(options, {
    loadPeer: async () => ({ Peer }),
    withoutWebRtc: memory,
  });
  await vi.advanceTimersByTimeAsync(0);
  return { ...started, memory };
}

const created = { type: "session.created", session: {} };

/** Start a call over WebRTC with a session. */
async function open(options: Partial<CallOptions> = {}) {
  const started = await start(options);
  Connection.last.open();
  Connection.last.deliver(created);
  await microtasks();
  return { ...started, peer: Connection.last };
}

const at = { response_id: "r", item_id: "item_1" };
const says = (delta: string) => ({ type: "response.output_audio_transcript.delta", ...at, delta });
const buffer = (what: string) => ({ type: `output_audio_buffer.${what}`, response_id: "r" });
const message = { type: "message", id: "item_1", role: "assistant" };
const began = [
  { type: "response.created", response: { id: "r", conversation_id: "conv_1" } },
  {
    type: "conversation.item.added",
    previous_item_id: null,
    item: { ...message, status: "in_progress", content: [] },
  },
];
const text = "The gallery is on the second floor, at the end of the corridor.";

test("the offer goes to the calls of the server, and events travel on the channel", async () => {
  const { call, sound } = await start({
    assistant: "charlotte",
    token: async () => ({ value: "ek_2", vivavoce: { ice_servers: [{ urls: "stun:s.test" }] } }),
  });
  const peer = Connection.last;
  const { address, request } = requests[0]!;
  expect(new URL(address).pathname).toBe("/v1/realtime/calls");
  expect(new URL(address).searchParams.get("assistant")).toBe("charlotte");
  expect(request).toMatchObject({ method: "POST", body: "v=0 offer" });
  expect(request.headers).toEqual({
    Authorization: "Bearer ek_2",
    "Content-Type": "application/sdp",
  });
  expect(peer.configuration).toEqual({ iceServers: [{ urls: "stun:s.test" }] });
  expect([peer.answer, peer.channel.label]).toEqual(["v=0 answer", "oai-events"]);
  peer.open();
  peer.deliver(created);
  expect(call.state).toMatchObject({ status: "listening", transport: "webrtc" });
  expect(call.id).toBe("rtc_7");
  expect(peer.channel.sent.map(({ type }) => type)).toEqual(["session.update"]);
  await call.startMic();
  sound.recordFor(100);
  expect(peer.channel.sent).toHaveLength(1); // the audio travels as a track
  expect(ScriptedSocket.opened).toEqual([]);
});

test("the microphone is sent while it is heard, as a copy that ends with the call", async () => {
  const { call, sound, peer } = await open({ mode: "push-to-talk" });
  const track = new Track();
  sound.record = async () => void (sound.track = track as unknown as MediaStreamTrack) as undefined;
  await call.pushToTalk(true);
  const [copy] = track.copies;
  expect(peer.sender.track).toBe(copy);
  expect([copy!.enabled, track.enabled]).toEqual([true, true]);
  sound.recordFor(400);
  const released = call.pushToTalk(false);
  await vi.advanceTimersByTimeAsync(150); // the end of the utterance is still on its way
  expect(await released).toBe(true);
  expect([copy!.enabled, track.enabled]).toEqual([false, true]);
  const types = peer.channel.sent.map(({ type }) => type).slice(1);
  expect(types).toEqual([
    "input_audio_buffer.clear", // the silence before the button was pressed
    "input_audio_buffer.commit",
    "response.create",
  ]);
  call.close();
  expect([copy!.stopped, track.stopped, peer.closed]).toEqual([true, false, true]);
});

test("words turn to heard ones while the server plays them, and all are heard at its end", async () => {
  const { call, peer } = await open();
  peer.deliver(...began, says(text), buffer("started"));
  expect(call.state.status).toBe("speaking");
  expect(Loudspeaker.last).toMatchObject({ srcObject: "the remote stream", muted: false });
  const heard = () => call.state.lines[0]!.heard;
  await vi.advanceTimersByTimeAsync(1000);
  const early = heard();
  await vi.advanceTimersByTimeAsync(1000);
  expect(early).toBeGreaterThan(5);
  expect(heard()).toBeGreaterThan(early);
  expect(heard()).toBeLessThan(text.length);
  peer.deliver(...responseDone("r", "item_1", text));
  expect(call.state).toMatchObject({ status: "speaking" });
  peer.deliver(buffer("stopped"));
  expect(call.state.status).toBe("listening");
  expect(call.state.lines).toMatchObject([{ text, heard: text.length, status: "done" }]);
  expect(call.levels.out).toBeCloseTo(0.71, 1);
  call.close();
  expect([call.levels.out, Context.open]).toEqual([0, 0]);
});

test("the pace of an answer is the estimate for the next one", async () => {
  const { call, peer } = await open();
  const heardAfter1s = async () => {
    peer.deliver(...began, says(text), buffer("started"));
    await vi.advanceTimersByTimeAsync(1000);
    return call.state.lines[0]!.heard;
  };
  const first = await heardAfter1s();
  await vi.advanceTimersByTimeAsync(7500); // twice as long as estimated
  peer.deliver(buffer("stopped"), { type: "conversation.item.deleted", item_id: "item_1" });
  expect(await heardAfter1s()).toBeLessThan(first * 0.7);
});

test("the stop button silences the page at once, and the server says where it was", async () => {
  const { call, peer } = await open();
  peer.deliver(...began, says(text), buffer("started"));
  await vi.advanceTimersByTimeAsync(1200);
  await call.interrupt();
  expect([Loudspeaker.last.muted, call.levels.out]).toEqual([true, 0]);
  const types = peer.channel.sent.map(({ type }) => type).slice(1);
  expect(types).toEqual(["response.cancel", "output_audio_buffer.clear"]); // and no truncation
  const truncated = { type: "conversation.item.truncated", item_id: "item_1", content_index: 0 };
  peer.deliver(buffer("cleared"), { ...truncated, audio_end_ms: 1100 }, says(" More."));
  const [line] = call.state.lines;
  expect(line!.status).toBe("interrupted");
  expect(text.startsWith(line!.text)).toBe(true);
  expect(line!.text.length).toBeGreaterThan(5);
  expect(line!.text.length).toBeLessThan(30);
  expect(call.state.status).not.toBe("speaking");
});

test("speech over an answer silences it, and the page sends nothing: the server stops it", async () => {
  const { call, peer } = await open();
  peer.deliver(...began, says(text), buffer("started"));
  const before = peer.channel.sent.length;
  peer.deliver({ type: "input_audio_buffer.speech_started", item_id: "item_2" });
  await microtasks();
  expect(Loudspeaker.last.muted).toBe(true);
  expect(call.state.status).toBe("listening");
  expect(peer.channel.sent).toHaveLength(before);
});

test.each([404, 405, 415, 501])(
  "a server without WebRTC (%i) gets a WebSocket, also from the next call of the page",
  async (status) => {
    respond = refused(status, { code: "webrtc_not_supported" });
    const { call, memory } = await start();
    ScriptedSocket.last.deliver(created);
    expect(call.state).toMatchObject({ status: "listening", transport: "websocket" });
    expect(call.state.error).toBeUndefined();
    call.close();
    await start({}, memory);
    expect(requests).toHaveLength(1);
    expect(ScriptedSocket.opened).toHaveLength(2);
  },
);

test("a network without UDP gets a WebSocket after 8 s, or as soon as the connection fails", async () => {
  await start();
  expect(ScriptedSocket.opened).toEqual([]);
  await vi.advanceTimersByTimeAsync(8000);
  expect(ScriptedSocket.opened).toHaveLength(1);
  expect(Connection.last.closed).toBe(true);
  await start();
  Connection.last.change("failed");
  await microtasks();
  expect(ScriptedSocket.opened).toHaveLength(2);
});

test("a page that wants WebRTC only is told that there is none", async () => {
  respond = refused(501, {});
  const { call } = await start({ transport: "webrtc" });
  expect(call.state).toMatchObject({ status: "ended", why: "webrtc_unavailable" });
  expect(ScriptedSocket.opened).toEqual([]);
});

test("a text session, and a page that wants it, use a WebSocket", async () => {
  await start({ mode: "text" });
  await start({ transport: "websocket" });
  vi.stubGlobal("RTCPeerConnection", undefined);
  Reflect.deleteProperty(globalThis, "RTCPeerConnection");
  await start();
  expect(ScriptedSocket.opened).toHaveLength(3);
  expect(requests).toEqual([]);
});

test.each([
  [403, { message: "Not here." }, {}, "ended: refused"],
  [429, { code: "server_busy", message: "Full." }, { "Retry-After": "9" }, "reconnecting: busy"],
  [500, { message: "A fault." }, {}, "reconnecting: server"],
])(
  "a refusal of the offer (%i) means what it means over a WebSocket",
  async (status, error, headers, expected) => {
    respond = refused(status, error, headers as Record<string, string>);
    const { call } = await start();
    expect(`${call.state.status}: ${call.state.why}`).toBe(expected);
    expect(call.state.error?.message).toBe(error.message);
    expect(call.state.error?.retryAfter).toBe(status === 429 ? 9 : undefined);
    expect(ScriptedSocket.opened).toEqual([]);
    call.close();
  },
);

test("a secret that has expired is replaced once", async () => {
  const token = vi.fn(async () => "ek_old");
  respond = refused(401, { message: "Expired." });
  const { call } = await start({ token });
  expect(token).toHaveBeenCalledTimes(2);
  expect(call.state).toMatchObject({ status: "ended", why: "not_signed_in" });
});

test("a lost network is noticed after 5 s, and a new connection continues the conversation", async () => {
  const { call, peer } = await open();
  peer.deliver(...began, says(text), buffer("started"));
  peer.change("disconnected");
  await vi.advanceTimersByTimeAsync(4000);
  peer.change("connected");
  await vi.advanceTimersByTimeAsync(4000);
  expect(call.state.status).toBe("speaking");
  peer.change("disconnected");
  await vi.advanceTimersByTimeAsync(5000);
  expect(`${call.state.status}: ${call.state.why}`).toBe("reconnecting: connection_lost");
  await vi.advanceTimersByTimeAsync(500);
  expect(Connection.made).toHaveLength(2);
  expect(new URL(requests[1]!.address).searchParams.get("conversation_id")).toBe("conv_1");
  Connection.last.open();
  Connection.last.deliver(created);
  expect(call.state).toMatchObject({ status: "listening", transport: "webrtc" });
});

test("a network that is gone before the answer is tried again over WebRTC", async () => {
  respond = async () => Promise.reject(new TypeError("Failed to fetch"));
  const { call } = await start();
  expect(call.state.status).toBe("reconnecting");
  respond = async () => answered();
  await vi.advanceTimersByTimeAsync(500);
  expect(Connection.made).toHaveLength(2);
  expect(ScriptedSocket.opened).toEqual([]);
});

test("a server that closes the channel has hung up, or says otherwise", async () => {
  const hungUp = await open();
  hungUp.peer.channel.onclose();
  expect(hungUp.call.state).toMatchObject({ status: "ended", why: "hung_up" });
  const deleted = await open();
  deleted.peer.deliver({ type: "vivavoce.closing", code: 4000, reason: "conversation_deleted" });
  deleted.peer.channel.onclose();
  expect(deleted.call.state).toMatchObject({ status: "ended", why: "conversation_deleted" });
  const restarted = await open();
  restarted.peer.deliver({ type: "vivavoce.closing", code: 1012, reason: "" });
  restarted.peer.channel.onclose();
  expect(restarted.call.state.status).toBe("reconnecting");
  restarted.call.close();
});

test("a browser that plays only after a click pauses the call until one", async () => {
  const { call, peer } = await open();
  Loudspeaker.last.refuses = true;
  peer.ontrack({ track: {}, streams: ["again"] });
  await microtasks();
  expect(call.state.why).toBe("sound_suspended");
  Loudspeaker.last.refuses = false;
  call.resume();
  await microtasks();
  expect(call.state.why).not.toBe("sound_suspended");
});

test("a picture that is too large for the channel is refused, and the call goes on", async () => {
  const { call } = await open();
  await call.sendText("What is this?", [`data:image/png;base64,${"A".repeat(300_000)}`]);
  expect(call.state.lines).toMatchObject([{ status: "unsent" }]);
  expect(call.state.error?.message).toBe("The message is too large for this connection.");
  expect(call.state.status).not.toBe("ended");
});

test("a call that is closed while it connects leaves nothing behind", async () => {
  const { call } = await start();
  call.close();
  expect(Connection.last.closed).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(ScriptedSocket.opened).toEqual([]);
  expect(call.state).toMatchObject({ status: "ended", why: "closed" });
});
