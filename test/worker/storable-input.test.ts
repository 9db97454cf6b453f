import { env } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { sample, string } from "fast-check";
import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { type Database, withDatabase } from "../../src/archive/database.ts";
import { newMessageSchema } from "../../src/contracts/message.ts";
import { sessionPatchSchema } from "../../src/contracts/session.ts";
import { transferLineSchema } from "../../src/contracts/transfer.ts";
import { placesOf, type Planted } from "../support/schema-places.ts";

/** What nobody is refused for: every kind of character that a text may have, and the ends of time. */
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
    ...sample(string({ unit: "binary", minLength: 1, maxLength: 12 }), { numRuns: 40, seed: 7 }),
  ],
  times: ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "0000-12-31T23:00:00-01:00", "1582-10-10T00:00:00+05:45"],
};

function onArchive<T>(body: (database: Database) => Promise<T>): Promise<T> {
  return withDatabase(env.HYPERDRIVE.connectionString, body);
}

/** Every text and name in a value, and every moment. */
function partsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (Array.isArray(value)) return value.flatMap(partsOf);
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, entry]) => [name, ...partsOf(entry)]);
}

/** What a schema makes of the values that it takes, each once. */
function takenBy(schema: z.ZodType, name: string): unknown[] {
  return placesOf(schema, name, STRANGE).flatMap(({ planted }) => {
    const parsed = schema.safeParse(planted);
    return parsed.success ? [parsed.data] : [];
  });
}

describe("whatever is taken in", () => {
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
