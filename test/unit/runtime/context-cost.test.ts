import { describe, expect, it } from "vitest";
import { MAX_CONTEXT_BYTES } from "../../../src/api/limits.ts";
import { readContext } from "../../../src/session/log/read-context.ts";
import { NodeSession } from "./node-session.ts";

/** The number of rows that each statement of a read returns. */
function readingOf(session: NodeSession, maxTokens?: number) {
  const { sql } = session;
  const exec = sql.exec.bind(sql);
  const rows: number[] = [];
  sql.exec = (query, ...bindings) => {
    const cursor = exec<never>(query, ...bindings);
    rows.push(cursor.rowsRead);
    return cursor;
  };
  try {
    const request = maxTokens === undefined ? {} : { maxTokens };
    const { context } = readContext(session.unit(), request, null, MAX_CONTEXT_BYTES);
    return { context, statements: rows.length, rows: rows.reduce((sum, count) => sum + count, 0) };
  } finally {
    sql.exec = exec;
  }
}

const turn = "The harbour master said that berth twelve is free until the end of the week. ".repeat(4);

describe("what a context reads", () => {
  it("reads hardly more of the log than it contains, however long the log is", () => {
    const session = new NodeSession();
    for (let at = 0; at < 400; at += 1) session.append([`${at} ${turn}`]);
    for (const maxTokens of [500, 2_000, 10_000, 100_000]) {
      const { context, rows } = readingOf(session, maxTokens);
      expect(rows - context.messages.length).toBeLessThan(24 + 0.05 * context.messages.length);
    }
  });

  it("takes two statements for a chat of few messages, once the object has cached what else there is", () => {
    const session = new NodeSession();
    for (let at = 0; at < 50; at += 1) session.append([turn]);
    readingOf(session);
    session.append(["And until when is it free?"]);
    session.store.beginCall();
    expect(readingOf(session).statements).toBe(2);
  });

  it("includes everything since the last read: an instruction, a pin, a summary, and a pending one", () => {
    const session = new NodeSession();
    for (let at = 0; at < 60; at += 1) session.append([turn]);
    const seqs = (): number[] => readingOf(session, 1_000).context.messages.map(({ seq }) => seq);
    expect(seqs()).not.toContain(1);
    session.store.messageWriter.pin(2, true);
    expect(seqs()).toContain(2);
    session.append([{ role: "system", content: "Answer in Portuguese." }]);
    for (let at = 0; at < 20; at += 1) session.append([turn]);
    expect(seqs()).toEqual(expect.arrayContaining([2, 61]));
    session.schedule("summarize", { throughSeq: 30 });
    expect(readingOf(session).context.summaryPending).toBe(true);
    session.summarize(1, 30, [{ text: "Berth twelve is free." }]);
    expect(readingOf(session).context.summary?.version).toBe(1);
    for (const { id } of session.jobs) session.store.jobs.delete(id);
    expect(readingOf(session).context.summaryPending).toBe(false);
  });
});
