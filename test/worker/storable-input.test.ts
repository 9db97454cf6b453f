import { sql } from "drizzle-orm";
import { sample, string } from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { fieldFaults, parseRequest } from "../../src/api/faults.ts";
import { clientFrameSchema } from "../../src/api/live.ts";
import { newMessageSchema } from "../../src/api/message.ts";
import { workflowPayloadSchema } from "../../src/api/operation-run.ts";
import { sessionPatchSchema } from "../../src/api/session.ts";
import { findMended, isoTime, textFault } from "../../src/api/text.ts";
import { transferLineSchema } from "../../src/api/transfer.ts";
import { routes } from "../../src/http/app.ts";
import { bindingPropsSchema } from "../../src/rpc/binding-principal.ts";
import { anyCharacter } from "../support/any-character.ts";
import { placesOf, type Planted, UNSTORABLE } from "../support/schema-places.ts";
import { onArchive } from "../support/session.ts";
import { send } from "../support/worker-http.ts";

/** Every schema that parses input of which something may be stored. */
const requests: readonly (readonly [string, z.ZodType])[] = [
  ...routes.flatMap(({ operationId, request, lines }) =>
    Object.entries({ ...request, lines }).flatMap(([part, schema]): [string, z.ZodType][] =>
      schema === undefined ? [] : [[`${operationId}.${part}`, schema]],
    ),
  ),
  ["frame", clientFrameSchema],
  ["import line", transferLineSchema],
  ["operation by wrangler", workflowPayloadSchema],
  ["props of a binding", bindingPropsSchema],
];

/** What a client is told about a refused value. */
function toldOf(schema: z.ZodType, body: unknown): string[] {
  const { error } = z.object({ body: schema }).safeParse({ body });
  return fieldFaults(error?.issues ?? [], { body }).map(({ path, detail }) => `${path} ${detail}`);
}

/** An operation's progress, in the form of the previous instance: only operations write it, and PostgreSQL gets none of it. */
const OF_OUR_OWN = "operation by wrangler.chain";

describe("input", () => {
  it.each(requests)("of %s is refused or repaired in each place with text that no store keeps", (name, schema) => {
    for (const { path, sound, planted } of placesOf(schema, name, UNSTORABLE)) {
      if (path.startsWith(OF_OUR_OWN)) continue;
      const known = toldOf(schema, sound);
      const told = toldOf(schema, planted).filter((fault) => !known.includes(fault));
      const taken = schema.safeParse(planted);
      // A path says which branch of a union it is in; another branch, such as a loose one, may accept it.
      if (taken.success && partsOf(taken.data).every((text) => textFault(text) === null)) continue;
      expect(told, `${path} took ${JSON.stringify(planted)}`).not.toEqual([]);
    }
  });

  it("is checked in every place of a message", () => {
    const places = new Set(placesOf(newMessageSchema, "message", UNSTORABLE).map(({ path }) => path));
    expect([...places]).toEqual(
      expect.arrayContaining([
        "message.author",
        "message.content|0",
        "message.content|1[]|0|0.text",
        "message.content|1[]|0|0.providerOptions{name}",
        "message.content|1[]|0|0.providerOptions{}",
        "message.content|1[]|0|3.input",
        "message.content|1[]|1.type",
        "message.metadata{name}",
        "message.occurredAt",
      ]),
    );
  });
});

describe("a refusal of what cannot be stored", () => {
  const faultsOf = (message: object): unknown => {
    try {
      return parseRequest(z.object({ body: newMessageSchema }), {
        params: {},
        query: {},
        headers: {},
        body: { role: "user", content: "hello", ...message },
      });
    } catch (error) {
      return error;
    }
  };
  const text = { type: "text", text: "hello" };

  it.each([
    [
      "a name among a part's options",
      { content: [{ ...text, providerOptions: { "x\u0000y": 1 } }] },
      "/content/0/providerOptions/x\u0000y",
      "NUL",
    ],
    [
      "a name deep in them",
      { content: [{ ...text, providerOptions: { x: { "y\ud800": 1 } } }] },
      "/content/0/providerOptions/x/y\ufffd",
      "lone surrogate",
    ],
    ["the type of a data part", { content: [{ type: "data-\u0000x", data: 1 }] }, "/content/0/type", "NUL"],
    [
      "a name deep in a call",
      { content: [{ type: "tool-call", toolCallId: "1", toolName: "t", input: { a: [{ "\u0000": 1 }] } }] },
      "/content/0/input/a/0/\u0000",
      "NUL",
    ],
    ["a name of metadata", { metadata: { "a\u0000": 1 } }, "/metadata/a\u0000", "NUL"],
    ["a year that its zone carries away", { occurredAt: "9999-12-31T23:59:59-10:00" }, "/occurredAt", "0001 to 9999"],
    ["the year 0", { occurredAt: "0000-01-01T00:00:00Z" }, "/occurredAt", "0001 to 9999"],
  ])("names %s", (_, message, path, word) => {
    expect(faultsOf(message)).toMatchObject({
      fault: { code: "validation_failed", errors: [{ path, detail: expect.stringContaining(word) }] },
    });
  });
});

