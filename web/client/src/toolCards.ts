// The tools that the server runs in a call, one card for each run, as a page shows them. The cards are a fold
// over our own events and over the runs that the page has read. They say nothing of tools that the page runs.

import type { Conversation } from "./conversation";
import type { Line } from "./captions";
import type { Approver, RunState, ToolRun } from "./ownEvents";
import type { FunctionCall, FunctionCallOutput, ServerEvent } from "./protocol";

/** A request for the agreement of a person. */
export interface Approval {
  readonly by: Approver;
  /** Of the arguments that the person sees. The server approves no others. */
  readonly argumentsSha256: string;
  /** RFC 3339. */
  readonly expiresAt: string | null;
}

export interface ToolCard {
  /** The id of the tool call. */
  readonly callId: string;
  readonly name: string;
  /** A JSON object, as far as it is known. */
  readonly arguments: string;
  /**
   * `waiting`: for an approval. `rejected`: the user or the staff did not agree in time. `unknown`: it was
   * interrupted, and may have happened. `lost`: the connection was lost before the end of the run.
   */
  readonly state: "running" | "waiting" | "done" | "failed" | "rejected" | "unknown" | "lost";
  /** The last sentence that the tool reported. */
  readonly progress?: string;
  readonly runId?: string;
  readonly approval?: Approval;
  /** The user may answer it with `Call.answerMcpRequest`. */
  readonly mcpRequest?: boolean;
  /** What the model read of the run. */
  readonly result?: string;
  /** The line of the transcript that it follows. Without one, it comes first. */
  readonly after?: string;
}

/** What the events told of one run. `outputOf`: the tool call that has the result, if it is another one. */
type Run = Omit<ToolCard, "after"> & { readonly outputOf?: string };

export type ToolRuns = readonly Run[];

const MAX_RUNS = 200; // the oldest is dropped

const STATES: Record<RunState, Run["state"]> = {
  requested: "waiting",
  approved: "running",
  started: "running",
  done: "done",
  failed: "failed",
  unknown: "unknown",
};

/** Fold one server event into the runs. Other events return them unchanged. */
export function applyToRuns(runs: ToolRuns, event: ServerEvent): ToolRuns {
  switch (event.type) {
    case "vivavoce.tool.started":
      return change(runs, event.call_id, { name: event.name, state: "running" });
    case "vivavoce.tool.progress":
      return known(runs, event.call_id)
        ? change(runs, event.call_id, { progress: event.text })
        : runs;
    case "vivavoce.approval.requested":
      return request(runs, event.call_id, event.run_id, {
        name: event.name,
        arguments: event.arguments,
        approval: {
          by: event.approve,
          argumentsSha256: event.arguments_sha256,
          expiresAt: event.expires_at,
        },
      });
    case "vivavoce.tool.done":
      return finish(runs, event.call_id, event.run_id, event.name, STATES[event.state]);
    default:
      return runs;
  }
}

/** Take a run that the page has read: after a decision, while it is open, or of an earlier visit. */
export function applyRun(runs: ToolRuns, run: ToolRun): ToolRuns {
  const before = runs.find(({ runId }) => runId === run.id);
  const rejected = run.state === "failed" && run.approve !== "never" && !run.approved_by;
  if (before && !isOpen(before))
    // the event of its end was faster
    return rejected ? change(runs, before.callId, { state: "rejected" }) : runs;
  const callId = before?.callId ?? run.tool_call_id ?? run.id;
  if (run.state === "requested")
    return request(runs, callId, run.id, {
      name: run.tool,
      arguments: run.arguments,
      ...(run.approve !== "never" && {
        approval: {
          by: run.approve,
          argumentsSha256: run.arguments_sha256,
          expiresAt: run.expires_at,
        },
      }),
    });
  const state = rejected ? "rejected" : STATES[run.state];
  const ended = finish(runs, callId, run.id, run.tool, state);
  return run.result === null ? ended : change(ended, callId, { result: run.result });
}

