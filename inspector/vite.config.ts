import { defineConfig } from "vite";

/** Files whose names tell their content, under /inspector/assets/, and nothing inline: the page's content security policy forbids it. */
export default defineConfig({
  root: import.meta.dirname,
  base: "/",
  publicDir: false,
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    assetsDir: "inspector/assets",
    assetsInlineLimit: 0,
    // The browsers that have what the page needs have it, too.
    modulePreload: { polyfill: false },
    target: "es2022",
    // Swagger UI, which the page at /docs alone loads, has 1.5 MB.
    chunkSizeWarningLimit: 2_000,
    // Its remarks on how long a plugin took are nothing for whoever starts the service.
    rolldownOptions: {
      checks: { bundlerTimings: false },
      input: ["index.html", "docs.html"].map((page) => `${import.meta.dirname}/${page}`),
    },
    emptyOutDir: true,
  },
});
