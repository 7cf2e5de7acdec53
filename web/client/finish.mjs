// The last step of the build: what makes `dist` a package of its own. In this repository the other workspaces
// import the sources, so that no build has to come first. `npm pack ./client/dist` packs the result.

import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";

const {
  private: _,
  scripts,
  exports: sources,
  ...about
} = JSON.parse(readFileSync("package.json", "utf8"));

writeFileSync(
  "dist/package.json",
  `${JSON.stringify(
    {
      ...about,
      exports: {
        ".": { types: "./index.d.ts", default: "./index.js" },
        "./audio": { types: "./audio.d.ts", default: "./audio.js" },
        "./report": { types: "./report.d.ts", default: "./report.js" },
        "./worklets": "./worklets.js",
        "./package.json": "./package.json",
      },
      types: "./index.d.ts",
      sideEffects: ["./worklets.js"],
    },
    null,
    2,
  )}\n`,
);
copyFileSync("README.md", "dist/README.md");
copyFileSync("../../LICENSE", "dist/LICENSE");

// Node's resolution of modules asks for the ending of a file, and a bundler's does not.
for (const name of readdirSync("dist").filter((file) => file.endsWith(".d.ts"))) {
  const types = readFileSync(`dist/${name}`, "utf8");
  writeFileSync(`dist/${name}`, types.replaceAll(/(["'])(\.\/[\w.]+)\1/g, '"$2.js"'));
}
