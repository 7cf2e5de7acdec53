// The bar above the page: the conversations, the name of the product, the session, the full screen, the
// settings.

import type { ReactNode } from "react";
import { FullSymbol, LeaveFullSymbol, MenuSymbol, SettingsSymbol } from "./icons";
import type { Strings } from "./strings";
import type { ConnectionQuality } from "./useConnection";
import { asClock, type SessionTime } from "./useSession";

const WARN_S = 5 * 60;

interface Props {
  strings: Strings;
  session: SessionTime | undefined;
  connection: ConnectionQuality | undefined;
  full: boolean;
  onFull: () => void;
  onConversations: () => void;
  onSettings: () => void;
}

export function TopBar(props: Props) {
  const { strings, session, connection, full, onFull, onConversations, onSettings } = props;
  return (
    <header className="bar">
      <IconButton label={strings.drawer.title} onClick={onConversations}>
        <MenuSymbol />
      </IconButton>
      <h1>
        viva<b>voce</b>
      </h1>
      <div className="session">
        {session && <Timer session={session} strings={strings} />}
        {connection && <Bars connection={connection} strings={strings} />}
      </div>
      <IconButton label={full ? strings.leaveFullScreen : strings.fullScreen} onClick={onFull}>
        {full ? <LeaveFullSymbol /> : <FullSymbol />}
      </IconButton>
      <IconButton label={strings.settings} onClick={onSettings}>
        <SettingsSymbol />
      </IconButton>
    </header>
  );
}

/** A round button that shows a symbol, and tells its name. */
export function IconButton(props: { label: string; onClick: () => void; children: ReactNode }) {
  return (
    <button
      type="button"
      className="icon-button"
      aria-label={props.label}
      title={props.label}
      onClick={props.onClick}
    >
      {props.children}
    </button>
  );
}

function Timer({ session, strings }: { session: SessionTime; strings: Strings }) {
  const { elapsed, left } = session;
  const soon = left !== undefined && left <= WARN_S;
  return (
    <span className="timer" role="timer" aria-label={strings.sessionLength} data-soon={soon}>
      {soon ? strings.endsIn.replace("{time}", asClock(left)) : asClock(elapsed)}
    </span>
  );
}

const BARS = { good: 3, fair: 2, poor: 1, lost: 0 };

function Bars({ connection, strings }: { connection: ConnectionQuality; strings: Strings }) {
  const { quality, ms } = connection;
  const label = strings.connection[quality].replace("{ms}", String(ms));
  return (
    <svg className="bars" data-quality={quality} viewBox="0 0 15 12" role="img" aria-label={label}>
      <title>{label}</title>
      {[0, 1, 2].map((i) => (
        <rect
          key={i}
          x={i * 5.5}
          y={8 - i * 4}
          width="3.5"
          height={4 + i * 4}
          rx="1"
          data-on={i < BARS[quality] || undefined}
        />
      ))}
    </svg>
  );
}
