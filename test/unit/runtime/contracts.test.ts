import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { newKeySchema } from "../../../src/api/api-key.ts";
import { MAX_MESSAGE_BYTES, MAX_TIME_MS, MIN_TIME_MS, TICKET_SECONDS } from "../../../src/api/limits.ts";
import { ticketRequestSchema } from "../../../src/api/live.ts";
import { memorySearchRequestSchema } from "../../../src/api/memory-search.ts";
import { refuseOversize } from "../../../src/api/message-size.ts";
import { messagePatchSchema } from "../../../src/api/message.ts";
import { newOperationSchema, operationRequestSchema } from "../../../src/api/operation-run.ts";
import { resolveSettings, sessionSettingsSchema } from "../../../src/api/session.ts";
import { tenantIdSchema } from "../../../src/api/tenant.ts";
import { canonicalJson, isoTime, isStorableTime, type Json, safeJson } from "../../../src/api/text.ts";
import { messageLineSchema } from "../../../src/api/transfer.ts";

const isTaken = (schema: z.ZodType, value: unknown): boolean => schema.safeParse(value).success;

/** The paths of its faults. */
const faultsOf = (schema: z.ZodType, value: unknown): string[] =>
  (schema.safeParse(value).error?.issues ?? []).map(({ path }) => path.join("."));

/** A number inside this many nested arrays. */
function nested(depth: number): Json {
  let value: Json = 1;
  for (let at = 0; at < depth; at += 1) value = [value];
  return value;
}

describe("a message's size", () => {
  it("is counted in bytes of its JSON, and may be exactly the maximum", () => {
    // Two of its bytes are the quotation marks.
    const largest = "é".repeat((MAX_MESSAGE_BYTES - 2) / 2);
    expect(() => refuseOversize([{ path: "/content", content: largest }])).not.toThrow();
    const refused = () => refuseOversize(["a", `${largest}a`].map((content, at) => ({ path: `/${at}`, content })));
    expect(refused).toThrow(expect.objectContaining({ fault: expect.objectContaining({ code: "message_too_large" }) }));
    expect(refused).toThrow(
      expect.objectContaining({
        fault: expect.objectContaining({
          errors: [{ path: "/1", detail: `has ${MAX_MESSAGE_BYTES + 1} bytes as JSON` }],
        }),
      }),
    );
  });
});

describe("JSON", () => {
  it("has the same text whatever the order of an object's names", () => {
    expect(canonicalJson({ b: [{ y: 1, x: null }], a: "a" })).toBe('{"a":"a","b":[{"x":null,"y":1}]}');
    expect(canonicalJson({ a: "a", b: [{ x: null, y: 1 }] })).toBe(canonicalJson({ b: [{ y: 1, x: null }], a: "a" }));
    expect(canonicalJson([1, 2])).not.toBe(canonicalJson([2, 1]));
  });

  it("may nest 32 levels deep, and not deeper", () => {
    expect(isTaken(safeJson, nested(32))).toBe(true);
    expect(isTaken(safeJson, nested(33))).toBe(false);
  });
});

describe("a moment", () => {
  it("is within the years 1 to 9999 UTC, including their first and last millisecond", () => {
    expect([MIN_TIME_MS - 1, MIN_TIME_MS, MAX_TIME_MS, MAX_TIME_MS + 1].map(isStorableTime)).toEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(isTaken(isoTime, "9999-12-31T23:59:59.999Z")).toBe(true);
    expect(isTaken(isoTime, "9999-12-31T23:59:59.999-01:00")).toBe(false);
  });
});

