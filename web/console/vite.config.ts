// The build of the page into the Python package, which serves it. Scripts, styles and pictures are files: the
// content security policy of the page allows neither inline code nor data URLs.
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const server = "http://localhost:8080"; // `npm run dev` uses a server started with `make run`

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
    rolldownOptions: { input: { index: "index.html", check: "check/index.html" } },
    license: { fileName: "licenses.md" },
  },
  server: { proxy: { "/api": server, "/v1": { target: server, ws: true } } },
});
