// The build of the widget: one module for the page. The worklets are a second build, because a browser loads
// them by their own address, and so their file must not import another one. The server serves both files.
import { defineConfig } from "vite";

export default defineConfig(({ mode }) => ({
  build: {
    target: "es2022",
    emptyOutDir: mode !== "worklets",
    lib: {
      entry:
        mode === "worklets" ? { "widget-worklets": "src/worklets.ts" } : { widget: "src/index.ts" },
      formats: ["es"],
    },
    rolldownOptions: { output: { minify: true, codeSplitting: false } },
  },
}));