describe("settings", () => {
  it("of a session take precedence over those of its tenant, and these over the defaults", () => {
    const tenant = { maxTokens: 5_000, summaryMaxTokens: 500 };
    expect(resolveSettings({ maxTokens: 6_000 }, tenant)).toMatchObject({ maxTokens: 6_000, summaryMaxTokens: 500 });
    expect(resolveSettings({}, {})).toMatchObject({ maxTokens: 16_000, summaryMaxTokens: 2_000 });
  });

  it('may be null for "never", which is different from not being set', () => {
    const never = { summarizeAfterIdleSeconds: null, expireAfterIdleSeconds: null };
    expect(resolveSettings(never)).toMatchObject(never);
    expect(resolveSettings(never, { summarizeAfterIdleSeconds: 60, expireAfterIdleSeconds: 86_400 })).toMatchObject(
      never,
    );
    expect(resolveSettings({}).summarizeAfterIdleSeconds).toBe(1_800);
  });

  it("keep less verbatim than what makes a summary due", () => {
    const settings = (keepRecentTokens: number) => ({ summarizeAfterTokens: 1_000, keepRecentTokens });
    expect(isTaken(sessionSettingsSchema, settings(999))).toBe(true);
    expect(faultsOf(sessionSettingsSchema, settings(1_000))).toEqual(["keepRecentTokens"]);
    expect(resolveSettings({ keepRecentTokens: 1_000 }, { summarizeAfterTokens: 1_000 }).keepRecentTokens).toBe(500);
  });
});

describe("a request", () => {
  it.each([
    ["a ticket that reads", ticketRequestSchema, { scopes: ["memory:read"] }, true],
    ["a ticket that reads and writes", ticketRequestSchema, { scopes: ["memory:write", "memory:read"] }, true],
    ["a ticket that writes alone", ticketRequestSchema, { scopes: ["memory:write"] }, false],
    ["a key", newKeySchema, { name: "k", scopes: ["ops", "memory:read"] }, true],
    ["a key that names a scope twice", newKeySchema, { name: "k", scopes: ["ops", "ops"] }, false],
    ["a key that does all", newKeySchema, { name: "k", scopes: ["admin"] }, false],
    ["a patch of the content", messagePatchSchema, { content: "new" }, true],
    ["a patch that takes all metadata away", messagePatchSchema, { metadata: {} }, true],
    ["a patch of nothing", messagePatchSchema, {}, false],
    ["a search for a word", memorySearchRequestSchema, { query: '"Zürich"?' }, true],
    ["a search for a number", memorySearchRequestSchema, { query: "(7)" }, true],
    ["a search for signs", memorySearchRequestSchema, { query: "?! -" }, false],
    ["a tenant of 63 characters", tenantIdSchema, "a".repeat(63), true],
    ["a tenant of 64 characters", tenantIdSchema, "a".repeat(64), false],
    ["a tenant that begins with a dash", tenantIdSchema, "-a", false],
  ] as const)("is accepted or not: %s", (_, schema, value, isGood) => {
    expect(isTaken(schema, value)).toBe(isGood);
  });

  it.each([operationRequestSchema, newOperationSchema])("for an operation has to say who is meant", (schema) => {
    const faults = (asked: object): string[] => faultsOf(schema, { dryRun: false, ...asked });
    expect(faults({ op: "verify" })).toEqual([]);
    expect(faults({ op: "rebuild" })).toEqual(["tenant"]);
    expect(faults({ op: "expire" })).toEqual(["tenant"]);
    expect(faults({ op: "rebuild", tenant: "acme" })).toEqual([]);
    expect(faults({ op: "verify", user: "ada" })).toEqual(["tenant"]);
    expect(faults({ op: "verify", session: "chat" })).toEqual(["tenant"]);
    expect(faults({ op: "verify", tenant: "acme", user: "ada", session: "chat" })).toEqual([]);
    expect(faults({ op: "erase-user", tenant: "acme" })).toEqual(["user"]);
    expect(faults({ op: "verify", tenant: "acme", kind: "archive" })).toEqual(["kind"]);
  });
});

describe("a line for an erased message", () => {
  const line = { type: "message", seq: 1, id: "a", role: "user", createdAt: "2026-11-22T12:00:00.000Z" };
  const erasedAt = "2026-11-22T13:00:00.000Z";

  it.each([
    [{ content: "hello" }, []],
    [{ erasedAt }, []],
    [{ content: "hello", erasedAt }, ["content"]],
    [{}, ["content"]],
  ])("says when it was erased, or has content: %j", (more, faults) => {
    expect(faultsOf(messageLineSchema, { ...line, ...more })).toEqual(faults);
  });
});

describe("a ticket", () => {
  it("is valid for a minute", () => {
    expect(TICKET_SECONDS).toBe(60);
  });
});
