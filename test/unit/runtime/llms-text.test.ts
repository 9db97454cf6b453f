import { describe, expect, it } from "vitest";
import { routes } from "../../../src/http/app.ts";
import { openApiDocument } from "../../../src/http/openapi.ts";
import { answerLlmsText } from "../../../src/http/pages/llms-text.ts";

describe("/llms.txt", () => {
  it("names each route with a link to its place in the reference, and begins as the convention says", async () => {
    const document = openApiDocument(routes)();
    const answer = answerLlmsText(document);
    const text = await answer.text();
    expect(answer.headers.get("Content-Type")).toBe("text/markdown; charset=utf-8");
    expect(text).toMatch(/^# Threadkeep\n\n> .+\n/);
    const paths = Object.entries(document.paths);
    expect(paths.length).toBeGreaterThan(20);
    for (const [path, methods] of paths) {
      for (const [method, { operationId }] of Object.entries(methods)) {
        expect(text).toContain(`[${method.toUpperCase()} ${path}](/docs#${operationId})`);
      }
    }
  });
});
