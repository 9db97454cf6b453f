import { exports } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { unwrap } from "../../src/contracts/errors.ts";
import type { OpenApiDocument } from "../../src/http/openapi-document.ts";
import { TEST_WORKER_BINDINGS } from "../support/worker-bindings.ts";
import { listed, storedText } from "../support/worker-lifetime.ts";
import { birthOf, freshRef, sessionAt, turn } from "../support/worker-session.ts";

const ORIGIN = "http://threadkeep.test";

/** Appending is what creates a session. */
const CREATING = "appendMessages";

async function operations() {
  const response = await exports.default.fetch(new Request(`${ORIGIN}/openapi.json`));
  const { paths }: OpenApiDocument = await response.json();
  return Object.entries(paths)
    .filter(([path]) => path.includes("{sessionId}"))
    .flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, operation })))
    .filter(({ operation }) => operation.operationId !== CREATING);
}

describe("promise 11: a stranger's requests for a session", () => {
  it("leave no schema and no row in the object that they reach, nor an entry in a list, whatever the operation", async () => {
    const known = freshRef("ada");
    unwrap(await sessionAt(known).append({ messages: [turn(1), turn(2)] }, birthOf(known)));
    const before = await storedText(known);
    const offered = await operations();
    expect(offered.length).toBeGreaterThan(14);
    const stranger = { ...known, owner: `mallory-${crypto.randomUUID()}` };
    for (const { path, method, operation } of offered) {
      const example = operation.requestBody?.content["application/json"]?.example;
      const address = path
        .replace("{sessionId}", known.session)
        .replace("{messageId}", "turn-1")
        .replace("{version}", "1");
      const response = await exports.default.fetch(
        new Request(`${ORIGIN}${address}`, {
          method: method.toUpperCase(),
          headers: {
            authorization: `Bearer ${TEST_WORKER_BINDINGS.THREADKEEP_API_KEY}`,
            "content-type": "application/json",
            "threadkeep-user": stranger.owner,
          },
          ...(example === undefined ? {} : { body: JSON.stringify(example) }),
        }),
      );
      await response.arrayBuffer();
      expect(response.status, operation.operationId).toBe(404);
      expect(await storedText(stranger), operation.operationId).toBe("");
    }
    expect(await listed(stranger)).toEqual(new Map());
    expect(await storedText(known)).toBe(before);
  });
});
