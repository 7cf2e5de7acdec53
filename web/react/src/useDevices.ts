// The audio devices of the computer. A browser names them only after the user has allowed the microphone.

import { useEffect, useState } from "react";

const NONE: readonly MediaDeviceInfo[] = [];

/** Return the microphones and loudspeakers. They are read again when `allowed` changes. */
export function useDevices(allowed: boolean): readonly MediaDeviceInfo[] {
  const [devices, setDevices] = useState(NONE);
  useEffect(() => {
    const media = globalThis.navigator?.mediaDevices;
    if (!media?.enumerateDevices) return;
    let shown = true;
    const read = async () => {
      const all = await media.enumerateDevices().catch(() => NONE);
      if (shown) setDevices(all.filter(({ kind }) => kind.startsWith("audio")));
    };
    void read();
    media.addEventListener("devicechange", read);
    return () => {
      shown = false;
      media.removeEventListener("devicechange", read);
    };
  }, [allowed]);
  return devices;
}
