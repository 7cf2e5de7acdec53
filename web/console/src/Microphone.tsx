// The microphone button. In hands-free mode a click opens or closes the microphone. In push-to-talk mode the
// microphone records while the user holds the button, Enter or the space bar.

import type { Call, State } from "@vivavoce/client";
import { useEffect } from "react";
import { LevelMeter } from "./LevelMeter";
import type { Strings } from "./strings";

interface Props {
  state: State;
  call: Call | undefined;
  strings: Strings;
  onSwitch: () => void;
  onHold: (down: boolean) => void;
}

/** Show the button with the level meter. In text mode, show the level meter only. */
export function Microphone({ state, call, strings, onSwitch, onHold }: Props) {
  const { status, why, mode, microphone } = state;
  const held = mode === "push-to-talk";
  useSpaceBar(held, onHold);
  const meter = <LevelMeter status={status} why={why} call={call} />;
  if (mode === "text") return <div className="microphone">{meter}</div>;
  const on = held ? status === "listening" && !why : microphone;
  const name = held ? strings.holdToTalk : strings.microphone;
  return (
    <button
      type="button"
      className="microphone"
      data-status={status}
      aria-pressed={on}
      aria-label={name}
      onClick={held ? undefined : onSwitch}
      onPointerDown={(event) => {
        if (!held || event.button !== 0) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        onHold(true);
      }}
      onLostPointerCapture={() => held && onHold(false)}
      onContextMenu={(event) => held && event.preventDefault()} // a long touch opens a menu
      onKeyDown={(event) => {
        if (!held || event.key !== "Enter") return;
        event.preventDefault();
        if (!event.repeat) onHold(true);
      }}
      onKeyUp={(event) => held && event.key === "Enter" && onHold(false)}
    >
      {meter}
      <Symbol crossed={!on && !held && !["idle", "ended"].includes(status)} />
    </button>
  );
}

/** Make the space bar a talk button, except where it types or presses another button. */
function useSpaceBar(active: boolean, onHold: (down: boolean) => void): void {
  useEffect(() => {
    if (!active) return;
    const isTalkKey = ({ code, target }: KeyboardEvent) =>
      code === "Space" &&
      !(target as Element).closest("input, textarea, select, button:not(.microphone)");
    const press = (event: KeyboardEvent) => {
      if (!isTalkKey(event)) return;
      event.preventDefault();
      if (!event.repeat) onHold(true);
    };
    const release = (event: KeyboardEvent) => {
      if (!isTalkKey(event)) return;
      event.preventDefault();
      onHold(false);
    };
    const releaseOnBlur = () => onHold(false);
    addEventListener("keydown", press);
    addEventListener("keyup", release);
    addEventListener("blur", releaseOnBlur);
    return () => {
      removeEventListener("keydown", press);
      removeEventListener("keyup", release);
      removeEventListener("blur", releaseOnBlur);
    };
  }, [active, onHold]);
}

const Symbol = ({ crossed }: { crossed: boolean }) => (
  <svg viewBox="0 0 24 24" className="icon" aria-hidden="true">
    <rect x="9" y="3" width="6" height="11" rx="3" />
    <path d="M6 11a6 6 0 0 0 12 0M12 17v4" />
    {crossed && <path className="slash" d="M4 4l16 16" />}
  </svg>
);
