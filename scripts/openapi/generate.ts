/** The files of the build that describe the API. The Worker serves them as they are, and has no part in making them. */

import { routes } from "../../src/http/app.ts";
import { openApiDocument } from "./document.ts";
import { writeLlmsText } from "./llms-text.ts";

/** @returns texts by the name of their file */
export function generateApiFiles(version: string): Record<"openapi.json" | "llms.txt", string> {
  const document = openApiDocument(routes, version);
  return { "openapi.json": JSON.stringify(document), "llms.txt": writeLlmsText(document) };
}
