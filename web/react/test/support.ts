// A chat under test: the test plays the server and the devices, as in the tests of the client.

import { Call, type CallOptions } from "@vivavoce/client";
import { ScriptedSocket, TestSound } from "../../client/test/support";

export { ScriptedSocket };

export interface Bench {
  sounds: TestSound[];
  prepare: (options: CallOptions) => Call;
}

/** Return a `prepare` whose calls use the scripted socket, and the devices of these calls. */
export function bench(): Bench {
  const sounds: TestSound[] = [];
  const prepare = (options: CallOptions) => {
    const sound = new TestSound();
    sounds.push(sound);
    const socket = ScriptedSocket as unknown as new () => WebSocket;
    return new Call(options, { sound, socket, random: () => 1 });
  };
  return { sounds, prepare };
}

export const OPTIONS = {
  url: "https://voice.test/v1/realtime",
  token: "ek_1",
  assistant: "echo",
  worklets: "/worklets.js",
};

/** Wait until all pending promises are settled. */
export const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

export const SESSION = { type: "session.created", session: {} };

/** Return the events of an answer in text. */
export function written(text: string, id = "item_a", response = "resp_1"): object[] {
  const message = { type: "message", id, role: "assistant" };
  const at = { response_id: response, item_id: id };
  const content = [{ type: "output_text", text }];
  return [
    { type: "response.created", response: { id: response, conversation_id: "conv_1" } },
    { type: "conversation.item.added", item: { ...message, status: "in_progress", content: [] } },
    { type: "response.output_text.delta", ...at, delta: text },
    { type: "response.output_text.done", ...at, text },
    { type: "conversation.item.done", item: { ...message, status: "completed", content } },
    { type: "response.done", response: { id: response, status: "completed", output: [] } },
  ];
}

/** Return the events of words that the user has spoken. */
export function spoken(transcript: string, id = "item_u"): object[] {
  const item = { type: "message", id, role: "user", status: "completed" };
  const audio = (words: string | null) => [{ type: "input_audio", transcript: words }];
  return [
    { type: "input_audio_buffer.speech_started", item_id: id },
    { type: "input_audio_buffer.speech_stopped", item_id: id },
    { type: "input_audio_buffer.committed", item_id: id },
    { type: "conversation.item.added", item: { ...item, content: audio(null) } },
    { type: "conversation.item.done", item: { ...item, content: audio(null) } },
    {
      type: "conversation.item.input_audio_transcription.completed",
      item_id: id,
      content_index: 0,
      transcript,
    },
  ];
}
