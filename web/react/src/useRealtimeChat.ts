// React's view of one chat.

import type { CallError, Line, Mode, Source, State, ToolCard } from "@vivavoce/client";
import { useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { Chat, type ChatOptions } from "./chat";
import { type ChatStatus, isConnected, isLoading, statusOf } from "./status";
import { stringsFor } from "./strings";
import { useDevices } from "./useDevices";

export interface RealtimeChatState {
  isConnected: boolean;
  /** A connection is being made. */
  isLoading: boolean;
  /** The assistant speaks. */
  isSpeaking: boolean;
  /** A sentence in English for a person. `problem` has its code. */
  error: string | null;
  problem: CallError | null;
  /** All words of the conversation, one line for each message. */
  transcript: string;
  status: ChatStatus;
  mode: Mode;
  /** The microphone is open. */
  microphone: boolean;
  messages: readonly Line[];
  /** The part of the last answer that the user has heard. */
  heard: string;
  /** Where answers come from, by the id of their message. */
  sources: ReadonlyMap<string, readonly Source[]>;
  tools: readonly ToolCard[];
  /** The microphones and loudspeakers of the computer. */
  devices: readonly MediaDeviceInfo[];
}

export interface RealtimeChatCommands {
  connect(role?: string, language?: string): Promise<void>;
  disconnect(): void;
  sendText(text: string, images?: readonly string[]): Promise<void>;
  interrupt(): void;
  setMode(mode: Mode): void;
  setLanguage(language: string): void;
  startMicrophone(): Promise<boolean>;
  stopMicrophone(): void;
  /** Press the talk button to speak, release it for an answer. False if the utterance was too short. */
  pushToTalk(down: boolean): Promise<boolean>;
  /** Decide about a tool that waits for the user. */
  approve(card: ToolCard, approve: boolean): Promise<boolean>;
  /** Loudness of microphone and loudspeaker now, 0 to 1. For meters: read it once per frame. */
  readonly levels: { in: number; out: number };
}

export type RealtimeChatApi = RealtimeChatState & RealtimeChatCommands;

const EMPTY: Pick<State, "lines" | "sources" | "toolCards"> = {
  lines: [],
  sources: new Map(),
  toolCards: [],
};

const onServer = (): undefined => undefined;

/**
 * Return a chat, and render after every change. The call ends when the component is unmounted. New options
 * hold from the next `connect`.
 */
export function useRealtimeChat(options: ChatOptions): RealtimeChatApi {
  const [chat] = useState(() => new Chat(options));
  useEffect(() => void (chat.options = options));
  useEffect(chat.mount, [chat]);
  const state = useSyncExternalStore(chat.subscribe, chat.snapshot, onServer);
  const devices = useDevices(state?.microphone ?? false);
  const commands = useMemo(() => commandsOf(chat), [chat]);
  return useMemo(() => {
    const { levels: _, ...others } = commands;
    const api = { ...read(state, options.mode), devices, ...others };
    return Object.defineProperty(api, "levels", { get: () => chat.levels }) as RealtimeChatApi;
  }, [chat, commands, devices, options.mode, state]);
}

function read(state: State | undefined, mode: Mode = "open"): Omit<RealtimeChatState, "devices"> {
  const status = statusOf(state);
  const { lines, sources, toolCards } = state ?? EMPTY;
  const answer = lines.findLast(({ role }) => role === "assistant");
  const { errors, failed } = stringsFor("en");
  const problem = state?.error ?? null;
  return {
    isConnected: isConnected(status),
    isLoading: isLoading(status),
    isSpeaking: status === "speaking",
    error: problem && (errors[problem.code] ?? (problem.message || failed)),
    problem,
    transcript: lines.map(({ text }) => text).join("\n"),
    status,
    mode: state?.mode ?? mode,
    microphone: state?.microphone ?? false,
    messages: lines,
    heard: answer?.text.slice(0, answer.heard) ?? "",
    sources,
    tools: toolCards,
  };
}

function commandsOf(chat: Chat): RealtimeChatCommands {
  return {
    connect: chat.connect,
    disconnect: chat.disconnect,
    approve: chat.approve,
    levels: chat.levels,
    sendText: async (text, images) => chat.call?.sendText(text, images),
    interrupt: () => void chat.call?.interrupt(),
    setMode: (mode) => chat.call?.setMode(mode),
    setLanguage: (language) => chat.call?.setLanguage(language),
    startMicrophone: async () => (await chat.call?.startMic()) ?? false,
    stopMicrophone: () => chat.call?.stopMic(),
    pushToTalk: async (down) => (await chat.call?.pushToTalk(down)) ?? false,
  };
}
