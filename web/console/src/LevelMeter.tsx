// The level meter of the call, drawn as the holes of a loudspeaker. The holes grow with the level of the
// microphone or of the loudspeaker. Their movement shows the status of the call.

import type { Call, Status, Why } from "@vivavoce/client";
import { useEffect, useRef } from "react";

const RINGS = 7;
const EMPTY_RINGS = 2; // space for the microphone icon

const HOLES = Array.from({ length: RINGS - EMPTY_RINGS }, (_, i) => i + EMPTY_RINGS).flatMap(
  (ring) =>
    Array.from({ length: ring * 6 }, (_, i) => ({
      distance: ring / RINGS,
      angle: ((i + (ring % 2) / 2) / (ring * 6)) * 2 * Math.PI,
    })),
);

const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

/** Return how far a hole is open, 0 to 1. `t` is in seconds. */
function opening(
  status: Status,
  distance: number,
  angle: number,
  level: number,
  t: number,
): number {
  const reach = (level * 1.2 - distance + 0.25) * 2;
  switch (status) {
    case "listening":
    case "speaking":
      return 0.16 + 0.84 * Math.max(0, Math.min(1, reach)) * Math.min(1, level * 3);
    case "thinking":
    case "using_tool": {
      const sweep = reducedMotion.matches
        ? 0.5
        : (angle / (2 * Math.PI) - t * 0.55 + distance * 0.4) % 1;
      return 0.16 + 0.55 * ((sweep + 1) % 1) ** 3;
    }
    case "asking_permission":
    case "connecting":
    case "reconnecting": {
      const wave = reducedMotion.matches ? 0.5 : Math.sin((distance * 1.6 - t * 0.7) * 2 * Math.PI);
      return 0.18 + 0.3 * Math.max(0, wave) ** 2;
    }
    default:
      return 0.26 - distance * 0.08;
  }
}

interface Props {
  status: Status;
  why?: Why | undefined;
  call?: Call | undefined;
}

/** Draw the level meter. It is animated while the status or the level asks for it. */
export function LevelMeter({ status, why, call }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const shown = status === "listening" && why ? "idle" : status; // nothing of the user is heard
  useEffect(() => {
    const element = canvas.current!;
    const context = element.getContext("2d")!;
    let level = 0;
    let frame = 0;
    const draw = (time: number) => {
      const side = Math.round(element.clientWidth * devicePixelRatio);
      if (element.width !== side) element.width = element.height = side;
      const target = call ? (shown === "speaking" ? call.levels.out : call.levels.in) : 0;
      level += (target - level) * (target > level ? 0.5 : 0.12);
      context.clearRect(0, 0, side, side);
      context.fillStyle = getComputedStyle(element).color;
      const hole = (side / 2 / RINGS) * 0.46;
      for (const { distance, angle } of HOLES) {
        const radius = hole * (0.3 + 0.7 * opening(shown, distance, angle, level, time / 1000));
        const away = (side / 2 - hole) * distance * (RINGS / (RINGS - 1));
        const x = side / 2 + Math.cos(angle) * away;
        const y = side / 2 + Math.sin(angle) * away;
        context.beginPath();
        context.arc(x, y, radius, 0, 2 * Math.PI);
        context.fill();
      }
      const moving = !["idle", "ended"].includes(shown) || level > 0.01;
      if (moving) frame = requestAnimationFrame(draw);
    };
    const redraw = () => {
      cancelAnimationFrame(frame);
      frame = requestAnimationFrame(draw);
    };
    redraw();
    const observer = new ResizeObserver(redraw);
    observer.observe(element);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", redraw);
    return () => {
      cancelAnimationFrame(frame);
      observer.disconnect();
      scheme.removeEventListener("change", redraw);
    };
  }, [shown, call]);
  return <canvas ref={canvas} className="level-meter" data-status={shown} aria-hidden="true" />;
}
