/** Generates the files that describe the API. This runs at build time; the Worker serves the files unchanged. */

import { routes } from "../../src/http/app.ts";
import { openApiDocument } from "./document.ts";
import { writeLlmsText } from "./llms-text.ts";

/** @returns the texts by file name */
export function generateApiFiles(version: string): Record<"openapi.json" | "llms.txt", string> {
  const document = openApiDocument(routes, version);
  return { "openapi.json": JSON.stringify(document), "llms.txt": writeLlmsText(document) };
}
