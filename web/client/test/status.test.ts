// The status of a call through its life, and the reason for it.

import { expect, test } from "vitest";
import type { State } from "../src/state";
import {
  microtasks,
  openCall,
  responseDone,
  ScriptedSocket,
  spokenResponse,
  startCall,
} from "./support";

const at = ({ status, why }: State) => (why ? `${status}: ${why}` : status);
const created = { type: "session.created", session: {} };
const call1 = { type: "function_call", id: "i", call_id: "c", name: "clock", arguments: "{}" };
const doneWith = (output: object[]) => ({
  type: "response.done",
  response: { id: "r", status: "completed", status_details: null, conversation_id: "c", output },
});
const begun = { type: "response.created", response: { id: "r", conversation_id: "c" } };

test("a voice call asks for permission, listens, thinks, speaks and ends", async () => {
  const { call, socket, sound } = await startCall();
  expect(at(call.state)).toBe("connecting");
  const opened = call.startMic();
  expect(at(call.state)).toBe("asking_permission");
  await opened;
  expect(at(call.state)).toBe("connecting");
  socket.deliver(created);
  expect(at(call.state)).toBe("listening");
  socket.deliver(begun);
  expect(at(call.state)).toBe("thinking");
  socket.deliver(
    ...spokenResponse("r", "item_1", [["Hi ", 100]]),
    ...responseDone("r", "item_1", "Hi "),
  );
  expect(at(call.state)).toBe("speaking");
  sound.playFor(200);
  expect(at(call.state)).toBe("listening");
  call.stopMic();
  expect(at(call.state)).toBe("listening: microphone_off");
  call.close();
  expect(at(call.state)).toBe("ended: closed");
});

test("each mode says why nothing of the user is heard", async () => {
  const { call } = await openCall();
  expect(at(call.state)).toBe("listening: microphone_off");
  call.setMode("push-to-talk");
  expect(at(call.state)).toBe("listening: push_to_talk");
  await call.pushToTalk(true);
  expect(at(call.state)).toBe("listening");
  call.setMode("text");
  expect(at(call.state)).toBe("listening: text_only");
});

test("a tool of the server and a tool of the page are both in use until they have a result", async () => {
  let finish: (value: string) => void = () => {};
  const clock = () => new Promise<string>((resolve) => (finish = resolve));
  const { call, socket } = await openCall({ tools: { clock } });
  socket.deliver({ type: "vivavoce.tool.started", call_id: "s", name: "search" });
  expect(at(call.state)).toBe("using_tool");
  const end = { call_id: "s", name: "search", run_id: "run", state: "done" };
  socket.deliver({ type: "vivavoce.tool.done", ...end });
  expect(at(call.state)).toBe("listening: microphone_off");
  socket.deliver(begun, doneWith([call1]));
  expect(at(call.state)).toBe("using_tool");
  finish("noon");
  await microtasks();
  expect(at(call.state)).toBe("thinking"); // the response that uses the result is requested
});

test("a lost connection, a change of language and a full server are told apart", async () => {
  const { call, socket } = await openCall();
  socket.close(1006);
  expect(at(call.state)).toBe("reconnecting: connection_lost");
  call.start();
  await microtasks();
  ScriptedSocket.last.deliver(created);
  call.setLanguage("it");
  expect(at(call.state)).toBe("reconnecting: language_change");
  await microtasks();
  ScriptedSocket.last.deliver(created);
  expect(at(call.state)).toBe("listening: microphone_off");
  ScriptedSocket.last.close(1012);
  call.start();
  await microtasks();
  const error = { type: "rate_limit_error", code: "server_busy", message: "Full.", retry_after: 5 };
  ScriptedSocket.last.deliver({ type: "error", error });
  ScriptedSocket.last.close(1013);
  expect(at(call.state)).toBe("reconnecting: busy");
  call.close();
});

test("a call that the server ends, and one that it refuses, say so", async () => {
  const { call, socket } = await openCall();
  socket.close(1000);
  expect(at(call.state)).toBe("ended: hung_up");
  call.start();
  await microtasks();
  expect(at(call.state)).toBe("connecting");
  ScriptedSocket.last.close(4000);
  expect(at(call.state)).toBe("ended: refused");
});