describe("content that no store keeps", () => {
  const strict = { headers: { "Threadkeep-Strict-Text": "true" } };

  it("is refused on request, by an append, an edit and an import, with the place of each fault", async () => {
    const id = crypto.randomUUID();
    const path = `/v1/sessions/${id}/messages`;
    const messages = [{ id: "m", role: "user", content: "a\u0000b" }];
    expect((await send("POST", path, { messages }, strict)).body).toMatchObject({
      code: "validation_failed",
      errors: [{ path: "/messages/0/content" }],
    });
    expect((await send("POST", path, { messages })).status).toBe(201);
    const edit = { content: [{ type: "text", text: "\ud800" }] };
    expect((await send("PATCH", `${path}/m`, edit, strict)).body).toMatchObject({
      errors: [{ path: "/content/0/text" }],
    });
    const createdAt = "2026-11-22T09:30:00.000Z";
    const session = { type: "session", format: "threadkeep-session", formatVersion: 1, id: "f", createdAt };
    const file = [
      { ...session, metadata: {}, settings: {} },
      { type: "message", seq: 1, id: "m", role: "user", content: "\ud800", createdAt },
      { type: "end", messages: 1, summaries: 0, items: 0, complete: true },
    ]
      .map((line) => JSON.stringify(line))
      .join("\n");
    const imports = `/v1/import?sessionId=${id}-f`;
    expect((await send("POST", imports, file, strict)).body).toMatchObject({ errors: [{ path: "line 2" }] });
    expect((await send("POST", imports, file)).body).toMatchObject({ messages: 1, mended: ["line 2/content"] });
  });

  it("is found in any shape of message, at its place, and reported up to a maximum number", () => {
    const sent = {
      messages: [{ role: "assistant", content: null, tool_calls: [{ function: { arguments: "\u0000" } }] }],
    };
    expect(findMended(sent, 9)).toMatchObject([{ path: ["messages", 0, "tool_calls", 0, "function", "arguments"] }]);
    expect(
      findMended(
        Array.from({ length: 20 }, () => "\ud800"),
        5,
      ),
    ).toHaveLength(5);
    expect(findMended(JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`), 5)).toEqual([]);
  });
});

it("the first and the last accepted moments are those of the years 1 and 9999", () => {
  for (const text of ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "0000-12-31T23:00:00-01:00"])
    expect(isoTime.safeParse(text).success, text).toBe(true);
});

/** Accepted values: every kind of character that a text may have, and the first and last moments. */
const STRANGE: Planted = {
  texts: [
    "\u0001\u001f\u007f\u0085",
    "\ufffd\uffff\ufdd0",
    "\u{10ffff}\u{1f600}",
    "\\u0000 \\ud800",
    "'\"\\/`$1",
    "e\u0301\u202e\u200b\ufeff",
    "__proto__",
    " ",
    ...sample(string({ unit: anyCharacter, minLength: 1, maxLength: 12 }), { numRuns: 40, seed: 7 }),
  ],
  times: ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "0000-12-31T23:00:00-01:00", "1582-10-10T00:00:00+05:45"],
};

/** Every text and name in a value, and every moment. */
function partsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(partsOf);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, entry]) => [name, ...partsOf(entry)]);
}

/** What a schema makes of the values that it accepts, each once. */
function takenBy(schema: z.ZodType, name: string): unknown[] {
  return placesOf(schema, name, STRANGE).flatMap(({ planted }) => {
    const parsed = schema.safeParse(planted);
    return parsed.success ? [parsed.data] : [];
  });
}

describe("accepted input", () => {
  it.each<[string, z.ZodType]>([
    ["a message", newMessageSchema],
    ["a change of a session", sessionPatchSchema],
    ["a line of an import", transferLineSchema],
  ])("as %s comes back from PostgreSQL as it was, as jsonb, text and timestamptz", async (name, schema) => {
    const taken = takenBy(schema, name);
    expect(taken.length).toBeGreaterThan(100);
    const texts = [...new Set(taken.flatMap(partsOf))];
    const times = texts.filter((text) => /^\d{4}-.*T/.test(text)).map((text) => new Date(text).toISOString());
    const jsons = taken.map((value) => JSON.stringify(value));
    await onArchive(async (database) => {
      const asJson = await database.execute(
        sql`select value from unnest(${sql.param(jsons)}::jsonb[]) with ordinality as t (value, n) order by n`,
      );
      expect(asJson.rows.map(({ value }) => value)).toEqual(taken);
      const asText = await database.execute(
        sql`select value from unnest(${sql.param(texts)}::text[]) with ordinality as t (value, n) order by n`,
      );
      expect(asText.rows.map(({ value }) => value)).toEqual(texts);
      const asTime = await database.execute<{ value: string }>(
        sql`select extract(epoch from value)::float8 * 1000 as value from unnest(${sql.param(times)}::timestamptz[]) with ordinality as t (value, n) order by n`,
      );
      expect(asTime.rows.map(({ value }) => new Date(Math.round(Number(value))).toISOString())).toEqual(times);
    });
  });
});