/** Note that the server cannot tell the ends of running tools, because the connection is gone. */
export const loseRuns = (runs: ToolRuns): ToolRuns =>
  runs.some(isTold)
    ? runs.map((run) => (isTold(run) ? { ...run, state: "lost" as const } : run))
    : runs;

/** Return the cards, each with its result and its place in the transcript. */
export function toolCards(
  runs: ToolRuns,
  conversation: Conversation,
  lines: readonly Line[],
): ToolCard[] {
  const shown = new Set(lines.map(({ id }) => id));
  const places = new Map<string, string | undefined>();
  const calls = new Map<string, FunctionCall>();
  const outputs = new Map<string, FunctionCallOutput>();
  let last: string | undefined;
  for (const item of conversation) {
    if (shown.has(item.id)) last = item.id;
    if (item.type === "function_call") {
      places.set(item.call_id, last);
      calls.set(item.call_id, item);
    }
    if (item.type === "function_call_output") outputs.set(item.call_id, item);
  }
  return runs.map(({ outputOf, ...run }) => {
    const result = run.result ?? outputs.get(outputOf ?? run.callId)?.output;
    const after = places.has(run.callId) ? places.get(run.callId) : last;
    return {
      ...run,
      arguments: run.arguments || (calls.get(run.callId)?.arguments ?? ""),
      // While a run waits, its output only tells the model so.
      ...(result !== undefined && !isOpen(run) && { result }),
      ...(after !== undefined && { after }),
    };
  });
}

/** True if two cards look the same. */
export const sameCard = (a: ToolCard, b: ToolCard): boolean =>
  a.callId === b.callId &&
  a.state === b.state &&
  a.progress === b.progress &&
  a.result === b.result &&
  a.arguments === b.arguments &&
  a.runId === b.runId &&
  a.approval === b.approval &&
  a.mcpRequest === b.mcpRequest &&
  a.after === b.after;

/** Ask for an approval. An earlier call that asked for the same run has no card any more. */
function request(runs: ToolRuns, callId: string, runId: string, changes: Partial<Run>): ToolRuns {
  return change(withoutOthers(runs, callId, runId), callId, {
    ...changes,
    runId,
    state: "waiting",
  });
}

/**
 * End a run. An approved run ends under a tool call of its own, which has no card: the card that waits shows
 * the end. A second call of the model, for a spoken yes, has a card: the one that waits is dropped.
 */
function finish(
  runs: ToolRuns,
  callId: string,
  runId: string,
  name: string,
  state: Run["state"],
): ToolRuns {
  const waiting = runs.find((run) => run.runId === runId);
  if (!waiting || known(runs, callId))
    return change(withoutOthers(runs, callId, runId), callId, {
      name,
      runId,
      ...ended(runs, callId, state),
    });
  return change(runs, waiting.callId, {
    ...ended(runs, waiting.callId, state),
    outputOf: callId,
  });
}

/** A rejection stays one: the server tells of it as of a failure. */
const ended = (runs: ToolRuns, callId: string, state: Run["state"]): Pick<Run, "state"> => ({
  state: state === "failed" && known(runs, callId)?.state === "rejected" ? "rejected" : state,
});

function change(runs: ToolRuns, callId: string, changes: Partial<Run>): ToolRuns {
  if (known(runs, callId))
    return runs.map((run) => (run.callId === callId ? { ...run, ...changes } : run));
  const run: Run = { callId, name: "", arguments: "", state: "running", ...changes };
  return [...runs, run].slice(-MAX_RUNS);
}

const known = (runs: ToolRuns, callId: string): Run | undefined =>
  runs.find((run) => run.callId === callId);

const withoutOthers = (runs: ToolRuns, callId: string, runId: string): ToolRuns =>
  runs.filter((run) => run.runId !== runId || run.callId === callId);

const isOpen = ({ state }: Run): boolean => state === "running" || state === "waiting";

/** True if only this connection would tell of the end. A run with an approval can be read later. */
const isTold = ({ state, runId }: Run): boolean => state === "running" && runId === undefined;
