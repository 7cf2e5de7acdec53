// Requests about the user's conversations, and their text to copy or to export.

import type { Item, Source, ToolRun } from "@vivavoce/client";
import { post, readJson } from "./server";

export interface ConversationInfo {
  id: string;
  assistant: string;
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

const PAGE = 100;

const address = (id: string, rest = ""): string =>
  `api/conversations/${encodeURIComponent(id)}${rest}`;

/** List the user's conversations, the newest first, from behind the one with the id `before`. */
export async function listConversations(before?: string): Promise<ConversationPage> {
  const query = new URLSearchParams({ limit: String(PAGE), ...(before && { before }) });
  return readJson(await fetch(`api/conversations?${query}`));
}

/** Return the items of a conversation with their sources. Undefined: the server has none to show. */
export async function readConversation(id: string): Promise<Earlier | undefined> {
  const response = await fetch(address(id));
  if (response.status === 404) return undefined;
  const { items } = await readJson<{ items: { item: Item; sources?: Source[] }[] }>(response);
  const cited = items.flatMap(({ item, sources }): [string, Source[]][] =>
    sources?.length ? [[item.id, sources]] : [],
  );
  return { items: items.map(({ item }) => item), sources: new Map(cited) };
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

/** Return the conversations whose title or first words contain each word of the search. */
export function matching(all: readonly ConversationInfo[], search: string): ConversationInfo[] {
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  return all.filter(({ title, beginning }) => {
    const text = `${title ?? ""} ${beginning ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
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
