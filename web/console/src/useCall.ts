// React's view of a call.

import type { Call, Mode, State } from "@vivavoce/client";
import { useCallback, useSyncExternalStore } from "react";

const subscribeToNothing = () => () => {};

const INITIAL: Record<Mode, State> = {
  open: initialState("open"),
  "push-to-talk": initialState("push-to-talk"),
  text: initialState("text"),
};

function initialState(mode: Mode): State {
  const off = { microphone: false, requestingMicrophone: false, userSpeaking: false };
  const transport = "websocket" as const;
  const nothing = { items: [], lines: [], toolCards: [], sources: new Map() };
  return { status: "idle", mode, transport, ...nothing, ...off };
}

/** Return the state of a call, and render after every change. Without a call, return an idle state. */
export function useCall(call: Call | undefined, mode: Mode): State {
  const read = useCallback(() => call?.state ?? INITIAL[mode], [call, mode]);
  return useSyncExternalStore(call?.subscribe ?? subscribeToNothing, read);
}
