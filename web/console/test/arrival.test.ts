import { Refusal } from "@vivavoce/client";
import { afterEach, expect, test, vi } from "vitest";
import { arrive } from "../src/arrival";
import { say, secret } from "../src/server";
import { nameOf, spoken, words } from "../src/words";

interface Asked {
  path: string;
  method: string;
  body: unknown;
  headers: unknown;
}

/** A server that answers by path; what was asked is returned. */
function server(answers: Record<string, Response | Error>): Asked[] {
  const asked: Asked[] = [];
  vi.stubGlobal("fetch", async (path: string, init?: RequestInit) => {
    const { method = "GET", body, headers } = init ?? {};
    asked.push({ path, method, body: body ? JSON.parse(body as string) : undefined, headers });
    const answer = answers[path];
    if (!answer || answer instanceof Error) throw answer ?? new Error(`nobody answers ${path}`);
    return answer.clone();
  });
  return asked;
}

function visit(hash: string) {
  const shown: string[] = [];
  const address = { hash, pathname: "/", search: "" } as Location;
  const history = { replaceState: (_: unknown, __: string, url: string) => void shown.push(url) };
  return { shown, arrival: arrive(address, history as unknown as History) };
}

const charlotte = { name: "charlotte", title: "Charlotte", languages: ["en"] };
const home = Response.json({ data: [charlotte] });
const refused = Response.json({ error: { message: "Sign in." } }, { status: 401 });

afterEach(() => vi.unstubAllGlobals());

const someone = { language: "en", conversationId: undefined, mode: "open" as const };

test("a link's code is traded for the cookie and leaves the address bar", async () => {
  const asked = server({ "api/sign-in": Response.json({}), "api/assistants": home });
  const { arrival, shown } = visit("#code=abc");
  expect(await arrival).toEqual({ at: "home", assistants: [charlotte] });
  expect(shown).toEqual(["/"]);
  expect(asked[0]).toEqual({
    path: "api/sign-in",
    method: "POST",
    body: { code: "abc" },
    headers: { "Content-Type": "application/json" },
  });
});

test("who is signed in needs no link", async () => {
  const asked = server({ "api/assistants": home });
  expect((await visit("").arrival).at).toBe("home");
  expect(asked).toHaveLength(1);
});

test("a used link does not shut out who is signed in already", async () => {
  server({ "api/sign-in": refused, "api/assistants": home });
  expect((await visit("#code=old").arrival).at).toBe("home");
});

test("without a link, with a used one, and without a server: three doors", async () => {
  server({ "api/sign-in": refused, "api/assistants": refused });
  expect(await visit("").arrival).toEqual({ at: "door", stale: false });
  expect(await visit("#code=old").arrival).toEqual({ at: "door", stale: true });
  server({});
  expect(await visit("").arrival).toEqual({ at: "nowhere" });
  server({ "api/sign-in": new Response("", { status: 502 }) });
  expect(await visit("#code=abc").arrival).toEqual({ at: "nowhere" });
});

test("a secret is asked for one assistant, language and conversation", async () => {
  const path = "v1/realtime/client_secrets";
  const asked = server({ [path]: Response.json({ value: "ek_1" }) });
  const wanted = { language: "it", conversationId: "conv_1", mode: "open" as const };
  expect(await secret("charlotte", wanted)).toBe("ek_1");
  expect(asked[0]!.body).toEqual({
    session: { type: "realtime" },
    vivavoce: { assistant: "charlotte", language: "it", conversation_id: "conv_1" },
  });
});

test.each([
  [401, "not_signed_in"],
  [403, "not_signed_in"],
  [429, "busy"],
  [404, "refused"],
])("status %i is final: %s", async (status, code) => {
  const answer = Response.json({ error: { message: "A sentence." } }, { status });
  server({ "v1/realtime/client_secrets": answer });
  const error = await secret("a", someone).catch((e) => e);
  expect(error).toBeInstanceOf(Refusal);
  expect(error).toMatchObject({ code, message: "A sentence." });
});

test("a server that is busy says when to come again", async () => {
  const headers = { "Retry-After": "7" };
  const answer = Response.json({ error: { message: "A sentence." } }, { status: 429, headers });
  server({ "v1/realtime/client_secrets": answer });
  const error = await secret("a", someone).catch((e) => e);
  expect(error).toMatchObject({ code: "busy", message: "A sentence.", retryAfter: 7 });
});

test("who only writes asks for a session in text", async () => {
  const path = "v1/realtime/client_secrets";
  const asked = server({ [path]: Response.json({ value: "ek_1" }) });
  await secret("a", { ...someone, mode: "text" });
  expect(asked[0]!.body).toMatchObject({
    session: { type: "realtime", output_modalities: ["text"] },
  });
});

test("a conversation that is gone is told apart from a refusal", async () => {
  const error = { code: "conversation_not_found", message: "A sentence." };
  server({ "v1/realtime/client_secrets": Response.json({ error }, { status: 404 }) });
  const wanted = { ...someone, conversationId: "conv_1" };
  expect(await secret("a", wanted).catch((e) => e)).toMatchObject({ code: "new_conversation" });
});

test("a server that stumbles is asked again", async () => {
  server({ "v1/realtime/client_secrets": new Response("<html>", { status: 502 }) });
  const error = await secret("a", someone).catch((e) => e);
  expect(error).not.toBeInstanceOf(Refusal);
});

test("text comes in the language asked for, else in the first", () => {
  expect(say("Charlotte", "it")).toBe("Charlotte");
  expect(say({ en: "Desk", it: "Banco" }, "it")).toBe("Banco");
  expect(say({ en: "Desk", it: "Banco" }, "es")).toBe("Desk");
});

test("the page speaks the reader's language where it can, else English", () => {
  expect(spoken).toEqual(["en", "it", "es"]);
  expect(words(["de-DE", "es-MX"]).language).toBe("es");
  expect(words(["de"]).language).toBe("en");
  expect(nameOf("it")).toBe("Italiano");
});

test("every sentence is there in every language", () => {
  const leaves = (table: object, path = ""): [string, string][] =>
    Object.entries(table).flatMap(([key, value]) =>
      typeof value === "string"
        ? [[`${path}${key}`, value] as [string, string]]
        : leaves(value as object, `${path}${key}.`),
    );
  const english = new Map(leaves(words(["en"]).words));
  for (const language of ["it", "es"])
    for (const [path, text] of leaves(words([language]).words)) {
      expect(text, path).not.toBe("");
      if (text.length > 12) expect(text, path).not.toBe(english.get(path));
    }
});
