import { describe, expect, it } from "vitest";
import { faultsOf } from "../../tools/fuzz-api/check-answer.ts";
import type { OpenApiDocument } from "../../tools/fuzz-api/document.ts";
import { makeRequest, type Surroundings } from "../../tools/fuzz-api/hostile-request.ts";
import { MARKER, writeJson } from "../../tools/fuzz-api/hostile-value.ts";
import { listOperations, soundRequest } from "../../tools/fuzz-api/sound-request.ts";
import { areaUnderCurve } from "../../tools/strangers/area-under-curve.ts";

const DOCUMENT: OpenApiDocument = {
  paths: {
    "/v1/sessions/{sessionId}/messages": {
      post: {
        operationId: "appendMessages",
        security: [{ apiKey: ["memory:write"] }],
        requestBody: { content: { "application/json": { schema: { type: "object" }, example: { messages: [] } } } },
      },
    },
  },
  components: { schemas: {} },
};
const around = (seed: number): Surroundings => ({
  offers: listOperations(DOCUMENT),
  schemas: {},
  seed,
  apiKey: "key",
  adminKey: null,
});

const request = { ...makeRequest(around(1), 0), method: "POST", isBroken: false };
const problem = { type: "/docs", title: "t", status: 422, code: "validation_failed", detail: "d", requestId: "r" };
const headers = {
  "x-request-id": "r",
  "x-content-type-options": "nosniff",
  "content-type": "application/problem+json",
};
const answer = (status: number, body: object, more: Record<string, string> = {}) => {
  const text = JSON.stringify(body);
  return { status, headers: { ...headers, ...more }, text, bodyBytes: text.length };
};

describe("the fuzzer of the API", () => {
  it("makes the same request for the same seed and number, and another for another", () => {
    const places = Array.from({ length: 100 }, (_, place) => place);
    const made = (seed: number): string[] =>
      places.map((place) => {
        const { body, ...rest } = makeRequest(around(seed), place);
        return JSON.stringify({
          ...rest,
          body: body === undefined ? null : Buffer.from(body).toString("base64", 0, 100),
        });
      });
    expect(made(7)).toEqual(made(7));
    expect(new Set([...made(7), ...made(8)]).size).toBeGreaterThan(150);
  });

  it("tries what users would with only their tokens: imports, settings and frames, the same for the same seed", () => {
    const made = (): string[] => {
      const asUsers = { ...around(3), userTokens: ["one", "two"] };
      return Array.from({ length: 200 }, (_, place) => {
        const { operationId, headers: sent, body, frames } = makeRequest(asUsers, place);
        const shown = sent.filter(([name]) => name === "Authorization").map(([, value]) => value);
        for (const bearer of shown) expect(bearer).not.toContain("key");
        return JSON.stringify([operationId, shown, body?.byteLength, frames?.length]);
      });
    };
    expect(made()).toEqual(made());
    const tried = new Set(made().map((text): unknown => JSON.parse(text)[0]));
    for (const operationId of ["importSession", "updateSession", "createSession", "forkSession", "sendFrames"]) {
      expect(tried).toContain(operationId);
    }
  });

  it("fills in a path, and refuses to send a parameter without a value", () => {
    const [offer] = listOperations(DOCUMENT);
    if (offer === undefined) throw new Error("no operation");
    expect(soundRequest(offer, { sessionId: "a/b" }).path).toBe("/v1/sessions/a%2Fb/messages");
    expect(() => soundRequest(offer, {})).toThrow("{sessionId}");
    const reason = { name: "reason", in: "query", required: true, schema: { type: "string" } } as const;
    const asked = { ...offer, operation: { ...offer.operation, parameters: [reason] } };
    expect(soundRequest(asked, { sessionId: "a", reason: "b&c" }).path).toBe("/v1/sessions/a/messages?reason=b%26c");
    expect(() => soundRequest(asked, { sessionId: "a" })).toThrow("{reason}");
  });

  it("writes names that are properties of every object", () => {
    const value: unknown = JSON.parse('{"__proto__":{"a":1},"constructor":[null]}');
    expect(writeJson(value)).toBe('{"__proto__":{"a":1},"constructor":[null]}');
  });

  it.each([
    ["a 500", answer(500, { ...problem, status: 500, code: "internal" }), "answered 500"],
    ["a 503 without Retry-After", answer(503, { ...problem, status: 503, code: "unavailable" }), "answered 503"],
    ["an unknown code", answer(422, { ...problem, code: "oops" }), "not a problem document"],
    ["a code under another status", answer(404, { ...problem, status: 404 }), "came with 404"],
    ["a body that is no problem", answer(422, {}, { "content-type": "text/plain" }), "not a problem document"],
    ["an echo", answer(422, { ...problem, detail: MARKER }), "repeats"],
    ["a stack", answer(422, { ...problem, detail: "at parse (/src/a.ts:1:2)" }), "internals"],
    ["a secret", answer(200, { key: "sesame" }), "secret"],
    ["another's request id", answer(422, { ...problem, requestId: "q" }), "another request"],
    ["silence", null, "not answered"],
  ])("finds fault with %s", (_, given, words) => {
    expect(faultsOf(request, given, ["sesame"]).join()).toContain(words);
  });

  it("finds no fault in a refusal that follows the contract", () => {
    expect(faultsOf(request, answer(422, problem), ["sesame"])).toEqual([]);
  });
});

describe("the area under the curve", () => {
  it.each([
    [[3, 4], [1, 2], 1],
    [[1, 2], [3, 4], 0],
    [[1, 1], [1, 1], 0.5],
    [[1, 4], [2, 3], 0.5],
    [[2, 3], [1, 2], 0.875],
  ])("of %j above %j is %d", (ones, others, area) => {
    expect(areaUnderCurve(ones, others)).toBe(area);
  });
});
