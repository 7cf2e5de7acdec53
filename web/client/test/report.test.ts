// What a client reports about its attempts to connect.

import { afterEach, expect, test, vi } from "vitest";
import { callError } from "../src/errors";
import { type ConnectionReport, follow, sendTo, type Watched } from "../src/report";

type Status = Watched["state"]["status"];

function reported(...statuses: Status[]): Omit<ConnectionReport, "ms">[] {
  const sent: ConnectionReport[] = [];
  let state: Watched["state"] = { status: "idle", transport: "websocket" };
  let changed = () => {};
  follow(
    { get state() { return state; }, subscribe: (listener) => (changed = listener) },
    (report) => sent.push(report),
  ); // prettier-ignore
  for (const status of statuses) {
    const error = status === "ended" ? { error: callError("network") } : {};
    state = { status, transport: "websocket", ...error };
    changed();
  }
  return sent.map(({ ms, ...report }) => {
    expect(ms).toBeGreaterThanOrEqual(0);
    return report;
  });
}

const connected = { outcome: "connected", transport: "websocket" };
const failed = { outcome: "failed", transport: "websocket", code: "network" };

test("an attempt has one outcome, whatever the number of retries", () => {
  expect(reported("connecting", "reconnecting", "listening", "thinking")).toEqual([connected]);
  expect(reported("connecting", "reconnecting", "ended")).toEqual([failed]);
  expect(reported("connecting", "asking_permission")).toEqual([]);
  expect(reported("listening", "asking_permission", "listening")).toEqual([]);
});

test("a connection that is opened again after a loss is another attempt", () => {
  expect(reported("connecting", "listening", "reconnecting", "ended")).toEqual([connected, failed]);
  expect(reported("connecting", "listening", "ended")).toEqual([connected]);
});

afterEach(() => void vi.unstubAllGlobals());

test("a report that the network does not take goes with the next one", async () => {
  const bodies: string[] = [];
  let online = false;
  vi.stubGlobal("fetch", async (_: string, { body }: { body: string }) => {
    if (!online) throw new TypeError("no network");
    bodies.push(body);
  });
  const send = sendTo("/api/connections");
  const report: ConnectionReport = { outcome: "failed", transport: "webrtc", ms: 1 };
  send(report);
  await new Promise((resolve) => setTimeout(resolve));
  online = true;
  send({ ...report, ms: 2 });
  expect(bodies.map((body) => JSON.parse(body).ms)).toEqual([1, 2]);
});
