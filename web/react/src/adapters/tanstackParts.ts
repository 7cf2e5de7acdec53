// The parts of a connection of TanStack AI beside the call: handlers of events, tools that the library runs, and data
// for pictures of the sound.

import type { RealtimeConnection } from "@tanstack/ai-client";
import type { Call, Tool } from "@vivavoce/client";

type Payload = Parameters<Parameters<RealtimeConnection["on"]>[1]>[0];
type Handler = (payload: Payload) => void;

/** Return `on` of a connection, and a function that runs the handlers. */
export function emitter() {
  const handlers = new Map<string, Set<Handler>>();
  const on: RealtimeConnection["on"] = (name, handler) => {
    const all = handlers.get(name) ?? new Set<Handler>();
    handlers.set(name, all.add(handler as Handler));
    return () => void all.delete(handler as Handler);
  };
  const emit = (name: string, payload: object) =>
    handlers.get(name)?.forEach((handler) => handler(payload as Payload));
  return { on, emit };
}

/** Return tools whose results arrive by `answer`. `ask` tells of each tool call. */
export function remoteTools(declared: readonly { name: string }[], ask: (call: object) => void) {
  const waiting = new Map<string, (result: unknown) => void>();
  const tool =
    (toolName: string): Tool =>
    (input) =>
      new Promise((resolve) => {
        const toolCallId = crypto.randomUUID();
        waiting.set(toolCallId, resolve);
        ask({ toolCallId, toolName, input });
      });
  const tools = Object.fromEntries(declared.map(({ name }) => [name, tool(name)]));
  const answer = (id: string, result: string) => {
    waiting.get(id)?.(parsed(result));
    waiting.delete(id);
  };
  return { tools, answer };
}

function parsed(result: string): unknown {
  try {
    return JSON.parse(result);
  } catch {
    return result;
  }
}

/** Return the levels of a call. The client has no samples to show, so the other pictures are empty. */
export const visualization = (
  call: Call,
): ReturnType<RealtimeConnection["getAudioVisualization"]> => ({
  get inputLevel() {
    return call.levels.in;
  },
  get outputLevel() {
    return call.levels.out;
  },
  getInputFrequencyData: () => new Uint8Array(),
  getOutputFrequencyData: () => new Uint8Array(),
  getInputTimeDomainData: () => new Uint8Array(),
  getOutputTimeDomainData: () => new Uint8Array(),
  inputSampleRate: 24_000,
  outputSampleRate: 24_000,
});
