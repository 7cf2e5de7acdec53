// The page, built into the Python package, which serves it. Everything is a file: the page's content
// security policy allows no inline script, style or data address.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const server = "http://localhost:8080"; // `npm run dev` talks to a running `make run`

export default defineConfig({
  base: "./",
  plugins: [react()],
  worker: { format: "es" },
  build: {
    target: "es2022",
    outDir: "../../src/vivavoce/http/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "licenses.md" },
  },
  server: { proxy: { "/api": server, "/v1": { target: server, ws: true } } },
});
