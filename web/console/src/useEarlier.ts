// Conversations that stay: show an earlier one, which the next call continues.

import type { Call, Item } from "@vivavoce/client";
import { useCallback, useRef } from "react";
import { listToolRuns, readConversation } from "./conversations";
import { rememberConversation } from "./memory";

/** Show a conversation with this id, with an assistant. */
export type ShowEarlier = (assistant: string, id: string) => void;

/** Return a function that shows a conversation, unless a call has begun in the meantime. */
export function useEarlier(
  call: Call | undefined,
  makeCall: (earlier: { conversationId: string; items: Item[] }) => Call,
): ShowEarlier {
  const latest = useRef({ call, makeCall });
  latest.current = { call, makeCall };
  return useCallback((assistant, id) => {
    readConversation(id).then(
      (earlier) => {
        if (latest.current.call) return;
        if (!earlier) return rememberConversation(assistant, undefined);
        const made = latest.current.makeCall({ conversationId: id, items: earlier.items });
        for (const [item, sources] of earlier.sources) made.noteSources(item, sources);
        void showRuns(made, id);
      },
      () => {}, // the call will tell what is wrong
    );
  }, []);
}

/** Show the runs of tools: those that have ended, and those that wait for an approval. */
async function showRuns(call: Call, id: string): Promise<void> {
  const runs = await listToolRuns(id).catch(() => []); // the call will tell what is wrong
  for (const run of runs) call.noteToolRun(run);
}
