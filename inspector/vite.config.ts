import { defineConfig } from "vite";

/**
 * Files get names with content hashes under /inspector/assets/. Nothing is inlined, because the page's content security
 * policy forbids it.
 */
export default defineConfig({
  root: import.meta.dirname,
  base: "/",
  publicDir: false,
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    assetsDir: "inspector/assets",
    assetsInlineLimit: 0,
    // Every browser that supports what the page needs supports module preload too.
    modulePreload: { polyfill: false },
    target: "es2022",
    // Swagger UI has 1.5 MB, but is loaded only by the page at /docs.
    chunkSizeWarningLimit: 2_000,
    // Rolldown's remarks about slow plugins are of no use to somebody who starts the service.
    rolldownOptions: {
      checks: { bundlerTimings: false },
      input: ["index.html", "docs.html"].map((page) => `${import.meta.dirname}/${page}`),
    },
    emptyOutDir: true,
  },
});
