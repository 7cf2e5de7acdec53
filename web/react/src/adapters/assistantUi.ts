// assistant-ui: `useLocalRuntime(model, { adapters: { voice: vivavoceVoice(options) } })` of
// `@assistant-ui/react`. Its voice controls then start and end calls, and the thread shows the words.

import { createVoiceSession, type RealtimeVoiceAdapter } from "@assistant-ui/react";
import { type AdapterOptions, callOf, follow, started } from "./follow";

/** Return the adapter. Each connection of the thread is a call of its own. */
export const vivavoceVoice = (options: AdapterOptions): RealtimeVoiceAdapter => ({
  connect: (session) =>
    createVoiceSession(
      session,
      async ({ setStatus, end, emitTranscript, emitMode, emitVolume }) => {
        const call = callOf(options);
        const timer = setInterval(() => {
          emitVolume(call.state.status === "speaking" ? call.levels.out : call.levels.in);
        }, 50);
        const unfollow = follow(call, {
          onStatus(status) {
            if (status === "speaking" || status === "listening") emitMode(status);
            if (status !== "ended") return;
            clearInterval(timer);
            const { error } = call.state;
            end(error ? "error" : "finished", error && new Error(error.message || error.code));
          },
          onLine({ role, text, status }, typed) {
            if (typed) return; // the thread has it already
            emitTranscript({ role, text, isFinal: status !== "in_progress" });
          },
        });
        const microphone = () => void (options.mode !== "text" && call.startMic());
        microphone(); // before the first wait: browsers open it inside a click
        await started(call);
        setStatus({ type: "running" });
        return {
          disconnect() {
            clearInterval(timer);
            unfollow();
            call.close();
          },
          mute: () => call.stopMic(),
          unmute: microphone,
          sendText: (text) => call.sendText(text),
        };
      },
    ),
});
