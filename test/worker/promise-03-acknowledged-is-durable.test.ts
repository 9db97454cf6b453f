import { abortAllDurableObjects } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import type { NewMessage } from "../../src/api/message.ts";
import {
  billed,
  creationOf,
  evictDurableObject,
  freshRef,
  runInDurableObject,
  said,
  sessionAt,
  type SessionRef,
  stubAt,
  totalOf,
  unwrap,
} from "../support/session.ts";

async function billedRows(ref: SessionRef, messages: NewMessage[]): Promise<number> {
  return totalOf(await billed(ref, async (session) => unwrap(await session.append({ messages }, null))));
}

describe("promise 3: acknowledged is durable", () => {
  it("keeps an acknowledged message through an eviction", async () => {
    const ref = freshRef();
    await sessionAt(ref).append({ messages: [said("kept", "a")] }, creationOf(ref));
    await evictDurableObject(stubAt(ref));
    expect(unwrap(await sessionAt(ref).message("a")).content).toBe("kept");
    const again = await sessionAt(ref).append({ messages: [said("kept", "a")] }, null);
    expect(unwrap(again).messages).toEqual([{ id: "a", seq: 1, created: false }]);
  });

  it("keeps an acknowledged message when every object is aborted", async () => {
    const ref = freshRef();
    await sessionAt(ref).append({ messages: [said("kept", "a")] }, creationOf(ref));
    await abortAllDurableObjects();
    expect(unwrap(await sessionAt(ref).message("a")).content).toBe("kept");
  });

  it("bills one row for an append, with a client's id as with the server's, and one more for 64", async () => {
    const ref = freshRef();
    await sessionAt(ref).append({ messages: [said("first")] }, creationOf(ref));
    expect(await billedRows(ref, [said("with an id", "mine")])).toBe(1);
    expect(await billedRows(ref, [said("without")])).toBe(1);
    const through = (seq: number) => Array.from({ length: 61 }, (_, at) => said("more", `to-${seq}-${at}`));
    // The first write of hashes also creates their table. An alarm, which the length of the chat asks for, is no row.
    const rowsOf = async (messages: NewMessage[]) =>
      (await billed(ref, async (session) => unwrap(await session.append({ messages }, null)))).rows;
    expect(await rowsOf(through(64))).toBe(61 + 1 + 2);
    expect(await rowsOf([said("another", "a"), said("another", "b"), said("another", "c")])).toBe(3);
    expect(await rowsOf(through(128))).toBe(61 + 1);
  });

  it("writes nothing and creates no schema when an unknown session is read", async () => {
    const ref = freshRef();
    const session = sessionAt(ref);
    for (const answer of [
      await session.state(),
      await session.messages({ limit: 5 }),
      await session.context({}),
      await session.summaries(undefined, 5),
      await session.summarize({}),
      await session.append({ messages: [said("x")] }, null),
    ]) {
      expect(answer).toMatchObject({ ok: false, fault: { code: "session_not_found" } });
    }
    const tables = await runInDurableObject(stubAt(ref), (_, state) =>
      state.storage.sql.exec("SELECT name FROM sqlite_master").toArray(),
    );
    expect(tables).toEqual([]);
  });
});
