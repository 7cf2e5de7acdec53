// @vitest-environment jsdom
import { act, cleanup, fireEvent, render, renderHook, screen } from "@testing-library/react";
import axe from "axe-core";
import { StrictMode, useEffect } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { RealtimeChat, useRealtimeChat } from "../src/index";
import { bench, OPTIONS, ScriptedSocket, SESSION, settled, spoken, written } from "./support";

beforeEach(() => void (ScriptedSocket.opened.length = 0));
afterEach(cleanup);

const server = (...events: object[]) => act(async () => ScriptedSocket.last.deliver(...events));

async function connected(options: object = {}) {
  const { prepare, sounds } = bench();
  const shown = renderHook(() => useRealtimeChat({ ...OPTIONS, prepare, ...options }));
  const chat = () => shown.result.current;
  await act(() => chat().connect("guest", "it"));
  await server(SESSION);
  return { ...shown, chat, sounds };
}

test("a chat connects, speaks, and keeps what was said after the end", async () => {
  const { chat, sounds } = await connected();
  expect(chat()).toMatchObject({ isConnected: true, isLoading: false, status: "listening" });
  expect(sounds[0]!.recording).toBe(true);
  await server(...spoken("hello"), ...written("You said: hello"));
  expect(chat().transcript).toBe("hello\nYou said: hello");
  expect(chat().messages.map(({ role }) => role)).toEqual(["user", "assistant"]);
  expect(chat().heard).toBe("You said: hello");
  await act(async () => chat().disconnect());
  expect(chat()).toMatchObject({ isConnected: false, transcript: "hello\nYou said: hello" });
});

test("the role and the language reach the function that mints the secret", async () => {
  const token = vi.fn(async () => "ek_2");
  await connected({ token, mode: "text" });
  expect(token).toHaveBeenCalledWith(
    expect.objectContaining({ role: "guest", language: "it", mode: "text" }),
  );
  expect(new URL(ScriptedSocket.last.url).searchParams.get("language")).toBe("it");
});

test("a second connect continues the conversation of the first", async () => {
  const { chat } = await connected({ mode: "text" });
  await server(...written("one"));
  await act(async () => chat().disconnect());
  await act(() => chat().connect());
  expect(new URL(ScriptedSocket.last.url).searchParams.get("conversation_id")).toBe("conv_1");
  expect(chat().transcript).toBe("one");
});

test("text is sent, and an answer is interrupted", async () => {
  const { chat } = await connected({ mode: "text" });
  await act(() => chat().sendText("How are you?"));
  await act(settled);
  expect(ScriptedSocket.last.types).toContain("conversation.item.create");
  await server(...written("Fine").slice(0, 3));
  expect(chat().isSpeaking).toBe(true);
  await act(async () => chat().interrupt());
  expect(ScriptedSocket.last.types).toContain("response.cancel");
});

test("a refused microphone is a sentence, and the call goes on", async () => {
  const { prepare, sounds } = bench();
  const refusing = (options: Parameters<typeof prepare>[0]) => {
    const call = prepare(options);
    sounds.at(-1)!.refusal = Object.assign(new Error(), { name: "NotAllowedError" });
    return call;
  };
  const { result } = renderHook(() => useRealtimeChat({ ...OPTIONS, prepare: refusing }));
  await act(() => result.current.connect());
  await server(SESSION);
  expect(result.current.error).toContain("does not allow the microphone");
  expect(result.current).toMatchObject({ isConnected: true, microphone: false });
});

test("strict mode runs effects twice, and makes one call that unmounting ends", async () => {
  const { prepare, sounds } = bench();
  function Page() {
    const { connect, status } = useRealtimeChat({ ...OPTIONS, prepare });
    useEffect(() => void connect(), [connect]);
    return <p>{status}</p>;
  }
  const shown = render(<Page />, { wrapper: StrictMode });
  await act(settled);
  expect(ScriptedSocket.opened).toHaveLength(1);
  await server(SESSION);
  expect(screen.getByText("listening")).toBeTruthy();
  shown.unmount();
  await settled();
  expect(ScriptedSocket.last.closed).toBe(true);
  expect(sounds.some(({ recording }) => recording)).toBe(false);
});

test("an approval names the arguments that the user saw", async () => {
  const { chat } = await connected({ events: ["vivavoce"] });
  const asked = { run_id: "run_1", call_id: "call_1", name: "pay", arguments: "{}" };
  const request = { ...asked, arguments_sha256: "abc", approve: "user", expires_at: null };
  await server({ type: "vivavoce.approval.requested", ...request });
  const run = { id: "run_1", tool: "pay", state: "done", tool_call_id: "call_1", result: '"paid"' };
  const fetched = vi
    .spyOn(globalThis, "fetch")
    .mockResolvedValue(Response.json({ ...asked, ...run, approve: "user", approved_by: "u" }));
  let decided = false;
  await act(async () => void (decided = await chat().approve(chat().tools[0]!, true)));
  expect(decided).toBe(true);
  const [address, sent] = fetched.mock.calls[0]!;
  expect(String(address)).toBe("https://voice.test/api/approvals/run_1");
  expect(sent).toMatchObject({ headers: { Authorization: "Bearer ek_1" } });
  expect(JSON.parse(sent!.body as string)).toEqual({ approve: true, arguments_sha256: "abc" });
  expect(chat().tools[0]).toMatchObject({ state: "done", result: '"paid"' });
  fetched.mockRestore();
});

test("the component renders on a server, where no browser is", () => {
  const text = renderToString(<RealtimeChat {...OPTIONS} interfaceLanguage="it" />);
  expect(text).toContain("Connetti");
});

test.each(["en", "it", "es"])(
  "the styled chat works by its roles, and has no barriers: %s",
  async (language) => {
    const { prepare } = bench();
    const strings = { connect: "Start here" };
    const page = render(
      <RealtimeChat
        {...OPTIONS}
        prepare={prepare}
        interfaceLanguage={language}
        strings={strings}
        mode="text"
      />,
    );
    fireEvent.click(screen.getByRole("button", { name: "Start here" }));
    await act(settled);
    await server(SESSION, ...written("Good evening"));
    expect(screen.getByRole("log").textContent).toContain("Good evening");
    fireEvent.change(screen.getByRole("textbox"), { target: { value: "Thanks" } });
    fireEvent.submit(screen.getByRole("textbox").closest("form")!);
    await act(settled);
    expect(screen.getByRole("log").textContent).toContain("Thanks");
    const { violations } = await axe.run(page.container, {
      rules: { "color-contrast": { enabled: false }, region: { enabled: false } }, // jsdom has no layout
    });
    expect(violations.map(({ id }) => id)).toEqual([]);
  },
);
