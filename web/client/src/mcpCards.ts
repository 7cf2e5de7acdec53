// The calls of MCP tools as cards. The protocol has them as items: the request for an approval, its answer,
// and the call. So the cards are a view of the conversation, and are there after a reload too.

import type { Line } from "./captions";
import type { Conversation } from "./conversation";
import type { Item, McpApprovalResponse, McpCall } from "./protocol";
import type { ToolCard } from "./toolCards";

/** Return a card for each MCP call, and for each request that waits for an approval. */
export function mcpCards(conversation: Conversation, lines: readonly Line[]): ToolCard[] {
  const shown = new Set(lines.map(({ id }) => id));
  const answers = new Map(conversation.flatMap(answerOf));
  const calls = new Map(conversation.flatMap(callOf));
  const cards: ToolCard[] = [];
  let after: string | undefined;
  for (const item of conversation) {
    if (shown.has(item.id)) after = item.id;
    const card =
      item.type === "mcp_approval_request"
        ? { ...request(answers.get(item.id), calls.get(item.id)), ...names(item) }
        : item.type === "mcp_call" && !item.approval_request_id
          ? { ...ending(item), ...names(item) }
          : undefined;
    if (card) cards.push({ ...card, ...(after !== undefined && { after }) });
  }
  return cards;
}

/** True if the conversation has this request, and no answer to it. */
export const isWaiting = (conversation: Conversation, requestId: string): boolean =>
  conversation.some(({ type, id }) => type === "mcp_approval_request" && id === requestId) &&
  !conversation.flatMap(answerOf).some(([id]) => id === requestId);

const answerOf = (item: Item): [string, McpApprovalResponse][] =>
  item.type === "mcp_approval_response" ? [[item.approval_request_id, item]] : [];

const callOf = (item: Item): [string, McpCall][] =>
  item.type === "mcp_call" && item.approval_request_id ? [[item.approval_request_id, item]] : [];

const names = (item: { id: string; name: string; arguments: string }) => ({
  callId: item.id,
  name: item.name,
  arguments: item.arguments,
});

type Ending = Pick<ToolCard, "state" | "result" | "mcpRequest">;

function request(answer: McpApprovalResponse | undefined, call: McpCall | undefined): Ending {
  if (call) return ending(call);
  if (!answer) return { state: "waiting", mcpRequest: true };
  return { state: answer.approve ? "running" : "rejected" };
}

function ending({ output, error }: McpCall): Ending {
  if (error) return { state: "failed", result: error.message ?? `Error ${error.code ?? ""}` };
  return typeof output === "string" ? { state: "done", result: output } : { state: "running" };
}
