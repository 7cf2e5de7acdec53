// The call to ask about: one of more than 20 s that the user or the server has ended without an error.

import type { Call } from "@vivavoce/client";
import { useEffect, useState } from "react";

const LONG_MS = 20_000;

/** Return the id of the call to ask about, and how to ask no more. `over`: it has ended without an error. */
export function useEndedCall(call: Call | undefined, over: boolean) {
  const [started, setStarted] = useState<{ id: string; at: number }>();
  const [ended, setEnded] = useState<string>();
  useEffect(() => {
    setStarted(undefined);
    setEnded(undefined);
    return call?.onEvent((event) => {
      if (event.type === "vivavoce.call") setStarted({ id: event.call_id, at: Date.now() });
    });
  }, [call]);
  useEffect(() => {
    if (!over || !started) return setEnded(undefined);
    if (Date.now() - started.at >= LONG_MS) setEnded(started.id);
    setStarted(undefined);
  }, [over]); // `started` is read when the call ends
  return { ended, dismiss: () => setEnded(undefined) };
}
