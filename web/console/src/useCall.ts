// A call as React sees it.

import type { Call, Mode, State } from "@vivavoce/client";
import { useCallback, useSyncExternalStore } from "react";

const never = () => () => {};

const beforeAny: Record<Mode, State> = {
  open: before("open"),
  "push-to-talk": before("push-to-talk"),
  text: before("text"),
};

function before(mode: Mode): State {
  const off = { microphone: false, asking: false, hearing: false };
  return { status: "idle", mode, items: [], lines: [], ...off };
}

/** The state of a call; where there is none yet, that of one in `mode` which has not begun. */
export function useCall(call: Call | undefined, mode: Mode): State {
  const read = useCallback(() => call?.state ?? beforeAny[mode], [call, mode]);
  return useSyncExternalStore(call?.subscribe ?? never, read);
}
