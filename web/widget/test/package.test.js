// The package has what it names, and a page loads little.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { beforeAll, expect, test } from "vitest";
import { packed } from "../../packed.js";

const FOLDER = fileURLToPath(new URL("..", import.meta.url));
const LIMIT = 25_000; // bytes, compressed

let files = [];
beforeAll(() => void (files = packed(FOLDER)), 60_000);

test("the package has the module, the worklets, types and the readme", () => {
  const all = [
    "README.md",
    "dist/types/widget.d.ts",
    "dist/widget-worklets.js",
    "dist/widget.js",
    "package.json",
  ];
  expect(files).toEqual(expect.arrayContaining(all));
  expect(files.filter((name) => !name.startsWith("dist/"))).toEqual(["README.md", "package.json"]);
});

test("a page loads less than 25 kB of script", () => {
  const module = readFileSync(`${FOLDER}/dist/widget.js`);
  expect(gzipSync(module).length).toBeLessThan(LIMIT);
});

test("neither file imports another one", () => {
  for (const name of ["widget.js", "widget-worklets.js"])
    expect(readFileSync(`${FOLDER}/dist/${name}`, "utf8")).not.toMatch(/^import\b|\bfrom ?"/m);
});
