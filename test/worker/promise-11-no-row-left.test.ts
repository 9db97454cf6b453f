import { describe, expect, it } from "vitest";
import type { OpenApiDocument } from "../../scripts/openapi/document-types.ts";
import { creationOf, freshRef, listed, sessionAt, storedText, turn, unwrap } from "../support/session.ts";
import { send } from "../support/worker-http.ts";

/** Appending creates a session, and so does an import. */
const CREATING = new Set(["appendMessages", "beginImport"]);

async function operations() {
  const { body } = await send<OpenApiDocument>("GET", "/openapi.json");
  return Object.entries(body.paths)
    .filter(([path]) => path.includes("{sessionId}"))
    .flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })))
    .filter(({ operation }) => !CREATING.has(operation.operationId));
}

describe("promise 11: a stranger's requests for a session", () => {
  it("leave no schema and no row in the object that they reach, nor an entry in a list, whatever the operation", async () => {
    const known = freshRef("ada");
    unwrap(await sessionAt(known).append({ messages: [turn(1), turn(2)] }, creationOf(known)));
    const before = await storedText(known);
    const offered = await operations();
    expect(offered.length).toBeGreaterThan(14);
    const stranger = { ...known, owner: `mallory-${crypto.randomUUID()}` };
    for (const { path, method, operation } of offered) {
      const { "application/json": json, "application/x-ndjson": lines } = operation.requestBody?.content ?? {};
      const example = lines === undefined ? json?.example : `${JSON.stringify(lines.example)}\n`;
      const address = path
        .replace("{sessionId}", known.session)
        .replace("{messageId}", "turn-1")
        .replace("{version}", "1")
        .replace("{importId}", "an-import");
      const query = (operation.parameters ?? [])
        .filter((parameter) => parameter.in === "query" && parameter.required === true)
        .map(({ name }) => `${name}=1`);
      const asked = query.length === 0 ? address : `${address}?${query.join("&")}`;
      const { status, text } = await send(method.toUpperCase(), asked, example, { user: stranger.owner });
      expect(status, `${operation.operationId}: ${text}`).toBe(404);
      expect(await storedText(stranger), operation.operationId).toBe("");
    }
    expect(await listed(stranger)).toEqual(new Map());
    expect(await storedText(known)).toBe(before);
  });
});
