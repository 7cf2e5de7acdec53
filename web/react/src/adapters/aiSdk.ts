// Vercel AI SDK: `experimental_useRealtime({ model: vivavoceRealtime(options), api: { provider: url } })` of
// `@ai-sdk/react`. The model brings its own transport, so sound, reconnection and interruption are the client's.

import type { ServerEvent } from "@vivavoce/client";
import type { Experimental_RealtimeModel as Model } from "ai";
import { normalized } from "./aiSdkEvents";
import { type AdapterOptions, callOf, follow, inOrder, started } from "./follow";

/** Return the model. Without `token`, the transport posts to `api.provider` and reads `value`. */
export const vivavoceRealtime = (
  options: Omit<AdapterOptions, "token"> & Partial<Pick<AdapterOptions, "token">>,
): Model => ({
  specificationVersion: "v4",
  provider: "vivavoce",
  modelId: options.assistant ?? "default",
  capabilities: {
    conversation: "turn-based",
    transports: ["websocket"],
    connections: ["provider"],
  },
  parseServerEvent: (raw) => normalized(raw as ServerEvent),
  serializeClientEvent: (event) => event,
  buildSessionConfig: (config) => config, // the assistant of the server decides
  createTransport({ onEvent, onClose, onCapturing, onPlaying }) {
    let call: ReturnType<typeof callOf> | undefined;
    const close = () => call?.close();
    return {
      async connect({ api, capture, abortSignal }) {
        const mint = async () =>
          (await (await fetch(api, { method: "POST" })).json()).value as string;
        const made = (call = callOf({ ...options, token: options.token ?? mint }));
        abortSignal.addEventListener("abort", close);
        made.onEvent(inOrder((event) => onEvent(normalized(event))));
        follow(made, {
          onStatus(status) {
            onCapturing(made.state.microphone);
            onPlaying(status === "speaking");
            const { error } = made.state;
            if (status === "ended") onClose(error && new Error(error.message || error.code));
          },
        });
        if (capture) void made.startMic();
        await started(made);
      },
      async sendEvent(event, shouldSend = () => true) {
        if (!call || !shouldSend()) return;
        if (event.type === "response-cancel") return call.interrupt();
        if (event.type !== "conversation-item-create") return; // the client asks for responses itself
        if (event.item.type === "text-message") await call.sendText(event.item.text);
      },
      startCapture: async () => void (await call?.startMic()),
      stopCapture: async () => call?.stopMic(),
      stopPlayback: () => void call?.interrupt(),
      resumePlayback: async () => call?.resume(),
      finish: async () => {},
      close: async () => close(),
      dispose: close,
    };
  },
});
