/** The API reference at `/docs`, the OpenAPI document that it shows, and the scripts and styles of all pages: files that were built before. */

import type { Hono } from "hono";
import { answerUnknownRoute } from "../answer-problem.ts";
import type { HttpEnv } from "../env.ts";
import { builtFile, type ReadFile } from "./built-file.ts";

/** The build names each file by its content, so that a name stands for the same bytes for ever. */
const FOREVER = "public, max-age=31536000, immutable";
const TYPES: Readonly<Record<string, string>> = {
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  txt: "text/plain; charset=utf-8",
};

/** Its own files alone run in it, and it asks nobody but this service. */
const REFERENCE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  // Swagger UI's style sheet has its icons inside.
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

export function mountReference(app: Hono<HttpEnv>, readFile: ReadFile): void {
  app.get("/docs", () =>
    builtFile(readFile, "/docs.html", {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": REFERENCE_POLICY,
    }),
  );
  app.get("/openapi.json", () => builtFile(readFile, "/openapi.json", { "Content-Type": "application/json" }));
  app.get("/llms.txt", () => builtFile(readFile, "/llms.txt", { "Content-Type": "text/markdown; charset=utf-8" }));

  app.get("/inspector/assets/:file", async (c) => {
    const name = c.req.param("file");
    const type = TYPES[name.slice(name.lastIndexOf(".") + 1)];
    const file = type === undefined ? undefined : await readFile(`/inspector/assets/${encodeURIComponent(name)}`);
    if (type === undefined || file === undefined || !file.ok) return answerUnknownRoute(c);
    return new Response(file.body, { headers: { "Content-Type": type, "Cache-Control": FOREVER } });
  });
}
