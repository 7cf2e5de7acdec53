// The loudspeaker's grille as numbers: how far each hole is open, and where it lies. Pure, so that a test can
// look at each state. Lengths are parts of the radius, times are seconds.

import type { Presence } from "./presence";

const RINGS = 8;
const EMPTY_RINGS = 2; // space for the symbol in the middle

export interface Hole {
  readonly distance: number;
  readonly angle: number;
}

export const HOLES: readonly Hole[] = Array.from(
  { length: RINGS - EMPTY_RINGS },
  (_, i) => i + EMPTY_RINGS,
).flatMap((ring) =>
  Array.from({ length: ring * 6 }, (_, i) => ({
    distance: ring / (RINGS - 1),
    angle: ((i + (ring % 2) / 2) / (ring * 6)) * 2 * Math.PI,
  })),
);

/** The largest radius of a hole. */
export const HOLE = 0.46 / RINGS;

/** What moves beside the level: the times since the last onset of a voice, and the last interruption. */
export interface Moment {
  readonly presence: Presence;
  readonly level: number; // of the microphone or of the loudspeaker, 0 to 1
  readonly time: number;
  readonly sinceOnset: number;
  readonly sinceInterruption: number;
  readonly still: boolean; // the user wishes for less motion
}

const RIPPLE_S = 0.9;
const GATHER_S = 0.6;

/** Return how far a hole is open, 0 to 1. */
export function opening({ distance, angle }: Hole, moment: Moment): number {
  const open = restOf(distance, angle, moment) + ripple(distance, moment);
  return Math.max(0, Math.min(1, open));
}

/** Return how near to the middle the holes gather, 0 (in their place) to 1. */
export function gathering({ sinceInterruption, still }: Moment): number {
  if (still || sinceInterruption >= GATHER_S) return 0;
  return Math.sin((sinceInterruption / GATHER_S) * Math.PI) * 0.32;
}

/** True while the grille looks the same in the next frame. */
export const isStill = ({ presence, level, sinceOnset, sinceInterruption }: Moment): boolean =>
  (presence === "idle" || presence === "failed" || presence === "paused") &&
  level < 0.01 &&
  sinceOnset > RIPPLE_S &&
  sinceInterruption > GATHER_S;

function restOf(distance: number, angle: number, moment: Moment): number {
  const { presence, level, time, still } = moment;
  switch (presence) {
    case "hearing":
    case "speaking":
      return 0.14 + loud(distance, level);
    case "listening": {
      const wave = still ? 0.4 : (1 + Math.sin((distance * 0.9 - time * 0.25) * 2 * Math.PI)) / 2;
      return 0.08 + 0.42 * wave ** 2 + loud(distance, level);
    }
    case "thinking":
    case "usingTool": {
      const arms = presence === "usingTool" ? 3 : 1;
      const turn = (angle / (2 * Math.PI)) * arms - time * 0.55 + distance * 0.4;
      const sweep = still ? 0.5 : ((turn % 1) + 1) % 1;
      return 0.14 + 0.5 * sweep ** 3 + loud(distance, level * 0.6);
    }
    case "asking":
    case "connecting":
    case "reconnecting": {
      const wave = still ? 0.5 : Math.sin((distance * 1.6 - time * 0.7) * 2 * Math.PI);
      return 0.15 + 0.32 * Math.max(0, wave) ** 2;
    }
    case "paused":
      return 0.1;
    case "failed":
      return 0.2 * (1 - distance);
    case "ready":
      return 0.24 - distance * 0.1 + (still ? 0 : 0.08 * Math.sin(time * 1.1 - distance * 3));
    case "idle":
      return 0.36 - distance * 0.2;
  }
}

/** A voice opens the holes from the middle outwards. */
function loud(distance: number, level: number): number {
  const loudness = 1 - Math.exp(-1.8 * level); // so that a loud voice still moves them
  const reach = Math.max(0, Math.min(1, (loudness * 1.35 - distance + 0.3) * 1.6));
  return 0.86 * reach * Math.min(1, loudness * 2.4);
}

/** One ring runs outwards when the user begins to speak. */
function ripple(distance: number, { sinceOnset, still }: Moment): number {
  if (still || sinceOnset >= RIPPLE_S) return 0;
  const front = (sinceOnset / RIPPLE_S) * 1.3;
  const away = (distance - front) / 0.12;
  return 0.55 * Math.exp(-away * away) * (1 - sinceOnset / RIPPLE_S);
}
