// The full-screen mode. Where a browser has no full screen for pages, the page alone changes its layout.

import { useEffect, useState } from "react";

/** Return whether the page is in the mode, and a function that changes this. Run it in a click. */
export function useFullScreen(): [boolean, (full: boolean) => void] {
  const [full, setFull] = useState(false);
  useEffect(() => {
    const follow = () => !document.fullscreenElement && setFull(false);
    document.addEventListener("fullscreenchange", follow);
    return () => document.removeEventListener("fullscreenchange", follow);
  }, []);
  const change = (wanted: boolean) => {
    setFull(wanted);
    if (wanted) document.documentElement.requestFullscreen?.().catch(() => {});
    else if (document.fullscreenElement) void document.exitFullscreen();
  };
  return [full, change];
}
