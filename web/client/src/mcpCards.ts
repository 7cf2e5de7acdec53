// The calls of MCP tools as cards. The protocol has them as items: the request for an approval, its answer,
// and the call. So the cards are a view of the conversation, and are there after a reload too.

import type { Line } from "./captions";
import type { Conversation } from "./conversation";
import type { McpApprovalResponse, McpCall } from "./protocol";
import type { ToolCard } from "./toolCards";

/** Return a card for each MCP call, and for each request that waits for an approval. */
export function mcpCards(conversation: Conversation, lines: readonly Line[]): ToolCard[] {
  const answers = new Map<string, McpApprovalResponse>();
  const calls = new Map<string, McpCall>();
  for (const item of conversation) {
    if (item.type === "mcp_approval_response") answers.set(item.approval_request_id, item);
    if (item.type === "mcp_call") calls.set(item.approval_request_id ?? item.id, item);
  }
  let after: string | undefined;
  return conversation.flatMap((item): ToolCard[] => {
    if (lines.some(({ id }) => id === item.id)) after = item.id;
    const ownCall = item.type === "mcp_call" && !item.approval_request_id;
    if (!ownCall && item.type !== "mcp_approval_request") return [];
    const { id: callId, name, arguments: args } = item;
    const state = stateOf(answers.get(callId), calls.get(callId));
    return [{ callId, name, arguments: args, ...state, ...(after && { after }) }];
  });
}

/** True if the conversation has this request, and no answer to it. */
export const isWaiting = (conversation: Conversation, requestId: string): boolean =>
  mcpCards(conversation, []).some(({ callId, mcpRequest }) => mcpRequest && callId === requestId);

function stateOf(
  answer: McpApprovalResponse | undefined,
  call: McpCall | undefined,
): Pick<ToolCard, "state" | "result" | "mcpRequest"> {
  if (call?.error) return { state: "failed", result: call.error.message ?? call.error.type };
  if (call?.output != null) return { state: "done", result: call.output };
  if (call || answer?.approve) return { state: "running" };
  return answer ? { state: "rejected" } : { state: "waiting", mcpRequest: true };
}
