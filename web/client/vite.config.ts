// The client by itself, as two files: the module, and the worklets that a page serves beside it.
import { defineConfig } from "vite";

export default defineConfig({
  build: {
    target: "es2022",
    lib: { entry: { client: "src/index.ts", worklets: "src/worklets.ts" }, formats: ["es"] },
    rolldownOptions: { output: { chunkFileNames: "shared.js", minify: true } },
  },
});
