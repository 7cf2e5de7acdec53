// TanStack AI: `useRealtimeChat({ adapter: vivavoceRealtime(options), getToken })` of `@tanstack/ai-react`.
// The assistant of the server decides about instructions, voice and turns, so `updateSession` does nothing.

import type { RealtimeAdapter } from "@tanstack/ai-client";
import { type AdapterOptions, callOf, follow, started } from "./follow";
import { isConnected } from "../status";
import { emitter, remoteTools, visualization } from "./tanstackParts";

/** Return the adapter. TanStack's `getToken` mints the client secrets. */
export const vivavoceRealtime = (options: Omit<AdapterOptions, "token">): RealtimeAdapter => ({
  provider: "vivavoce",
  async connect(first, clientTools = []) {
    let token = first.token;
    const { on, emit } = emitter();
    const { tools, answer } = remoteTools(clientTools, (call) => emit("tool_call", call));
    const call = callOf({ ...options, tools, token: async () => token });
    follow(call, {
      onStatus(status) {
        const { error } = call.state;
        const mode = status === "using_tool" ? "thinking" : status;
        if (isConnected(status)) emit("mode_change", { mode });
        const link = status === "ended" ? (error ? "error" : "idle") : "connected";
        emit("status_change", { status: status === "reconnecting" ? status : link });
        if (error) emit("error", { error: new Error(error.message || error.code) });
      },
      onLine({ id, role, text, status }, typed) {
        const isFinal = status !== "in_progress";
        if (!typed) emit("transcript", { role, transcript: text, isFinal });
        if (role !== "assistant" || !isFinal) return;
        const message = {
          id,
          role,
          timestamp: Date.now(),
          parts: [{ type: "audio", transcript: text }],
        };
        emit("message_complete", { message });
        if (status === "interrupted") emit("interrupted", { messageId: id });
      },
    });
    await started(call);
    return {
      disconnect: async () => call.close(),
      startAudioCapture: async () => void (await call.startMic()),
      stopAudioCapture: () => call.stopMic(),
      sendText: (text) => void call.sendText(text),
      sendImage: (data, type) =>
        void call.sendText("", [data.startsWith("data:") ? data : `data:${type};base64,${data}`]),
      sendToolResult: answer,
      updateSession: () => {},
      updateToken: (renewed) => void (token = renewed.token),
      interrupt: () => void call.interrupt(),
      on,
      getAudioVisualization: () => visualization(call),
    };
  },
});
