// The package as others install it. In JavaScript, because the types of Node.js are not installed here.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";

const MAX_GZIP_BYTES = 12_000; // what a page loads before a call

const run = (command, args, cwd) => execFileSync(command, args, { cwd, encoding: "utf8" });
const root = join(import.meta.dirname, "..");
const out = mkdtempSync(join(tmpdir(), "vivavoce-client-"));
const unpacked = join(out, "package");
let files = [];

beforeAll(() => {
  run("npm", ["run", "--silent", "build"], root);
  const [packed] = JSON.parse(run("npm", ["pack", "--json", join(root, "dist")], out));
  files = packed.files.map(({ path }) => path);
  run("tar", ["-xzf", packed.filename], out);
}, 60_000);

afterAll(() => rmSync(out, { recursive: true }));

const read = (name) => readFileSync(join(unpacked, name), "utf8");

test("the package contains modules, their types, the readme and the licence", () => {
  const others = files.filter((name) => !/^[\w.]+\.(js|d\.ts)$/.test(name));
  expect(others.sort()).toEqual(["LICENSE", "README.md", "package.json"]);
  expect(files).toEqual(expect.arrayContaining(["index.js", "index.d.ts", "worklets.js"]));
});

test("what the package exports exists, and nothing marks it as private", () => {
  const about = JSON.parse(read("package.json"));
  const targets = Object.values(about.exports).flatMap((target) =>
    typeof target === "string" ? target : Object.values(target),
  );
  for (const target of targets) expect(files).toContain(target.replace("./", ""));
  expect(about).not.toHaveProperty("private");
  expect(about).not.toHaveProperty("dependencies");
});

test("every import in the package is of a file in it", () => {
  for (const name of files.filter((file) => /\.(js|d\.ts)$/.test(file))) {
    const imports = read(name).matchAll(/(?:from|import)\s*\(?\s*["'`](\.[^"'`]+)["'`]/g);
    for (const [, target] of imports) {
      const file = target.replace("./", "");
      expect(files, name).toContain(name.endsWith(".d.ts") ? file.replace(".js", ".d.ts") : file);
    }
  }
  expect(read("worklets.js")).not.toMatch(/\bimport\b/); // an audio worklet is one file
});

test("a page loads at most 12 kB before a call", () => {
  const loaded = new Set();
  const load = (name) => {
    if (loaded.has(name)) return;
    loaded.add(name);
    for (const [, other] of read(name).matchAll(/from\s*["'`]\.\/([^"'`]+)["'`]/g)) load(other);
  };
  load("index.js");
  const bytes = [...loaded].reduce((sum, name) => sum + gzipSync(read(name)).length, 0);
  expect(bytes).toBeLessThanOrEqual(MAX_GZIP_BYTES);
});

test("the module loads where there is no browser, for example to render a page on a server", async () => {
  const { connect, prepare } = await import(/* @vite-ignore */ join(unpacked, "index.js"));
  expect([typeof connect, typeof prepare]).toEqual(["function", "function"]);
});
