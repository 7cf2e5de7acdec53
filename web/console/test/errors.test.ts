// Every error of the client has a sentence, a cause and a button, in each language of the page.

import { expect, test } from "vitest";
import { actionsFor, ERROR_ACTIONS } from "../src/errorActions";
import { pageLanguages, stringsFor } from "../src/strings";
import type { ErrorCode } from "@vivavoce/client";

const codes = Object.keys(ERROR_ACTIONS) as ErrorCode[];

test.each(pageLanguages)("in %s each error has a sentence and a cause of its own", (language) => {
  const { errors } = stringsFor([language]).strings;
  expect(Object.keys(errors).sort()).toEqual([...codes].sort()); // the compiler knows the client's
  const texts = codes.flatMap((code) => [errors[code].sentence, errors[code].cause]);
  for (const text of texts) expect(text).toMatch(/^\S.*[.?!]$/);
  expect(new Set(codes.map((code) => errors[code].sentence)).size).toBe(codes.length);
});

test("no language repeats the words of another", () => {
  const all = pageLanguages.flatMap((language) =>
    Object.values(stringsFor([language]).strings.errors).map(({ sentence }) => sentence),
  );
  expect(new Set(all).size).toBe(all.length);
});

test.each(codes)("%s offers a button", (code) => {
  expect(actionsFor(code, "open", false)).not.toEqual([]);
  expect(actionsFor(code, "text", false)).not.toEqual([]);
});

test("a call that tries again by itself offers no second way, and text sessions no writing", () => {
  expect(actionsFor("busy", "open", true)).toEqual(["write"]);
  expect(actionsFor("busy", "text", false)).toEqual(["retry"]);
});
