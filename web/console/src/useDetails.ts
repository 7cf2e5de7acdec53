// What the pane for engineers shows beside the events. It is read from the server after each response, and from
// the browser every second.

import type { PeerStats, Transport } from "@vivavoce/client";
import { useEffect, useState } from "react";
import { listResponses, readItems, type ResponseInfo, type StoredItem } from "./conversations";
import type { LoggedEvent } from "./eventLog";
import { isUnderWay } from "./presence";
import type { Talking } from "./useTalk";

export interface Answer extends Pick<StoredItem, "sent_ms" | "heard_ms" | "sources"> {
  id: string;
}

export interface Details {
  transport: Transport;
  call: string | undefined;
  conversation: string | undefined;
  /** Undefined over a WebSocket, of which a browser measures nothing. */
  connection: PeerStats | undefined;
  /** The newest first. */
  turns: readonly ResponseInfo[];
  answers: readonly Answer[];
}

const MAX_ANSWERS = 50;
const STORED_MS = 700; // after its event, a response is in the store

/** Read the details of the shown conversation, as long as the pane is open. */
export function useDetails({ call, state }: Talking, events: readonly LoggedEvent[]): Details {
  const [stored, setStored] = useState<Pick<Details, "turns" | "answers">>({
    turns: [],
    answers: [],
  });
  const [connection, setConnection] = useState<PeerStats>();
  const { conversationId: conversation, transport } = state;
  const changes = events.filter(({ type }) =>
    ["response.done", "conversation.item.truncated"].includes(type),
  );
  const changed = changes.reduce((sum, { count }) => sum + count, 0);
  useEffect(() => {
    if (!conversation) return setStored({ turns: [], answers: [] });
    let left = false;
    const read = async () => {
      const [turns, items] = await Promise.all([
        listResponses(conversation),
        readItems(conversation),
      ]);
      if (!left) setStored({ turns: turns.reverse(), answers: answersOf(items) });
    };
    const timer = setTimeout(() => void read().catch(() => {}), changed ? STORED_MS : 0);
    return () => {
      left = true;
      clearTimeout(timer);
    };
  }, [conversation, changed]);
  const active = isUnderWay(state);
  useEffect(() => {
    if (!active || !call) return;
    const read = () => void call.connectionStats()?.then(setConnection, () => {});
    read();
    const timer = setInterval(read, 1000);
    return () => clearInterval(timer);
  }, [active, call]);
  return { transport, call: call?.id, conversation, connection, ...stored };
}

const answersOf = (items: readonly StoredItem[]): Answer[] =>
  items
    .filter(({ item }) => item.type === "message" && item.role === "assistant")
    .map(({ item, sent_ms, heard_ms, sources }) => ({ id: item.id, sent_ms, heard_ms, sources }))
    .slice(-MAX_ANSWERS)
    .reverse();
