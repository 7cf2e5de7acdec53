// The voice of the assistant, with a sample of each. A running session keeps its voice: the page offers a
// restart that keeps the conversation.

import { useEffect, useId, useRef, useState } from "react";
import { PauseSymbol, PlaySymbol } from "./icons";
import { recall } from "./memory";
import { hasSession } from "./presence";
import { listVoices, sampleAddress, type VoiceList } from "./server";
import type { Talking } from "./useTalk";

export function VoiceChoice({ talking }: { talking: Talking }) {
  const { assistant, language, state, strings, chooseVoice, restart } = talking;
  const [voices, setVoices] = useState<VoiceList>();
  const [chosen, setChosen] = useState(() => recall().voices[assistant.name] ?? assistant.voice);
  const [waits, setWaits] = useState(false);
  const { playing, failed, toggle } = useSample();
  const group = useId();
  useEffect(() => {
    let shown = true;
    listVoices(assistant.name, language).then(
      (found) => shown && setVoices(found),
      () => {}, // the voice stays as it is
    );
    return () => void (shown = false);
  }, [assistant, language]);
  if (!voices || voices.data.length < 2) return null;
  const title = titleOf(chosen ?? "");
  return (
    <fieldset className="choice voices">
      <legend>{strings.voice.legend}</legend>
      {voices.data.map(({ name }) => (
        <div key={name} className="voice">
          <label>
            <input
              type="radio"
              name={group}
              checked={name === chosen}
              onChange={() => {
                setChosen(name);
                chooseVoice(name);
                setWaits(hasSession(state));
              }}
            />
            <span>{titleOf(name)}</span>
          </label>
          {voices.samples && (
            <button
              type="button"
              aria-label={strings.voice.hear.replace("{name}", titleOf(name))}
              aria-pressed={playing === name}
              onClick={() => toggle(name, sampleAddress(assistant.name, name, language))}
            >
              {playing === name ? <PauseSymbol /> : <PlaySymbol />}
            </button>
          )}
        </div>
      ))}
      {failed && <p role="alert">{strings.voice.noSample}</p>}
      {waits && hasSession(state) && (
        <div className="restart" role="status">
          <p>{strings.voice.fixed.replace("{name}", title)}</p>
          <button
            type="button"
            className="secondary"
            onClick={() => {
              setWaits(false);
              restart();
            }}
          >
            {strings.voice.restart.replace("{name}", title)}
          </button>
        </div>
      )}
    </fieldset>
  );
}

const titleOf = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);

/** Play one sample at a time. */
function useSample() {
  const [playing, setPlaying] = useState<string>();
  const [failed, setFailed] = useState(false);
  const player = useRef<HTMLAudioElement>(undefined);
  useEffect(() => () => player.current?.pause(), []);
  const toggle = (name: string, address: string) => {
    player.current?.pause();
    setFailed(false);
    if (playing === name) return setPlaying(undefined);
    const audio = new Audio(address);
    const isCurrent = () => player.current === audio;
    player.current = audio;
    setPlaying(name);
    audio.onended = () => isCurrent() && setPlaying(undefined);
    audio.play().catch(() => {
      if (!isCurrent() || audio.error === null) return; // paused by another click
      setFailed(true);
      setPlaying(undefined);
    });
  };
  return { playing, failed, toggle };
}
