// @vitest-environment jsdom
// Each adapter with the real library that it is for.
import { experimental_useRealtime as useAiSdk } from "@ai-sdk/react";
import {
  AssistantRuntimeProvider,
  type ChatModelAdapter,
  useAuiState,
  useLocalRuntime,
  useVoiceControls,
  useVoiceState,
} from "@assistant-ui/react";
import { toolDefinition } from "@tanstack/ai";
import { useRealtimeChat as useTanstack } from "@tanstack/ai-react";
import { act, cleanup, fireEvent, render, renderHook, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test } from "vitest";
import { vivavoceRealtime as aiSdkModel } from "../src/adapters/aiSdk";
import { vivavoceVoice } from "../src/adapters/assistantUi";
import { vivavoceRealtime as tanstackAdapter } from "../src/adapters/tanstack";
import { bench, OPTIONS, ScriptedSocket, SESSION, settled, spoken, written } from "./support";

beforeEach(() => void (ScriptedSocket.opened.length = 0));
afterEach(cleanup);

const server = (...events: object[]) =>
  act(async () => {
    ScriptedSocket.last.deliver(...events);
    await settled();
  });

test("TanStack AI: words, tools, interruption and the end", async () => {
  const { prepare, sounds } = bench();
  const adapter = tanstackAdapter({ ...OPTIONS, prepare });
  const config = {
    provider: "vivavoce",
    token: "ek_9",
    expiresAt: Date.now() + 600_000,
    config: {},
  };
  const weather = toolDefinition({ name: "weather", description: "The weather" });
  const tools = [weather.client(() => ({ sky: "clear" }))];
  const getToken = async () => config;
  const { result } = renderHook(() => useTanstack({ adapter, getToken, tools }));
  let connecting: Promise<void>;
  await act(async () => {
    connecting = result.current.connect();
    await settled();
  });
  expect(ScriptedSocket.last.protocols).toContain("openai-insecure-api-key.ek_9");
  await server(SESSION);
  await act(() => connecting);
  expect(result.current.status).toBe("connected");
  expect(sounds[0]!.recording).toBe(true);
  await server(...spoken("hello"), ...written("You said: hello"));
  const words = result.current.messages.map(({ role, parts }) => [role, parts[0]]);
  expect(words).toEqual([
    ["user", expect.objectContaining({ transcript: "hello" })],
    ["assistant", expect.objectContaining({ transcript: "You said: hello" })],
  ]);
  await act(async () => result.current.sendText("And tomorrow?"));
  await act(settled);
  expect(result.current.messages.filter(({ role }) => role === "user")).toHaveLength(2);
  const item = {
    type: "function_call",
    id: "item_t",
    call_id: "c1",
    name: "weather",
    arguments: "{}",
  };
  await server(
    { type: "response.created", response: { id: "resp_2", conversation_id: "conv_1" } },
    { type: "conversation.item.added", item: { ...item, status: "in_progress" } },
    { type: "conversation.item.done", item: { ...item, status: "completed" } },
    {
      type: "response.done",
      response: { id: "resp_2", status: "completed", output: [{ ...item, status: "completed" }] },
    },
  );
  await act(settled);
  const output = ScriptedSocket.last.sent.find(
    (event) => (event["item"] as { type?: string })?.type === "function_call_output",
  );
  expect(output).toMatchObject({ item: { call_id: "c1", output: '{"sky":"clear"}' } });
  await server(...written("It is", "item_b", "resp_3").slice(0, 3));
  expect(result.current.mode).toBe("speaking");
  await act(async () => result.current.interrupt());
  expect(ScriptedSocket.last.types).toContain("response.cancel");
  await act(() => result.current.disconnect());
  expect(ScriptedSocket.last.closed).toBe(true);
});

const MODEL: ChatModelAdapter = { run: async () => ({ content: [] }) };

function Thread({ voice }: { voice: ReturnType<typeof vivavoceVoice> }) {
  const runtime = useLocalRuntime(MODEL, { adapters: { voice } });
  return (
    <AssistantRuntimeProvider runtime={runtime}>
      <Voice />
    </AssistantRuntimeProvider>
  );
}

function Voice() {
  const voice = useVoiceState();
  const { connect, disconnect, mute } = useVoiceControls();
  const messages = useAuiState(({ thread }) => thread.messages);
  return (
    <>
      <p role="status">{voice ? `${voice.status.type} ${voice.mode}` : "none"}</p>
      <button onClick={() => connect()}>connect</button>
      <button onClick={() => mute()}>mute</button>
      <button onClick={() => disconnect()}>disconnect</button>
      <ol>
        {messages.map(({ id, role, content }) => (
          <li key={id}>
            {role}: {content.map((part) => (part.type === "text" ? part.text : "")).join("")}
          </li>
        ))}
      </ol>
    </>
  );
}

test("assistant-ui: the thread shows the words, and its controls work", async () => {
  const { prepare, sounds } = bench();
  render(<Thread voice={vivavoceVoice({ ...OPTIONS, prepare })} />);
  const press = (name: string) =>
    act(async () => {
      fireEvent.click(screen.getByRole("button", { name }));
      await settled();
    });
  await press("connect");
  expect(screen.getByRole("status").textContent).toContain("starting");
  await server(SESSION);
  expect(screen.getByRole("status").textContent).toContain("running");
  expect(sounds[0]!.recording).toBe(true);
  await server(...spoken("hello"), ...written("You said: hello"));
  expect(screen.getAllByRole("listitem").map(({ textContent }) => textContent)).toEqual([
    "user: hello",
    "assistant: You said: hello",
  ]);
  await press("mute");
  expect(sounds[0]!.recording).toBe(false);
  await press("disconnect");
  expect(ScriptedSocket.last.closed).toBe(true);
  expect(screen.getByRole("status").textContent).toBe("none");
});

test("Vercel AI SDK: messages, typed text, capture and the end", async () => {
  const { prepare, sounds } = bench();
  const model = aiSdkModel({ ...OPTIONS, prepare });
  const { result } = renderHook(() => useAiSdk({ model, api: { provider: "/secret" } }));
  let connecting: Promise<void>;
  await act(async () => {
    connecting = result.current.connect({ capture: true });
    await settled();
  });
  await server(SESSION);
  await act(() => connecting);
  expect(result.current.status).toBe("connected");
  expect(sounds[0]!.recording).toBe(true);
  await server(...spoken("hello"), ...written("You said: hello"));
  const texts = () =>
    result.current.messages.map(({ role, parts }) => [role, (parts[0] as { text: string }).text]);
  expect(texts()).toEqual([
    ["user", "hello"],
    ["assistant", "You said: hello"],
  ]);
  await act(async () => result.current.sendTextMessage("Thanks"));
  await act(settled);
  expect(texts().at(-1)).toEqual(["user", "Thanks"]);
  const asked = ScriptedSocket.last.types.filter((type) => type === "response.create");
  expect(asked).toHaveLength(1);
  await act(async () => result.current.disconnect());
  expect(ScriptedSocket.last.closed).toBe(true);
});
