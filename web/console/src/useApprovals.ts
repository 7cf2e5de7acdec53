// The decisions of the user about tools that wait for an approval.

import type { Call, ToolCard } from "@vivavoce/client";
import { useCallback, useEffect } from "react";
import { decide, readApproval } from "./server";

/** Decide about a card. False if the server did not take the decision, and the run still waits. */
export type Decide = (card: ToolCard, approve: boolean) => Promise<boolean>;

const READ_AGAIN_MS = 10_000; // an approval may expire, or a member of staff decides

const isOpen = ({ state, runId }: ToolCard): boolean =>
  runId !== undefined && (state === "waiting" || state === "running");

/** Return a function that decides about a card. Follow the runs that wait, or run after an approval. */
export function useApprovals(call: Call | undefined, cards: readonly ToolCard[]): Decide {
  const open = cards
    .filter(isOpen)
    .map(({ runId }) => runId)
    .join(" ");
  useEffect(() => {
    if (!call || !open) return;
    const read = () => {
      for (const runId of open.split(" "))
        readApproval(runId).then(
          (run) => run.state !== "requested" && call.noteToolRun(run),
          () => {}, // it is read again
        );
    };
    const timer = setInterval(read, READ_AGAIN_MS);
    return () => clearInterval(timer);
  }, [call, open]);
  return useCallback(
    async ({ callId, runId, approval, mcpRequest }, approve) => {
      if (call && mcpRequest) {
        call.answerMcpRequest(callId, approve);
        return true;
      }
      if (!call || !runId || !approval) return false;
      const decided = decide(runId, approval.argumentsSha256, approve);
      const run = await decided.catch(() => readApproval(runId)).catch(() => undefined);
      if (!run || run.state === "requested") return false;
      call.noteToolRun(run);
      return true;
    },
    [call],
  );
}
