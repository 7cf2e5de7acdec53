// No sequence of events and of runs that the page reads, in whatever order, leads to an illegal list of cards.

import { expect, test } from "vitest";
import { applyRun, applyToRuns, loseRuns, type ToolRuns } from "../src/toolCards";
import { pick, seeded } from "./walk";

const WALKS = 400;
const STEPS = 40;

const CALLS = ["call_1", "call_2", "call_3"];
const RUNS = ["run_1", "run_2"];
const STATES = ["requested", "approved", "done", "failed", "unknown"] as const;

type Random = () => number;

const steps: ((runs: ToolRuns, random: Random) => ToolRuns)[] = [
  (runs, random) =>
    applyToRuns(runs, { type: "vivavoce.tool.started", call_id: pick(random, CALLS), name: "x" }),
  (runs, random) =>
    applyToRuns(runs, { type: "vivavoce.tool.progress", call_id: pick(random, CALLS), text: "…" }),
  (runs, random) =>
    applyToRuns(runs, {
      type: "vivavoce.tool.done",
      call_id: pick(random, CALLS),
      name: "x",
      run_id: pick(random, RUNS),
      state: pick(random, STATES),
    }),
  (runs, random) =>
    applyToRuns(runs, {
      type: "vivavoce.approval.requested",
      call_id: pick(random, CALLS),
      run_id: pick(random, RUNS),
      name: "x",
      arguments: "{}",
      arguments_sha256: "",
      approve: "user",
      expires_at: null,
    }),
  (runs, random) =>
    applyRun(runs, {
      id: pick(random, RUNS),
      tool: "x",
      arguments: "{}",
      arguments_sha256: "",
      state: pick(random, STATES),
      approve: "user",
      approved_by: pick(random, [null, "si_1"]),
      tool_call_id: pick(random, CALLS),
      expires_at: null,
      result: null,
    }),
  (runs) => loseRuns(runs),
];

const isUnique = (names: readonly string[]): boolean => new Set(names).size === names.length;

function illegal(runs: ToolRuns): string[] {
  const rules: [name: string, holds: boolean][] = [
    ["a run has one card", isUnique(runs.flatMap(({ runId }) => runId ?? []))],
    ["a tool call has one card", isUnique(runs.map(({ callId }) => callId))],
    [
      "a card that waits has its run",
      runs.every(({ state, runId }) => state !== "waiting" || runId !== undefined),
    ],
  ];
  return rules.flatMap(([name, holds]) => (holds ? [] : [name]));
}

test("no sequence of events reaches an illegal list of cards", () => {
  const reached = new Set<string>();
  for (let seed = 1; seed <= WALKS; seed++) {
    const random = seeded(seed);
    let runs: ToolRuns = [];
    for (let i = 0; i < STEPS; i++) {
      runs = pick(random, steps)(runs, random);
      if (illegal(runs).length) expect.fail(`seed ${seed}, step ${i}: ${illegal(runs)}`);
      for (const { state } of runs) reached.add(state);
    }
  }
  expect([...reached].sort()).toEqual(
    ["running", "waiting", "done", "failed", "rejected", "unknown", "lost"].sort(),
  );
});
