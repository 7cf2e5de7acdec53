// The memory of one tab, kept over a reload: the assistant, the language, the manner, the microphone, and each
// assistant's voice and conversation. Another tab starts without it. Signing out empties it.

import type { Mode, Transport } from "@vivavoce/client";

export interface Memory {
  assistant?: string;
  language?: string;
  mode?: Mode;
  /** The id of the device; empty for the one of the system. */
  microphone?: string;
  /** The id of the device; empty for the one of the system. */
  loudspeaker?: string;
  transport?: "auto" | Transport;
  /** The chosen voice, by assistant. */
  voices: Record<string, string>;
  /** The id of the conversation, by assistant. */
  conversations: Record<string, string>;
}

const KEY = "vivavoce";
const EMPTY: Memory = { conversations: {}, voices: {} };

/** Return what the tab remembers. A browser may refuse storage, and anything may have been stored. */
export function recall(): Memory {
  try {
    const stored = JSON.parse(sessionStorage.getItem(KEY) ?? "{}") as Partial<Memory> | null;
    return {
      ...EMPTY,
      ...stored,
      conversations: { ...stored?.conversations },
      voices: { ...stored?.voices },
    };
  } catch {
    return EMPTY;
  }
}

/** Remember these fields too. */
export function remember(changes: Partial<Memory>): void {
  store({ ...recall(), ...changes });
}

/** Remember the conversation with an assistant, or forget it. */
export function rememberConversation(assistant: string, id: string | undefined): void {
  const { [assistant]: _, ...others } = recall().conversations;
  remember({ conversations: id ? { ...others, [assistant]: id } : others });
}

/** Remember the voice of an assistant. */
export function rememberVoice(assistant: string, voice: string): void {
  remember({ voices: { ...recall().voices, [assistant]: voice } });
}

export const forgetAll = (): void => store(EMPTY);

function store(memory: Memory): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(memory));
  } catch {
    // The page works without storage: a reload then starts a new conversation.
  }
}
