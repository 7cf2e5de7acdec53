// The checks of browser, address, WebSocket, UDP and TURN.

import { type Result, result } from "./results";

const WITHIN_MS = 8_000;
const SLOW_MS = 600;

const ROOT = new URL("../", location.href);

export function checkBrowser(): Result {
  const missing = ["WebSocket", "AudioContext", "AudioWorkletNode", "RTCPeerConnection"].filter(
    (name) => !(name in globalThis),
  );
  if (!isSecureContext) return result("unknown", "browser_insecure");
  return missing.length ? result("bad", "browser_old") : result("good", "browser_good");
}

export const checkSecure = (): Result =>
  isSecureContext ? result("good", "secure_yes") : result("bad", "secure_no");

/** Open a WebSocket without a credential: the server completes the handshake, and refuses the call after it. */
export function checkWebSocket(): Promise<Result> {
  const address = new URL("v1/realtime", ROOT);
  address.protocol = address.protocol.replace("http", "ws");
  const began = performance.now();
  return new Promise((resolve) => {
    const socket = new WebSocket(address, ["realtime"]);
    const end = (found: Result) => {
      clearTimeout(timer);
      resolve(found);
      socket.close();
    };
    const timer = setTimeout(() => end(result("bad", "websocket_blocked")), WITHIN_MS);
    socket.onopen = () => {
      const ms = Math.round(performance.now() - began);
      end(result(ms < SLOW_MS ? "good" : "poor", ms < SLOW_MS ? "websocket_good" : "slow", ms));
    };
    socket.onclose = () => end(result("bad", "websocket_blocked"));
  });
}

interface Secret {
  value: string;
  vivavoce?: { ice_servers?: RTCIceServer[] };
}

/** Return a client secret. Undefined: the user is not signed in. Null: no server is reached. */
async function mint(): Promise<Secret | undefined | null> {
  const headers = { "Content-Type": "application/json" };
  const address = new URL("v1/realtime/client_secrets", ROOT);
  try {
    const response = await fetch(address, { method: "POST", headers, body: "{}" });
    return response.ok ? ((await response.json()) as Secret) : undefined;
  } catch {
    return null;
  }
}

const withoutSecret = (secret: undefined | null): Result =>
  secret === null ? result("bad", "server_unreachable") : result("unknown", "signed_out");

/** Begin a silent call over WebRTC, measure until its media connects, and end it. */
export async function checkUdp(): Promise<Result> {
  if (!("RTCPeerConnection" in globalThis)) return result("bad", "browser_old");
  const secret = await mint();
  if (!secret) return withoutSecret(secret);
  const peer = new RTCPeerConnection({ iceServers: secret.vivavoce?.ice_servers ?? [] });
  const began = performance.now();
  try {
    peer.addTransceiver("audio", { direction: "sendrecv" });
    peer.createDataChannel("oai-events");
    await peer.setLocalDescription(await peer.createOffer());
    const response = await fetch(new URL("v1/realtime/calls?greeting=false", ROOT), {
      method: "POST",
      headers: { Authorization: `Bearer ${secret.value}`, "Content-Type": "application/sdp" },
      body: peer.localDescription?.sdp ?? "",
    });
    if (response.status === 501) return result("unknown", "webrtc_not_offered");
    if (!response.ok) return result("unknown", "call_refused", response.status);
    await peer.setRemoteDescription({ type: "answer", sdp: await response.text() });
    const open = await connected(peer);
    const ms = Math.round(performance.now() - began);
    return open ? result("good", "udp_good", ms) : result("bad", "udp_blocked");
  } catch {
    return result("bad", "udp_blocked");
  } finally {
    peer.close();
  }
}

function connected(peer: RTCPeerConnection): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), WITHIN_MS);
    const look = () => {
      if (!["connected", "failed"].includes(peer.connectionState)) return;
      clearTimeout(timer);
      resolve(peer.connectionState === "connected");
    };
    peer.onconnectionstatechange = look;
    look();
  });
}

/** Gather only relayed candidates: each one is a port that a TURN server has opened. */
export async function checkTurn(): Promise<Result> {
  if (!("RTCPeerConnection" in globalThis)) return result("bad", "browser_old");
  const secret = await mint();
  if (!secret) return withoutSecret(secret);
  const iceServers = secret.vivavoce?.ice_servers ?? [];
  const urls = iceServers.flatMap(({ urls }) => urls);
  if (!urls.some((url) => /^turns?:/.test(url))) return result("unknown", "turn_none");
  const peer = new RTCPeerConnection({ iceServers, iceTransportPolicy: "relay" });
  const began = performance.now();
  const relayed = new Promise<boolean>((resolve) => {
    setTimeout(() => resolve(false), WITHIN_MS);
    peer.onicecandidate = ({ candidate }) => {
      if (candidate?.type === "relay") resolve(true);
      else if (!candidate) resolve(false);
    };
  });
  peer.createDataChannel("check");
  await peer.setLocalDescription(await peer.createOffer());
  const open = await relayed;
  peer.close();
  const ms = Math.round(performance.now() - began);
  return open ? result("good", "turn_good", ms) : result("bad", "turn_blocked");
}
