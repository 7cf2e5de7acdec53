// The build of the client as a package. The worklets are a second build, because a page loads them by their
// address, and so their file must not import another one.
import { defineConfig } from "vite";

export default defineConfig(({ mode }) => ({
  build: {
    target: "es2022",
    emptyOutDir: mode !== "worklets",
    lib: {
      entry:
        mode === "worklets"
          ? { worklets: "src/worklets.ts" }
          : { index: "src/index.ts", audio: "src/audio.ts", report: "src/report.ts" },
      formats: ["es"],
    },
    rolldownOptions: {
      optimization: { inlineConst: true },
      output: {
        chunkFileNames: "[name].js",
        minify: true,
        comments: { annotation: false, legal: true },
      },
    },
  },
}));
