// The OpenAI Agents SDK for Node: a `RealtimeSession` over a WebSocket.

import { RealtimeAgent, RealtimeSession, tool as declare } from "@openai/agents-realtime";

import { complain, cut, speak, tell, Told } from "../chapters.mjs";

// The SDK's own reader. What it cannot read it passes on untyped, and without a word.
const READER = "node_modules/@openai/agents-realtime/dist/openaiRealtimeEvents.mjs";
const { parseRealtimeEvent } = await import(new URL(READER, import.meta.url));

class Conversation {
  events = new Told(); // by the server
  told = new Told(); // by the session

  static async open(place, model, { tools = [], config = {} } = {}) {
    const agent = new RealtimeAgent({ name: "Charlotte", tools });
    const session = new RealtimeSession(agent, { transport: "websocket", config });
    const conversation = new Conversation(session);
    await conversation.connect(place, model);
    return conversation;
  }

  constructor(session) {
    this.session = session;
    session.on("error", ({ error }) => complain(JSON.stringify(error)));
    session.on("audio", ({ data }) => this.told.add({ type: "audio", ms: data.byteLength / 48 }));
    session.on("audio_interrupted", () => this.told.add({ type: "audio_interrupted" }));
    session.transport.on("connection_change", (type) => this.told.add({ type }));
    session.transport.on("*", (event) => {
      if (!event.event_id) return; // the SDK's own
      const { isGeneric } = parseRealtimeEvent({ data: JSON.stringify(event) });
      if (isGeneric) complain(`not understood: ${JSON.stringify(event)}`);
      this.events.add(event);
    });
  }

  connect(place, model) {
    return this.session.connect({ apiKey: place.key, url: `${place.ws_url}?model=${model}` });
  }

  until(type) {
    return this.events.until(type);
  }

  speak(place) {
    const own = (pcm) => pcm.buffer.slice(pcm.byteOffset, pcm.byteOffset + pcm.byteLength);
    return speak(place, (pcm) => this.session.sendAudio(own(pcm)));
  }

  /** What the session's history has of somebody, last of all. */
  said(role) {
    const items = this.session.history.filter((item) => item.type === "message" && item.role === role);
    const [part] = items.at(-1).content;
    return part.text ?? part.transcript;
  }
}

const IN_TEXT = { outputModalities: ["text"] };

async function text(place) {
  const c = await Conversation.open(place, "charlotte", { config: IN_TEXT });
  c.session.sendMessage(place.question);
  await c.until("response.done");
  c.session.close();
  return { answer: c.said("assistant") };
}

async function spoken(place) {
  const c = await Conversation.open(place, "charlotte");
  const speaking = c.speak(place);
  await c.until("response.done");
  await speaking;
  c.session.close();
  return {
    heard: c.said("user"),
    answer: c.said("assistant"),
    audio_ms: c.told.all.reduce((sum, { ms = 0 }) => sum + ms, 0),
  };
}

async function tool(place) {
  const called = [];
  const execute = (given) => {
    called.push([place.tool.name, JSON.stringify(given)]);
    return place.output;
  };
  const tools = [declare({ ...place.tool, strict: false, execute })];
  const c = await Conversation.open(place, "charlotte", { tools, config: IN_TEXT });
  c.session.sendMessage(place.wish);
  await c.until("response.done"); // that calls
  await c.until("response.done"); // that answers
  c.session.close();
  return { called: called[0], answer: c.said("assistant") };
}

async function interruption(place) {
  const c = await Conversation.open(place, "echo");
  c.session.sendMessage(place.tale);
  await c.told.first("audio");
  const speaking = c.speak(place);
  await c.told.first("audio_interrupted");
  await c.until("conversation.item.truncated");
  await c.until("response.done"); // to what was said meanwhile
  await speaking;
  c.session.close();
  return { truncated: true };
}

/** The same session connects again, and is told which conversation to continue. */
async function reconnection(place) {
  const c = await Conversation.open(place, "charlotte", { config: IN_TEXT });
  c.session.sendMessage(place.question);
  const before = await c.until("response.done");
  await cut(place);
  await c.told.first("disconnected");
  await c.connect(place, `charlotte&conversation_id=${before.response.conversation_id}`);
  c.session.sendMessage(place.question);
  const added = await c.until("conversation.item.added");
  const after = await c.until("response.done");
  c.session.close();
  return {
    continued:
      after.response.conversation_id === before.response.conversation_id &&
      added.previous_item_id === before.response.output.at(-1).id,
    answer: c.said("assistant"),
  };
}

const chapters = [text, spoken, tool, interruption, reconnection];
await tell(import.meta.url, ["@openai/agents-realtime"], chapters);
