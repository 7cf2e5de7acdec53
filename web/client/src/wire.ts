// What carries a call: a WebSocket, or a peer connection that behaves like one.

export type Transport = "websocket" | "webrtc";

export interface Wire {
  onopen: () => void;
  onmessage: (event: { data: string }) => void;
  onclose: (event: { code: number; reason: string }) => void;
  /** Bytes that were not sent yet. */
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code?: number): void;
}

/** The close code of a peer connection that this network, or this server, does not allow. */
export const UNAVAILABLE = 0;
