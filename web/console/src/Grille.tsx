// The loudspeaker's grille: the mark of the product, the meter of the call, and the face of its button. Its
// colour comes from the style sheet, which blends it.

import type { Call } from "@vivavoce/client";
import { useEffect, useRef } from "react";
import { gathering, HOLE, HOLES, isStill, type Moment, opening } from "./grille";
import type { Presence } from "./presence";

interface Props {
  presence: Presence;
  call?: Call | undefined;
  /** Number of answers that were interrupted: one more makes the dots gather. */
  interruptions?: number;
}

const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
const ONSET = 0.12; // level at which silence ends
const SILENCE = 0.05;
const SMALL = 130; // pixels: the symbol needs more room
const SMALL_ROOM = 0.4; // of the radius
const BLEND_MS = 400; // longer than the colours of the style sheet take

/** Draw the grille, in each frame in which something moves. */
export function Grille({ presence, call, interruptions = 0 }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const shown = useRef({ presence, call, interruptions });
  const wake = useRef<() => void>(() => {});
  shown.current = { presence, call, interruptions };
  useEffect(() => {
    const animation = animate(canvas.current!, () => shown.current);
    wake.current = animation.wake;
    return animation.stop;
  }, []);
  useEffect(() => wake.current(), [presence, call, interruptions]);
  return <canvas ref={canvas} className="grille" data-presence={presence} aria-hidden="true" />;
}

type Shown = Required<Pick<Props, "presence" | "interruptions">> & Pick<Props, "call">;

function animate(canvas: HTMLCanvasElement, read: () => Shown) {
  const context = canvas.getContext("2d")!;
  let frame = 0;
  let level = 0;
  let silent = true;
  let onset = -Infinity;
  let interrupted = -Infinity;
  let { interruptions } = read();
  let wakeUntil = 0;
  const draw = (now: number) => {
    const { presence, call, interruptions: count } = read();
    const target = levelOf(call, presence);
    level += (target - level) * (target > level ? 0.5 : 0.12);
    if (silent && level > ONSET) onset = now;
    silent = level < (silent ? ONSET : SILENCE);
    if (count > interruptions) interrupted = now;
    interruptions = count;
    const moment: Moment = {
      presence,
      level,
      time: now / 1000,
      sinceOnset: (now - onset) / 1000,
      sinceInterruption: (now - interrupted) / 1000,
      still: reducedMotion.matches,
    };
    paint(canvas, context, moment);
    if (!isStill(moment) || now < wakeUntil) frame = requestAnimationFrame(draw);
    else frame = 0;
  };
  const wake = () => {
    wakeUntil = performance.now() + BLEND_MS;
    if (!frame) frame = requestAnimationFrame(draw);
  };
  const observer = new ResizeObserver(wake);
  observer.observe(canvas);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", wake);
  wake();
  const stop = () => {
    cancelAnimationFrame(frame);
    observer.disconnect();
    scheme.removeEventListener("change", wake);
  };
  return { wake, stop };
}

function levelOf(call: Call | undefined, presence: Presence): number {
  if (!call) return 0;
  const { in: heard, out } = call.levels;
  return presence === "speaking" ? out : heard;
}

function paint(canvas: HTMLCanvasElement, context: CanvasRenderingContext2D, moment: Moment): void {
  const side = Math.round(canvas.clientWidth * devicePixelRatio);
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const radius = side / 2;
  const near = 1 - gathering(moment);
  context.clearRect(0, 0, side, side);
  context.fillStyle = getComputedStyle(canvas).color;
  context.beginPath();
  const room = canvas.clientWidth < SMALL ? SMALL_ROOM : 0;
  for (const hole of HOLES) {
    if (hole.distance < room) continue;
    const size = radius * HOLE * (0.28 + 0.86 * opening(hole, moment));
    const away = radius * (1 - HOLE * 1.2) * hole.distance * near;
    const x = radius + Math.cos(hole.angle) * away;
    const y = radius + Math.sin(hole.angle) * away;
    context.moveTo(x + size, y);
    context.arc(x, y, size, 0, 2 * Math.PI);
  }
  context.fill();
}
