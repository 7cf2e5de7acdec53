// Requests about the user's conversations, and their text to copy or to export.

import type { Item, Source, ToolRun } from "@vivavoce/client";
import { post, readJson } from "./server";

export interface ConversationInfo {
  id: string;
  assistant: string;
  language: string | null;
  created_at: string;
  updated_at: string;
  /** Given by the user. */
  title: string | null;
  /** Of the user's first message. */
  beginning: string | null;
}

export interface ConversationPage {
  data: ConversationInfo[];
  has_more: boolean;
  last_id: string | null;
}

export interface Earlier {
  items: Item[];
  sources: Map<string, Source[]>;
}

/** An item as the server stores it. */
export interface StoredItem {
  item: Item;
  /** Milliseconds of its audio that were sent, and that were heard. */
  sent_ms: number | null;
  heard_ms: number | null;
  sources: Source[];
}

/** A response with the latency of its parts, in milliseconds. */
export interface ResponseInfo {
  id: string;
  status: string;
  created_at: string;
  first_audio_ms: number | null;
  stt_ms: number | null;
  brain_ms: number | null;
  tts_ms: number | null;
}

const PAGE = 100;

const address = (id: string, rest = ""): string =>
  `api/conversations/${encodeURIComponent(id)}${rest}`;

/**
 * List the user's conversations, the newest first, from behind the one with the id `before`. `search` keeps those
 * in which all its words stand.
 */
export async function listConversations(
  search: string,
  before?: string,
): Promise<ConversationPage> {
  const query = new URLSearchParams({
    limit: String(PAGE),
    ...(search && { search }),
    ...(before && { before }),
  });
  return readJson(await fetch(`api/conversations?${query}`));
}

/** Return the items of a conversation with their sources. Undefined: the server has none to show. */
export async function readConversation(id: string): Promise<Earlier | undefined> {
  const response = await fetch(address(id));
  if (response.status === 404) return undefined;
  const { items } = await readJson<{ items: StoredItem[] }>(response);
  const cited = items.flatMap(({ item, sources }): [string, Source[]][] =>
    sources?.length ? [[item.id, sources]] : [],
  );
  return { items: items.map(({ item }) => item), sources: new Map(cited) };
}

/** Return the items of a conversation, as they are stored. */
export async function readItems(id: string): Promise<StoredItem[]> {
  const { items } = await readJson<{ items: StoredItem[] }>(await fetch(address(id)));
  return items;
}

/** List the latest responses of a conversation, the oldest first. */
export async function listResponses(id: string): Promise<ResponseInfo[]> {
  const { data } = await readJson<{ data: ResponseInfo[] }>(await fetch(address(id, "/responses")));
  return data;
}

/** List the tool runs of a conversation, the oldest first. */
export async function listToolRuns(id: string): Promise<ToolRun[]> {
  const { data } = await readJson<{ data: ToolRun[] }>(await fetch(address(id, "/tools")));
  return data;
}

export async function rename(id: string, title: string | null): Promise<void> {
  await readJson(await post(address(id), { title }, "PATCH"));
}

/** Delete a conversation for good, which also ends its call. */
export async function deleteConversation(id: string): Promise<void> {
  const response = await fetch(address(id), { method: "DELETE" });
  if (response.status !== 404 && !response.ok) await readJson(response); // throws
}

/** Return what people said, one paragraph for each message. */
export function asText(items: readonly Item[], you: string, assistant: string): string {
  return items
    .flatMap((item) => {
      if (item.type !== "message" || item.role === "system") return [];
      const text = item.content.map(({ text, transcript }) => text ?? transcript ?? "").join("");
      return text.trim() ? [`${item.role === "user" ? you : assistant}: ${text.trim()}`] : [];
    })
    .join("\n\n");
}
