// Reports of how a call connects, for the metrics of a Vivavoce server. A report has neither ids nor words.

import type { ErrorCode } from "./errors";
import type { State } from "./state";
import type { Transport } from "./wire";

/** The body of `POST /api/connections`. */
export interface ConnectionReport {
  outcome: "connected" | "failed";
  transport: Transport;
  code?: ErrorCode;
  /** Since the start of the call, or since the connection was lost. */
  ms: number;
}

const MAX_UNSENT = 10;

/** A call, as far as reports need it. */
export interface Watched {
  readonly state: Pick<State, "status" | "transport" | "error">;
  subscribe(listener: () => void): unknown;
}

/** Report one outcome for each attempt of a call to connect, with its retries. */
export function follow(call: Watched, send: (report: ConnectionReport) => void): void {
  let began: number | undefined;
  const look = () => {
    const { status, transport, error } = call.state;
    if (status === "connecting" || status === "reconnecting") began ??= performance.now();
    const isOpening = ["connecting", "reconnecting", "asking_permission"].includes(status);
    if (began === undefined || isOpening) return;
    const ms = Math.min(Math.round(performance.now() - began), 600_000);
    began = undefined;
    if (status !== "ended") send({ outcome: "connected", transport, ms });
    else if (error) send({ outcome: "failed", transport, code: error.code, ms });
  };
  look();
  call.subscribe(look);
}

/** Send the reports of a call to this address. */
export const watch = (call: Watched, address: string | URL): void => follow(call, sendTo(address));

/** Return a function that posts reports to this address. What the network does not take goes with the next one. */
export function sendTo(address: string | URL): (report: ConnectionReport) => void {
  let unsent: ConnectionReport[] = [];
  const post = async (report: ConnectionReport): Promise<void> => {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify(report);
    await fetch(address, { method: "POST", keepalive: true, headers, body }).catch(
      () => void (unsent = [...unsent, report].slice(-MAX_UNSENT)),
    );
  };
  return (report) => {
    const waiting = [...unsent, report];
    unsent = [];
    for (const each of waiting) void post(each);
  };
}
