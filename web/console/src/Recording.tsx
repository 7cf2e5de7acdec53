// What the user said, as a waveform: to play and to download.

import type { Call } from "@vivavoce/client";
import { peaks, RATE, wav } from "@vivavoce/client/audio";
import { useEffect, useMemo, useRef, useState } from "react";
import { DownloadSymbol, PauseSymbol, PlaySymbol } from "./icons";
import type { Strings } from "./strings";

type Pcm = NonNullable<ReturnType<Call["recordingOf"]>>;

const BARS_PER_S = 12;
const MOST_BARS = 96;
const STEP = 4; // units of the drawing
const HEIGHT = 24;

/** Show a recording. */
export function Recording({ pcm, strings }: { pcm: Pcm; strings: Strings }) {
  const { playing, played, toggle } = usePlayer(pcm);
  const seconds = pcm.length / RATE;
  const count = Math.min(MOST_BARS, Math.max(8, Math.round(seconds * BARS_PER_S)));
  const heights = useMemo(() => evenOut(peaks(pcm, count)), [pcm, count]);
  return (
    <div className="recording">
      <button
        type="button"
        className="icon-button"
        aria-label={playing ? strings.recording.pause : strings.recording.play}
        onClick={toggle}
      >
        {playing ? <PauseSymbol /> : <PlaySymbol />}
      </button>
      <svg
        viewBox={`0 0 ${count * STEP} ${HEIGHT}`}
        width={count * STEP}
        height={HEIGHT}
        aria-hidden="true"
      >
        {heights.map((height, i) => (
          <rect
            key={i}
            x={i * STEP}
            y={(HEIGHT - height * HEIGHT) / 2}
            width="2"
            height={height * HEIGHT}
            rx="1"
            data-played={i < played * count || undefined}
          />
        ))}
      </svg>
      <small>{seconds.toFixed(1)} s</small>
      <button
        type="button"
        className="icon-button"
        aria-label={strings.recording.download}
        title={strings.recording.download}
        onClick={() => save(pcm)}
      >
        <DownloadSymbol />
      </button>
    </div>
  );
}

/** Return heights from a dot to the whole height: the loudest part of a soft voice is drawn large too. */
function evenOut(levels: readonly number[]): number[] {
  const loudest = Math.max(0.05, ...levels);
  return levels.map((level) => Math.max(0.1, Math.sqrt(level / loudest)));
}

/** Play the recording. `played`: 0 to 1. */
function usePlayer(pcm: Pcm) {
  const [playing, setPlaying] = useState(false);
  const [played, setPlayed] = useState(0);
  const player = useRef<HTMLAudioElement>(undefined);
  useEffect(
    () => () => {
      player.current?.pause();
      if (player.current) URL.revokeObjectURL(player.current.src);
      player.current = undefined;
    },
    [pcm],
  );
  const make = () => {
    const audio = new Audio(URL.createObjectURL(wav(pcm)));
    audio.ontimeupdate = () => setPlayed(audio.currentTime / (audio.duration || 1));
    audio.onpause = () => setPlaying(false);
    audio.onended = () => setPlayed(0);
    return audio;
  };
  const toggle = () => {
    player.current ??= make();
    if (playing) return player.current.pause();
    setPlaying(true);
    player.current.play().catch(() => setPlaying(false));
  };
  return { playing, played, toggle };
}

function save(pcm: Pcm): void {
  const address = URL.createObjectURL(wav(pcm));
  const link = document.createElement("a");
  link.href = address;
  link.download = "vivavoce.wav";
  link.click();
  URL.revokeObjectURL(address);
}
