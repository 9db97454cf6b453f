import { runInDurableObject } from "cloudflare:test";
import type { SessionRef } from "../../../src/api/session.ts";
import type { ChatSession } from "../../../src/session/object.ts";
import { stubAt } from "./object.ts";

/** How many bytes a body read from the database of a session's object and wrote to it. */
export interface ValueSizes {
  /** The largest single value of a row or of a statement's parameters. */
  readonly largest: number;
  /** The largest sum over all rows of one statement. */
  readonly largestResult: number;
}

/** Runs a body in a session's object, and looks at each value that passes between it and its database. */
export function valueSizes(ref: SessionRef, body: (session: ChatSession) => Promise<unknown>): Promise<ValueSizes> {
  return runInDurableObject(stubAt(ref), async (session, { storage: { sql } }) => {
    const exec = sql.exec.bind(sql);
    let largest = 0;
    let largestResult = 0;
    sql.exec = <T extends Record<string, SqlStorageValue>>(query: string, ...bindings: SqlStorageValue[]) => {
      for (const value of bindings) largest = Math.max(largest, sizeOf(value));
      const cursor = exec<T>(query, ...bindings);
      const toArray = cursor.toArray.bind(cursor);
      cursor.toArray = () => {
        const rows = toArray();
        const sizes = rows.flatMap((row) => Object.values(row).map(sizeOf));
        largest = Math.max(largest, ...sizes);
        largestResult = Math.max(
          largestResult,
          sizes.reduce((sum, size) => sum + size, 0),
        );
        return rows;
      };
      return cursor;
    };
    try {
      await body(session);
    } finally {
      sql.exec = exec;
    }
    return { largest, largestResult };
  });
}

const encoder = new TextEncoder();

function sizeOf(value: SqlStorageValue): number {
  if (typeof value === "string") return encoder.encode(value).byteLength;
  return value instanceof ArrayBuffer ? value.byteLength : 8;
}

/** Makes each matching statement of a session's object fail from now on. Returns a function that ends this. */
export async function failStatements(ref: SessionRef, pattern: RegExp): Promise<() => Promise<void>> {
  const original = await runInDurableObject(stubAt(ref), (_, { storage: { sql } }) => {
    const exec = sql.exec.bind(sql);
    sql.exec = <T extends Record<string, SqlStorageValue>>(query: string, ...bindings: SqlStorageValue[]) => {
      if (pattern.test(query)) throw new Error("out of memory: SQLITE_NOMEM");
      return exec<T>(query, ...bindings);
    };
    return exec;
  });
  return () =>
    runInDurableObject(stubAt(ref), (_, { storage: { sql } }) => {
      sql.exec = original;
    });
}
