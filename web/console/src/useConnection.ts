// The quality of the connection: how long the server takes to answer a small request.

import { useEffect, useState } from "react";

export type Quality = "good" | "fair" | "poor" | "lost";

export interface ConnectionQuality {
  quality: Quality;
  /** Of the last answer. */
  ms: number;
}

const EVERY_MS = 10_000;
const WITHIN_MS = 5_000;

export const qualityOf = (ms: number): Quality => (ms < 150 ? "good" : ms < 400 ? "fair" : "poor");

/** Measure the connection every 10 s, while a call is under way. */
export function useConnection(active: boolean): ConnectionQuality | undefined {
  const [found, setFound] = useState<ConnectionQuality>();
  useEffect(() => {
    if (!active) return setFound(undefined);
    let ended = false;
    const measure = async () => {
      const began = performance.now();
      const answer = fetch("healthz", {
        cache: "no-store",
        signal: AbortSignal.timeout(WITHIN_MS),
      });
      const arrived = await answer.then(
        ({ ok }) => ok,
        () => false,
      );
      if (ended) return;
      const ms = Math.round(performance.now() - began);
      setFound({ quality: arrived ? qualityOf(ms) : "lost", ms });
    };
    void measure();
    const timer = setInterval(() => void measure(), EVERY_MS);
    return () => {
      ended = true;
      clearInterval(timer);
    };
  }, [active]);
  return found;
}
