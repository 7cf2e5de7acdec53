// What `npm pack` would publish of a workspace, for the tests of the packages.

import { execFileSync } from "node:child_process";

/**
 * Build a package, and return the paths of the files that `npm pack` takes, sorted.
 * @param {string} folder
 * @returns {string[]}
 */
export function packed(folder) {
  execFileSync("npm", ["run", "--silent", "build"], {
    cwd: folder,
    env: { ...process.env, NODE_ENV: "production" }, // not that of the tests
    stdio: "ignore",
  });
  const told = execFileSync("npm", ["pack", "--dry-run", "--json"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "ignore"],
  });
  /** @type {unknown} */
  const read = JSON.parse(told.toString());
  const [pack] = /** @type {{files: {path: string}[]}[]} */ (
    Array.isArray(read) ? read : Object.values(/** @type {object} */ (read))
  );
  return pack.files.map(({ path }) => path).sort();
}
