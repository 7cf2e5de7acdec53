// The `openai` package for Node, over `ws`.

import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";

import { complain, cut, speak, tell, Told } from "../chapters.mjs";

class Conversation {
  events = new Told();

  static async open(place, model, options = {}) {
    const client = new OpenAI({ baseURL: place.base_url, apiKey: place.key });
    const socket = new OpenAIRealtimeWS({ model, ...options }, client);
    const conversation = new Conversation(socket);
    await conversation.until("session.created");
    return conversation;
  }

  constructor(socket) {
    this.socket = socket;
    socket.on("error", complain);
    socket.on("event", (event) => this.events.add(event));
  }

  until(type) {
    return this.events.until(type);
  }

  say(event) {
    this.socket.send(event);
  }

  async configure(session) {
    this.say({ type: "session.update", session: { type: "realtime", ...session } });
    await this.until("session.updated");
  }

  type(text) {
    const content = [{ type: "input_text", text }];
    this.say({ type: "conversation.item.create", item: { type: "message", role: "user", content } });
    this.say({ type: "response.create" });
  }

  speak(place) {
    return speak(place, (pcm) =>
      this.say({ type: "input_audio_buffer.append", audio: pcm.toString("base64") }),
    );
  }

  all(type) {
    return this.events.all.filter((event) => event.type === type);
  }

  joined(type) {
    return this.all(type)
      .map((event) => event.delta)
      .join("");
  }

  close() {
    this.socket.close();
  }
}

async function text(place) {
  const c = await Conversation.open(place, "charlotte");
  await c.configure({ output_modalities: ["text"] });
  c.type(place.question);
  await c.until("response.done");
  c.close();
  return { answer: c.joined("response.output_text.delta") };
}

async function spoken(place) {
  const c = await Conversation.open(place, "charlotte");
  await c.configure({ audio: { input: { transcription: { model: "whisper-1" } } } });
  const speaking = c.speak(place);
  await c.until("response.done");
  await speaking;
  c.close();
  const sound = c
    .all("response.output_audio.delta")
    .map((event) => Buffer.from(event.delta, "base64").length);
  return {
    heard: c.all("conversation.item.input_audio_transcription.completed")[0].transcript,
    answer: c.joined("response.output_audio_transcript.delta"),
    audio_ms: sound.reduce((sum, bytes) => sum + bytes, 0) / 48,
  };
}

async function tool(place) {
  const c = await Conversation.open(place, "charlotte");
  const declared = { type: "function", ...place.tool };
  await c.configure({ output_modalities: ["text"], tools: [declared] });
  c.type(place.wish);
  const { response } = await c.until("response.done");
  const [{ name, arguments: given, call_id }] = response.output;
  const item = { type: "function_call_output", call_id, output: place.output };
  c.say({ type: "conversation.item.create", item });
  c.say({ type: "response.create" });
  await c.until("response.done");
  c.close();
  return { called: [name, given], answer: c.joined("response.output_text.delta") };
}

async function interruption(place) {
  const c = await Conversation.open(place, "echo");
  c.type(place.tale);
  const { item_id } = await c.until("response.output_audio.delta");
  const speaking = c.speak(place);
  await c.until("response.done");
  const cut = { item_id, content_index: 0, audio_end_ms: 100 };
  c.say({ type: "conversation.item.truncate", ...cut });
  const truncated = await c.until("conversation.item.truncated");
  await c.until("response.done"); // to what was said meanwhile
  await speaking;
  c.close();
  return { truncated: truncated.item_id === item_id };
}

/** The package connects again by itself, and is told which conversation to continue. */
async function reconnection(place) {
  let known;
  const codes = [];
  const c = await Conversation.open(place, "charlotte", {
    reconnect: true,
    reconnectInitialDelay: 50,
    buildRealtimeURL: ({ baseURL }, { model }) => {
      const url = new URL(`${baseURL.replace("https:", "wss:")}/realtime`);
      url.searchParams.set("model", model);
      if (known) url.searchParams.set("conversation_id", known);
      return url.href;
    },
  });
  c.socket.on("reconnecting", ({ closeCode, code }) => codes.push(closeCode ?? code));
  await c.configure({ output_modalities: ["text"] });
  c.type(place.question);
  const before = await c.until("response.done");
  known = before.response.conversation_id;
  await cut(place);
  await c.until("session.created");
  await c.configure({ output_modalities: ["text"] });
  c.type(place.question);
  const added = await c.until("conversation.item.added");
  const after = await c.until("response.done");
  c.close();
  return {
    codes,
    continued:
      after.response.conversation_id === known &&
      added.previous_item_id === before.response.output.at(-1).id,
    answer: after.response.output[0].content[0].text,
  };
}

await tell(import.meta.url, ["openai", "ws"], [text, spoken, tool, interruption, reconnection]);
