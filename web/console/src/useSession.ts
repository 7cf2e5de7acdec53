// The length of the session against its limit.

import type { Call } from "@vivavoce/client";
import { useEffect, useState } from "react";

export interface SessionTime {
  /** Seconds since the session began. */
  elapsed: number;
  /** Seconds until the server ends it. */
  left: number | undefined;
}

interface Times {
  began: number;
  ends: number | undefined;
}

/** Follow the session of a call, second by second. Undefined: it has none. */
export function useSession(call: Call | undefined, underWay: boolean): SessionTime | undefined {
  const [times, setTimes] = useState<Times>();
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    setTimes(undefined);
    return call?.onEvent((event) => {
      if (event.type !== "session.created") return;
      const { expires_at } = event.session as { expires_at?: number };
      const began = Date.now();
      setTimes({ began, ends: expires_at === undefined ? undefined : expires_at * 1000 });
      setNow(began);
    });
  }, [call]);
  const shown = underWay && times !== undefined;
  useEffect(() => {
    if (!shown) return;
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [shown]);
  if (!shown) return undefined;
  const left = times.ends === undefined ? undefined : Math.max(0, (times.ends - now) / 1000);
  return { elapsed: Math.max(0, (now - times.began) / 1000), left };
}

/** Return a number of seconds as minutes and seconds, with hours where there are some. */
export function asClock(seconds: number): string {
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const [first, ...rest] = parts[0] ? parts : parts.slice(1);
  return [first, ...rest.map((part) => String(part).padStart(2, "0"))].join(":");
}
