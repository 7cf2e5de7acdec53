// The package has what it names, and nothing of React or of the libraries of its adapters.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { packed } from "../../packed.js";

const FOLDER = fileURLToPath(new URL("..", import.meta.url));

let files = [];
beforeAll(() => void (files = packed(FOLDER)), 60_000);

test("every export of the package is in it, with its types", () => {
  const { exports } = JSON.parse(readFileSync(`${FOLDER}/package.json`, "utf8"));
  const named = Object.values(exports).flatMap((entry) =>
    typeof entry === "string" ? [entry] : Object.values(entry),
  );
  for (const name of named) expect(files).toContain(name.replace("./", ""));
  expect(files.filter((name) => !name.startsWith("dist/"))).toEqual(["README.md", "package.json"]);
});

test("the modules import the page's own React, client and libraries", () => {
  const modules = files.filter((name) => name.endsWith(".js"));
  const imported = modules.flatMap((name) =>
    [...readFileSync(`${FOLDER}/${name}`, "utf8").matchAll(/from ?["']([^."'][^"']*)["']/g)].map(
      ([, from]) => from,
    ),
  );
  expect([...new Set(imported)].sort()).toEqual([
    "@assistant-ui/react",
    "@vivavoce/client",
    "react",
    "react/jsx-runtime",
  ]);
});
