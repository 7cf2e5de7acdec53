import { Refusal } from "@vivavoce/client";
import { afterEach, expect, test, vi } from "vitest";
import { signInFromLink } from "../src/signInLink";
import { createClientSecret, localize } from "../src/server";
import { languageName, pageLanguages, stringsFor } from "../src/strings";

interface SentRequest {
  path: string;
  method: string;
  body: unknown;
  headers: unknown;
}

/** Stub a server that answers by path. Return the requests that it gets. */
function server(answers: Record<string, Response | Error>): SentRequest[] {
  const requests: SentRequest[] = [];
  vi.stubGlobal("fetch", async (path: string, init?: RequestInit) => {
    const { method = "GET", body, headers } = init ?? {};
    requests.push({ path, method, body: body ? JSON.parse(body as string) : undefined, headers });
    const answer = answers[path];
    if (!answer || answer instanceof Error) throw answer ?? new Error(`no answer for ${path}`);
    return answer.clone();
  });
  return requests;
}

function openLink(hash: string) {
  const shown: string[] = [];
  const address = { hash, pathname: "/", search: "" } as Location;
  const history = { replaceState: (_: unknown, __: string, url: string) => void shown.push(url) };
  return { shown, result: signInFromLink(address, history as unknown as History) };
}

const charlotte = { name: "charlotte", title: "Charlotte", languages: ["en"] };
const home = Response.json({ data: [charlotte] });
const refused = Response.json({ error: { message: "Sign in." } }, { status: 401 });

afterEach(() => vi.unstubAllGlobals());

const request = { language: "en", conversationId: undefined, mode: "open" as const };

test("the code of a link is exchanged for the cookie and leaves the address bar", async () => {
  const requests = server({ "api/sign-in": Response.json({}), "api/assistants": home });
  const { result, shown } = openLink("#code=abc");
  expect(await result).toEqual({ status: "signed_in", assistants: [charlotte] });
  expect(shown).toEqual(["/"]);
  expect(requests[0]).toEqual({
    path: "api/sign-in",
    method: "POST",
    body: { code: "abc" },
    headers: { "Content-Type": "application/json" },
  });
});

test("a user who is signed in needs no link", async () => {
  const requests = server({ "api/assistants": home });
  expect((await openLink("").result).status).toBe("signed_in");
  expect(requests).toHaveLength(1);
});

test("a used link does not sign out a user who is signed in", async () => {
  server({ "api/sign-in": refused, "api/assistants": home });
  expect((await openLink("#code=old").result).status).toBe("signed_in");
});

test("without a link, with a used link and without a server the result differs", async () => {
  server({ "api/sign-in": refused, "api/assistants": refused });
  expect(await openLink("").result).toEqual({ status: "signed_out", linkExpired: false });
  expect(await openLink("#code=old").result).toEqual({ status: "signed_out", linkExpired: true });
  server({});
  expect(await openLink("").result).toEqual({ status: "unreachable" });
  server({ "api/sign-in": new Response("", { status: 502 }) });
  expect(await openLink("#code=abc").result).toEqual({ status: "unreachable" });
});

test("a client secret is bound to one assistant, language and conversation", async () => {
  const path = "v1/realtime/client_secrets";
  const requests = server({ [path]: Response.json({ value: "ek_1" }) });
  const request = { language: "it", conversationId: "conv_1", mode: "open" as const };
  expect(await createClientSecret("charlotte", request)).toBe("ek_1");
  expect(requests[0]!.body).toEqual({
    session: { type: "realtime" },
    vivavoce: { assistant: "charlotte", language: "it", conversation_id: "conv_1" },
  });
});

test.each([
  [401, "not_signed_in"],
  [403, "refused"],
  [429, "full"],
  [404, "refused"],
])("status %i is a refusal: %s", async (status, code) => {
  const answer = Response.json({ error: { message: "A sentence." } }, { status });
  server({ "v1/realtime/client_secrets": answer });
  const error = await createClientSecret("a", request).catch((e) => e);
  expect(error).toBeInstanceOf(Refusal);
  expect(error).toMatchObject({ code, message: "A sentence." });
});

test("W4_ an unknown origin is not shown as a sign-in that has ended", async () => {
  const body = { error: { code: "origin_not_allowed", message: "A sentence." } };
  const answer = Response.json(body, { status: 403 });
  server({ "v1/realtime/client_secrets": answer, "api/sign-in": answer, "api/assistants": home });
  const error = await createClientSecret("a", request).catch((e) => e);
  expect(error).toMatchObject({ code: "origin_not_allowed", message: "" });
  const { result } = openLink("#code=abc");
  expect(await result).toEqual({ status: "refused", code: "origin_not_allowed" });
});

test("N9_ a server that has no room for voices names the seconds until a retry", async () => {
  const headers = { "Retry-After": "7" };
  const body = { error: { code: "server_busy", message: "A sentence." } };
  const answer = Response.json(body, { status: 429, headers });
  server({ "v1/realtime/client_secrets": answer });
  const error = await createClientSecret("a", request).catch((e) => e);
  expect(error).toMatchObject({ code: "busy", message: "A sentence.", retryAfter: 7 });
});

test("text mode requests a text session", async () => {
  const path = "v1/realtime/client_secrets";
  const requests = server({ [path]: Response.json({ value: "ek_1" }) });
  await createClientSecret("a", { ...request, mode: "text" });
  expect(requests[0]!.body).toMatchObject({
    session: { type: "realtime", output_modalities: ["text"] },
  });
});

test("a deleted conversation has an error code of its own", async () => {
  const error = { code: "conversation_not_found", message: "A sentence." };
  server({ "v1/realtime/client_secrets": Response.json({ error }, { status: 404 }) });
  const continued = { ...request, conversationId: "conv_1" };
  expect(await createClientSecret("a", continued).catch((e) => e)).toMatchObject({
    code: "new_conversation",
  });
});

test("a server error is not a refusal, so the call retries", async () => {
  server({ "v1/realtime/client_secrets": new Response("<html>", { status: 502 }) });
  const error = await createClientSecret("a", request).catch((e) => e);
  expect(error).not.toBeInstanceOf(Refusal);
});

test("a text is in the requested language, otherwise in its first", () => {
  expect(localize("Charlotte", "it")).toBe("Charlotte");
  expect(localize({ en: "Desk", it: "Banco" }, "it")).toBe("Banco");
  expect(localize({ en: "Desk", it: "Banco" }, "es")).toBe("Desk");
});

test("the page is in the first supported language of the browser, otherwise in English", () => {
  expect(pageLanguages).toEqual(["en", "it", "es"]);
  expect(stringsFor(["de-DE", "es-MX"]).language).toBe("es");
  expect(stringsFor(["de"]).language).toBe("en");
  expect(languageName("it")).toBe("Italiano");
});

test("every text exists in every language", () => {
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
