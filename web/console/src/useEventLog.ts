// The log of the events of a call, which grows also while the pane is closed.

import type { Call } from "@vivavoce/client";
import { useEffect, useRef } from "react";
import { logged, type LoggedEvent, summary } from "./eventLog";

/** Returns the log so far. A pane that shows it asks again every 500 ms. */
export type ReadLog = () => readonly LoggedEvent[];

/** Log the events of the call, without a render for each. */
export function useEventLog(call: Call | undefined): ReadLog {
  const log = useRef<readonly LoggedEvent[]>([]);
  const read = useRef(() => log.current);
  useEffect(() => {
    log.current = [];
    let began = performance.now();
    return call?.onEvent((event) => {
      const now = performance.now();
      if (event.type === "session.created") began = now;
      log.current = logged(log.current, summary(event), Math.round(now - began));
    });
  }, [call]);
  return read.current;
}
