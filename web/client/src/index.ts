// A realtime voice call in the browser, for any server of the Realtime protocol. No dependencies.

import { Call, type CallOptions } from "./call";
import { BrowserSound, type SoundOptions } from "./sound";

export { Call, type CallOptions } from "./call";
export type { Line } from "./captions";
export type { Secret, TokenRequest } from "./connection";
export type { Conversation } from "./conversation";
export { type CallError, type ErrorCode, Refusal } from "./errors";
export type { OwnEvent, Source, ToolRun } from "./ownEvents";
export type { Item, ServerEvent, Session } from "./protocol";
export type * as protocol from "./protocol.generated";
export type { PeerStats } from "./peer";
export type { Recording } from "./recordings";
export type { SoundOptions } from "./sound";
export type { State } from "./state";
export type { Mode, Reason, Status, Why } from "./status";
export type { Approval, ToolCard } from "./toolCards";
export type { Tool } from "./tools";
export type { Transport } from "./wire";

const WITHOUT_WEBRTC = new Set<string>(); // until the page is loaded again

/** Start a call. Run it in a click: only then browsers play and record audio. */
export function connect(options: CallOptions & SoundOptions): Call {
  const call = prepare(options);
  call.start();
  return call;
}

/** Make a call that `start` begins, for example to show an earlier conversation first. */
export function prepare(options: CallOptions & SoundOptions): Call {
  const sound = new BrowserSound(options);
  return new Call(options, {
    sound,
    socket: WebSocket,
    random: Math.random,
    loadPeer: () => import("./peer"),
    loadSurroundings: () => import("./surroundings"),
    withoutWebRtc: WITHOUT_WEBRTC,
  });
}
