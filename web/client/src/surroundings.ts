// What happens around a call: devices come and go, the network returns, the computer wakes, the page is shown
// again. A call loads this when it starts, and follows it until it ends.

import type { Input } from "./turnState";

const TICK_MS = 2_000;
const GAP_MS = 10_000; // no timer is as late as this, except after sleep, or in a hidden page

/**
 * Follow the surroundings of a call. Let its connection be checked where it may be lost without a sign. Return a
 * function that ends this.
 */
export function follow(connection: { check(): void }, feed: (input: Input) => void): () => void {
  const ended = new AbortController();
  const { signal } = ended;
  let last = Date.now();
  const tick = () => {
    const gap = Date.now() - last;
    last = Date.now();
    if (gap > GAP_MS) connection.check();
  };
  const ticker = setInterval(tick, TICK_MS);
  signal.addEventListener("abort", () => clearInterval(ticker));
  navigator.mediaDevices?.addEventListener(
    "devicechange",
    () => feed({ type: "devices_changed" }),
    {
      signal,
    },
  );
  globalThis.addEventListener("online", () => connection.check(), { signal });
  globalThis.document?.addEventListener(
    "visibilitychange",
    () => {
      if (document.visibilityState !== "visible") return;
      tick();
      feed({ type: "resumed" }); // a phone pauses the devices of a hidden page
    },
    { signal },
  );
  return () => ended.abort();
}
