// The microphone button. In hands-free mode a click opens or closes the microphone. In push-to-talk mode the
// microphone records while the user holds the button, Enter or the space bar.

import type { Call, State } from "@vivavoce/client";
import { useEffect } from "react";
import { Grille } from "./Grille";
import { MicrophoneSymbol } from "./icons";
import { presenceOf } from "./presence";
import type { Strings } from "./strings";

interface Props {
  state: State;
  call: Call | undefined;
  strings: Strings;
  onSwitch: () => void;
  onHold: (down: boolean) => void;
}

/** Show the button with the grille. In text mode, show the grille only. */
export function Microphone({ state, call, strings, onSwitch, onHold }: Props) {
  const { mode, microphone, lines } = state;
  const presence = presenceOf(state);
  const held = mode === "push-to-talk";
  useSpaceBar(held, onHold);
  const interruptions = lines.filter(({ status }) => status === "interrupted").length;
  const meter = <Grille presence={presence} call={call} interruptions={interruptions} />;
  if (mode === "text") {
    return (
      <div className="microphone" data-presence={presence}>
        {meter}
      </div>
    );
  }
  const on = held ? presence === "listening" || presence === "hearing" : microphone;
  const name = held ? strings.holdToTalk : strings.microphone;
  return (
    <button
      type="button"
      className="microphone"
      data-presence={presence}
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
      <MicrophoneSymbol crossed={!on && !held && presence !== "idle"} />
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
