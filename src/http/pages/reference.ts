/**
 * The API reference at `/docs`, its OpenAPI document, and the scripts and styles of all pages. They are all files of
 * the build.
 */

import type { Hono } from "hono";
import { answerUnknownRoute } from "../answer-problem.ts";
import type { HttpEnv } from "../env.ts";
import { builtFile, type ReadFile } from "./built-file.ts";

/** Names of asset files contain a hash of their content, so browsers may cache them forever. */
const FOREVER = "public, max-age=31536000, immutable";
const TYPES: Readonly<Record<string, string>> = {
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
  txt: "text/plain; charset=utf-8",
};

/** The page may run only its own files and connect only to this service. */
const REFERENCE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  // Swagger UI's style sheet contains its icons as data URLs.
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
