import { runInDurableObject } from "cloudflare:test";
import type { SessionRef } from "../../../src/api/session.ts";
import type { ChatSession } from "../../../src/session/object.ts";
import { stubAt } from "./object.ts";

/** What a body took out of the database of a session's object and put into it, in bytes. */
export interface ValueSizes {
  /** Of one value of a row, or of one that a statement was given. */
  readonly largest: number;
  /** Of all rows of one statement. */
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

/** From here on each statement of a session's object that a pattern matches fails. Gives back what makes it work again. */
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
