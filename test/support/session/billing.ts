import { runInDurableObject } from "cloudflare:test";
import type { SessionRef } from "../../../src/api/session.ts";
import type { ChatSession } from "../../../src/session/object.ts";
import { stubAt } from "./object.ts";

/** What the platform bills: rows that were written, and alarms that were set, which no counter shows. */
export interface Bill {
  readonly rows: number;
  readonly alarms: number;
}

export function totalOf({ rows, alarms }: Bill): number {
  return rows + alarms;
}

/** Runs a body in a session's object, and counts its writes to storage. */
export function billed(ref: SessionRef, body: (session: ChatSession) => Promise<unknown>): Promise<Bill> {
  return runInDurableObject(stubAt(ref), async (session, { storage }) => {
    const { sql } = storage;
    const exec = sql.exec.bind(sql);
    const setAlarm = storage.setAlarm.bind(storage);
    const cursors: { readonly rowsWritten: number }[] = [];
    let alarms = 0;
    sql.exec = <T extends Record<string, SqlStorageValue>>(query: string, ...bindings: unknown[]) => {
      const cursor = exec<T>(query, ...bindings);
      cursors.push(cursor);
      return cursor;
    };
    storage.setAlarm = (...args) => {
      alarms += 1;
      return setAlarm(...args);
    };
    try {
      await body(session);
    } finally {
      sql.exec = exec;
      storage.setAlarm = setAlarm;
    }
    // A cursor counts while it is read, so all of them are asked at the end.
    const rows = cursors.reduce((sum, { rowsWritten }) => sum + rowsWritten, 0);
    return { rows, alarms };
  });
}
