// Rules for devices that fail, or that the browser or the system pauses.

import { hearAll } from "./captions";
import { callError } from "./errors";
import { isHeld } from "./microphone";
import type { LoudspeakerState } from "./player";
import { configure } from "./responses";
import type { Action, Turn } from "./turnState";

/**
 * Follow the loudspeaker. After a failure the server answers in writing, and words count as heard when they
 * arrive. The error is shown once: the call goes on without sound.
 */
export function changeLoudspeaker(turn: Turn, state: LoudspeakerState, out: Action[]): Turn {
  let next = { ...turn, loudspeaker: state };
  if (hasFailed(state) !== hasFailed(turn.loudspeaker) && turn.link === "open")
    next = configure(next, out);
  if (!hasFailed(state)) {
    const shown = turn.error?.code === "sound_failed" || turn.error?.code === "sound_insecure";
    return shown && state === "running" ? { ...next, error: undefined } : next;
  }
  const silent = { ...next, playing: false, captions: hearAll(turn.captions) };
  if (hasFailed(turn.loudspeaker)) return silent;
  const code = state === "insecure" ? "sound_insecure" : "sound_failed";
  return { ...silent, error: callError(code) };
}

/** True if answers cannot be heard. */
export const hasFailed = (state: LoudspeakerState): boolean =>
  state === "failed" || state === "insecure";

/** True if the user expects to hear or to be heard, and a device of theirs is paused. */
export const isPaused = ({
  mode,
  link,
  microphone,
  microphonePaused,
  loudspeaker,
}: Turn): boolean =>
  mode !== "text" &&
  ((microphone.phase === "open" && microphonePaused) ||
    (link === "open" && loudspeaker === "suspended"));

/** Resume both devices. A microphone that stays muted is opened again. */
export function resumeDevices(turn: Turn, out: Action[]): Turn {
  if (turn.mode === "text") return turn;
  out.push({ type: "wake_sound" });
  if (turn.microphone.phase !== "open" || !turn.microphonePaused || isHeld(turn.microphone))
    return turn;
  out.push({ type: "stop_recording" }, { type: "start_recording" });
  return {
    ...turn,
    microphonePaused: false,
    microphone: { ...turn.microphone, phase: "requesting" },
  };
}
