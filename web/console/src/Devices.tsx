// The microphone with a test of its level, the loudspeaker, and whether the user wears headphones.

import type { Call } from "@vivavoce/client";
import { AudioRecorder } from "@vivavoce/client/audio";
import worklets from "@vivavoce/client/worklets?worker&url";
import { useEffect, useRef, useState } from "react";
import { recall } from "./memory";
import type { Strings } from "./strings";
import type { Talking } from "./useTalk";

export function Devices({ talking }: { talking: Talking }) {
  const { call, strings, chooseMicrophone, chooseLoudspeaker, setHeadphones } = talking;
  const { microphones, loudspeakers, refresh } = useDevices();
  const [chosen, setChosen] = useState(() => recall().microphone ?? "");
  const [speaker, setSpeaker] = useState(() => recall().loudspeaker ?? "");
  return (
    <div className="devices">
      <DeviceList
        legend={strings.device.legend}
        devices={microphones}
        chosen={chosen}
        unnamed={strings.device.unnamed}
        strings={strings}
        onChoose={(id) => {
          setChosen(id);
          chooseMicrophone(id || undefined);
        }}
      />
      <LevelTest key={chosen} call={call} device={chosen} strings={strings} onOpened={refresh} />
      {canChooseLoudspeaker && loudspeakers.length > 0 && (
        <DeviceList
          legend={strings.device.loudspeaker}
          devices={loudspeakers}
          chosen={speaker}
          unnamed={strings.device.unnamedLoudspeaker}
          strings={strings}
          onChoose={(id) => {
            setSpeaker(id);
            chooseLoudspeaker(id || undefined);
          }}
        />
      )}
      <label className="headphones">
        <input type="checkbox" onChange={(event) => setHeadphones(event.target.checked)} />
        <span>
          {strings.headphones} <small>{strings.headphonesWhy}</small>
        </span>
      </label>
    </div>
  );
}

/** Firefox and Safari play by the system's loudspeaker only, at least in an `AudioContext`. */
const canChooseLoudspeaker = "AudioContext" in globalThis && "setSinkId" in AudioContext.prototype;

interface ListProps {
  legend: string;
  devices: readonly MediaDeviceInfo[];
  /** Its id, or nothing for the system's. */
  chosen: string;
  unnamed: string;
  strings: Strings;
  onChoose: (id: string) => void;
}

function DeviceList({ legend, devices, chosen, unnamed, strings, onChoose }: ListProps) {
  return (
    <label className="choice list">
      <span>{legend}</span>
      <select
        value={devices.some(({ deviceId }) => deviceId === chosen) ? chosen : ""}
        onChange={({ target }) => onChoose(target.value)}
      >
        <option value="">{strings.device.system}</option>
        {devices.map(({ deviceId, label }, i) => (
          <option key={deviceId} value={deviceId}>
            {label || unnamed.replace("{number}", String(i + 1))}
          </option>
        ))}
      </select>
    </label>
  );
}

/** List the devices. Browsers name them only after the user has let the page use a microphone. */
function useDevices() {
  const [devices, setDevices] = useState<MediaDeviceInfo[]>([]);
  const refresh = () => {
    void navigator.mediaDevices
      ?.enumerateDevices()
      .then((all) => setDevices(all.filter(({ deviceId }) => deviceId && deviceId !== "default")));
  };
  useEffect(() => {
    refresh();
    navigator.mediaDevices?.addEventListener("devicechange", refresh);
    return () => navigator.mediaDevices?.removeEventListener("devicechange", refresh);
  }, []);
  const only = (wanted: MediaDeviceKind) => devices.filter(({ kind }) => kind === wanted);
  return { microphones: only("audioinput"), loudspeakers: only("audiooutput"), refresh };
}

interface TestProps {
  call: Call | undefined;
  /** The id of the microphone, or nothing for the system's. */
  device: string;
  strings: Strings;
  onOpened: () => void;
}

function LevelTest({ call, device, strings, onOpened }: TestProps) {
  const [on, setOn] = useState(false);
  const [failed, setFailed] = useState(false);
  const meter = useRef<HTMLMeterElement>(null);
  useEffect(() => {
    if (!on) return;
    const show = (level: number) => {
      if (meter.current) meter.current.value = level;
    };
    const opened = call?.state.microphone
      ? follow(() => call.levels.in, show)
      : listen(device, show, onOpened, () => {
          setFailed(true);
          setOn(false);
        });
    return opened;
  }, [on]); // a test ends before another one begins
  return (
    <div className="level-test">
      <button
        type="button"
        className="secondary"
        onClick={() => {
          setFailed(false);
          setOn(!on);
        }}
      >
        {on ? strings.device.stop : strings.device.test}
      </button>
      {on && <meter ref={meter} aria-label={strings.device.level} />}
      {on && <small>{strings.device.speak}</small>}
      {failed && <p role="alert">{Object.values(strings.errors.microphone_busy).join(" ")}</p>}
    </div>
  );
}

/** Show a level in each frame. Return a function that ends this. */
function follow(read: () => number, show: (level: number) => void): () => void {
  let frame = 0;
  const step = () => {
    show(read());
    frame = requestAnimationFrame(step);
  };
  step();
  return () => cancelAnimationFrame(frame);
}

/** Open a microphone for a test, and show its level. Return a function that closes it. */
function listen(
  device: string,
  show: (level: number) => void,
  onOpened: () => void,
  onFailed: () => void,
): () => void {
  const recorder = new AudioRecorder({ worklets, microphone: () => device || undefined });
  let ended = false;
  recorder.start().then(() => (ended ? recorder.stop() : onOpened()), onFailed);
  const stop = follow(() => recorder.level, show);
  return () => {
    ended = true;
    stop();
    recorder.stop();
  };
}
