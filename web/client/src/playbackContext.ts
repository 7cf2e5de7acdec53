// The audio context of the loudspeaker. It is a file of its own, because a click has to make it at once, and the
// player may still be loading then.

import { RATE } from "./rate";

/** Make a context inside a click, and before any wait: Safari allows it to play only then. */
export function playbackContext(): AudioContext {
  const context = new AudioContext({ sampleRate: RATE, latencyHint: "interactive" });
  void context.resume().catch(() => {});
  return context;
}
