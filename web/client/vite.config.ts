// The build of the client alone: the module, and the worklets that a page serves as a second file.
import { defineConfig } from "vite";

export default defineConfig({
  build: {
    target: "es2022",
    lib: { entry: { client: "src/index.ts", worklets: "src/worklets.ts" }, formats: ["es"] },
    rolldownOptions: { output: { chunkFileNames: "shared.js", minify: true } },
  },
});
