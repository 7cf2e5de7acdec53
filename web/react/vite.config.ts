// The build of the package: the hook with its components, and one module for each adapter. React, the client
// and the libraries of the adapters are the page's own.
import { defineConfig } from "vite";

export default defineConfig({
  build: {
    target: "es2022",
    lib: {
      entry: {
        index: "src/index.ts",
        tanstack: "src/adapters/tanstack.ts",
        "assistant-ui": "src/adapters/assistantUi.ts",
        "ai-sdk": "src/adapters/aiSdk.ts",
      },
      formats: ["es"],
    },
    rolldownOptions: { external: /^(react|react-dom|ai|@[a-z-]+)(\/|$)/ },
  },
});
