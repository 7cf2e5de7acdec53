// The symbols of the buttons, drawn in lines of one width.

import type { ReactNode } from "react";

const symbol = (drawing: ReactNode) =>
  function Symbol() {
    return (
      <svg viewBox="0 0 24 24" className="symbol" aria-hidden="true">
        {drawing}
      </svg>
    );
  };

export const MenuSymbol = symbol(<path d="M4 7h16M4 12h10M4 17h16" />);
export const SettingsSymbol = symbol(<path d="M4 7h9m5 0h2M4 17h2m5 0h9M15.5 4.5v5M8.5 14.5v5" />);
export const CloseSymbol = symbol(<path d="m6 6 12 12M18 6 6 18" />);
export const FullSymbol = symbol(<path d="M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5" />);
export const LeaveFullSymbol = symbol(<path d="M9 4v5H4M15 4v5h5M9 20v-5H4M15 20v-5h5" />);
export const PlaySymbol = symbol(<path className="filled" d="M8 5.5v13l10.5-6.5z" />);
export const PauseSymbol = symbol(<path d="M8.5 6v12M15.5 6v12" />);
export const DownloadSymbol = symbol(<path d="M12 4v11m-4.5-4L12 15.5l4.5-4.5M5 20h14" />);
export const MoreSymbol = symbol(<path strokeWidth="3" d="M6 12h.01M12 12h.01M18 12h.01" />);
export const PictureSymbol = symbol(
  <>
    <rect x="3" y="5" width="18" height="14" rx="2.5" />
    <circle cx="8.5" cy="10" r="1.6" />
    <path d="m4 17 5-4 3.5 2.5L16 12l5 4.5" />
  </>,
);
export const CameraSymbol = symbol(
  <>
    <path d="M4 8.5h3.5L9 6h6l1.5 2.5H20V19H4z" />
    <circle cx="12" cy="13.3" r="3.2" />
  </>,
);
export const SendSymbol = symbol(<path d="M12 19V5m-6 6 6-6 6 6" />);
export const MicrophoneSymbol = ({ crossed }: { crossed: boolean }) => (
  <svg viewBox="0 0 24 24" className="icon" aria-hidden="true">
    <rect x="9" y="3" width="6" height="11" rx="3" />
    <path d="M6 11a6 6 0 0 0 12 0M12 17v4" />
    {crossed && <path className="slash" d="M4 4l16 16" />}
  </svg>
);
