// The big button. Hands-free it switches the microphone; with push-to-talk it listens while it is held,
// by pointer, Enter or the space bar.

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

export function Microphone({ state, call, strings, onSwitch, onHold }: Props) {
  const { status, mode, microphone } = state;
  const held = mode === "push-to-talk";
  useSpaceBar(held, onHold);
  const face = <LevelMeter status={status} call={call} />;
  if (mode === "text") return <div className="microphone">{face}</div>;
  const on = held ? status === "listening" : microphone;
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
      onContextMenu={(event) => held && event.preventDefault()} // a long touch
      onKeyDown={(event) => {
        if (!held || event.key !== "Enter") return;
        event.preventDefault();
        if (!event.repeat) onHold(true);
      }}
      onKeyUp={(event) => held && event.key === "Enter" && onHold(false)}
    >
      {face}
      <Symbol crossed={!on && !held && status !== "idle"} />
    </button>
  );
}

/** The space bar talks wherever it would not write or press something else. */
function useSpaceBar(active: boolean, onHold: (down: boolean) => void): void {
  useEffect(() => {
    if (!active) return;
    const meant = ({ code, target }: KeyboardEvent) =>
      code === "Space" &&
      !(target as Element).closest("input, textarea, select, button:not(.microphone)");
    const press = (event: KeyboardEvent) => {
      if (!meant(event)) return;
      event.preventDefault();
      if (!event.repeat) onHold(true);
    };
    const release = (event: KeyboardEvent) => {
      if (!meant(event)) return;
      event.preventDefault();
      onHold(false);
    };
    const leave = () => onHold(false);
    addEventListener("keydown", press);
    addEventListener("keyup", release);
    addEventListener("blur", leave);
    return () => {
      removeEventListener("keydown", press);
      removeEventListener("keyup", release);
      removeEventListener("blur", leave);
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
