// A realtime voice call in the browser. No dependencies; talks to any server of the Realtime protocol.

import { Call, type CallOptions } from "./call";
import { BrowserSound, type SoundOptions } from "./sound";

export { Call, type CallOptions, Refusal, type Tool, type TokenRequest } from "./call";
export type { Line } from "./captions";
export type { Conversation } from "./conversation";
export type { Item, ServerEvent } from "./protocol";
export type { SoundOptions } from "./sound";
export type { CallError, Mode, State, Status, ErrorCode } from "./state";

/** Begins a call. Do it in a click: browsers play and record only then. */
export function connect(options: CallOptions & SoundOptions): Call {
  const sound = new BrowserSound(options);
  const call = new Call(options, { sound, socket: WebSocket, random: Math.random });
  call.start();
  return call;
}
