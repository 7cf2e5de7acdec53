import { Refusal } from "@vivavoce/client";
import { afterEach, expect, test, vi } from "vitest";
import { signInFromLink } from "../src/signInLink";
import { createClientSecret, localize } from "../src/server";
import { languageName, pageLanguages, stringsFor } from "../src/strings";

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
  return { shown, result: signInFromLink(address, history as unknown as History) };
}

const charlotte = { name: "charlotte", title: "Charlotte", languages: ["en"] };
const home = Response.json({ data: [charlotte] });
const refused = Response.json({ error: { message: "Sign in." } }, { status: 401 });

afterEach(() => vi.unstubAllGlobals());

const someone = { language: "en", conversationId: undefined, mode: "open" as const };

test("a link's code is traded for the cookie and leaves the address bar", async () => {
  const asked = server({ "api/sign-in": Response.json({}), "api/assistants": home });
  const { result, shown } = visit("#code=abc");
  expect(await result).toEqual({ status: "signed_in", assistants: [charlotte] });
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
  expect((await visit("").result).status).toBe("signed_in");
  expect(asked).toHaveLength(1);
});

test("a used link does not shut out who is signed in already", async () => {
  server({ "api/sign-in": refused, "api/assistants": home });
  expect((await visit("#code=old").result).status).toBe("signed_in");
});

test("without a link, with a used one, and without a server: three doors", async () => {
  server({ "api/sign-in": refused, "api/assistants": refused });
  expect(await visit("").result).toEqual({ status: "signed_out", linkExpired: false });
  expect(await visit("#code=old").result).toEqual({ status: "signed_out", linkExpired: true });
  server({});
  expect(await visit("").result).toEqual({ status: "unreachable" });
  server({ "api/sign-in": new Response("", { status: 502 }) });
  expect(await visit("#code=abc").result).toEqual({ status: "unreachable" });
});

test("a secret is asked for one assistant, language and conversation", async () => {
  const path = "v1/realtime/client_secrets";
  const asked = server({ [path]: Response.json({ value: "ek_1" }) });
  const request = { language: "it", conversationId: "conv_1", mode: "open" as const };
  expect(await createClientSecret("charlotte", request)).toBe("ek_1");
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
  const error = await createClientSecret("a", someone).catch((e) => e);
  expect(error).toBeInstanceOf(Refusal);
  expect(error).toMatchObject({ code, message: "A sentence." });
});

test("a server that is busy says when to come again", async () => {
  const headers = { "Retry-After": "7" };
  const answer = Response.json({ error: { message: "A sentence." } }, { status: 429, headers });
  server({ "v1/realtime/client_secrets": answer });
  const error = await createClientSecret("a", someone).catch((e) => e);
  expect(error).toMatchObject({ code: "busy", message: "A sentence.", retryAfter: 7 });
});

test("who only writes asks for a session in text", async () => {
  const path = "v1/realtime/client_secrets";
  const asked = server({ [path]: Response.json({ value: "ek_1" }) });
  await createClientSecret("a", { ...someone, mode: "text" });
  expect(asked[0]!.body).toMatchObject({
    session: { type: "realtime", output_modalities: ["text"] },
  });
});

test("a conversation that is gone is told apart from a refusal", async () => {
  const error = { code: "conversation_not_found", message: "A sentence." };
  server({ "v1/realtime/client_secrets": Response.json({ error }, { status: 404 }) });
  const request = { ...someone, conversationId: "conv_1" };
  expect(await createClientSecret("a", request).catch((e) => e)).toMatchObject({ code: "new_conversation" });
});

test("a server that stumbles is asked again", async () => {
  server({ "v1/realtime/client_secrets": new Response("<html>", { status: 502 }) });
  const error = await createClientSecret("a", someone).catch((e) => e);
  expect(error).not.toBeInstanceOf(Refusal);
});

test("text comes in the language asked for, else in the first", () => {
  expect(localize("Charlotte", "it")).toBe("Charlotte");
  expect(localize({ en: "Desk", it: "Banco" }, "it")).toBe("Banco");
  expect(localize({ en: "Desk", it: "Banco" }, "es")).toBe("Desk");
});

test("the page speaks the reader's language where it can, else English", () => {
  expect(pageLanguages).toEqual(["en", "it", "es"]);
  expect(stringsFor(["de-DE", "es-MX"]).language).toBe("es");
  expect(stringsFor(["de"]).language).toBe("en");
  expect(languageName("it")).toBe("Italiano");
});

test("every sentence is there in every language", () => {
  const leaves = (table: object, path = ""): [string, string][] =>
    Object.entries(table).flatMap(([key, value]) =>
      typeof value === "string"
        ? [[`${path}${key}`, value] as [string, string]]
        : leaves(value as object, `${path}${key}.`),
    );
  const english = new Map(leaves(stringsFor(["en"]).strings));
  for (const language of ["it", "es"])
    for (const [path, text] of leaves(stringsFor([language]).strings)) {
      expect(text, path).not.toBe("");
      if (text.length > 12) expect(text, path).not.toBe(english.get(path));
    }
});
