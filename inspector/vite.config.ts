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
    // Its remarks on how long a plugin took are nothing for whoever starts the service.
    rolldownOptions: { checks: { bundlerTimings: false } },
    emptyOutDir: true,
  },
});
