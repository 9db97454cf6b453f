import { describe, expect, it } from "vitest";
import { creationOf, freshRef, said, sessionAt, unwrap } from "../support/session.ts";

describe("promise 1: one order", () => {
  it("gives concurrent appends the seqs 1 to n, without gaps, each to one message", async () => {
    const ref = freshRef();
    const session = sessionAt(ref);
    const appends = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        session.append({ messages: [said(`a${index}`), said(`b${index}`)] }, creationOf(ref)),
      ),
    );
    const seqs = appends.flatMap((append) => unwrap(append).messages.map(({ seq }) => seq));
    expect(seqs.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 80 }, (_, i) => i + 1));
    for (const append of appends) {
      const [first, second] = unwrap(append).messages;
      expect(second?.seq).toBe((first?.seq ?? 0) + 1);
    }
  });

  it("leaves no gap after a refused batch", async () => {
    const ref = freshRef();
    const session = sessionAt(ref);
    await session.append({ messages: [said("kept", "a")] }, creationOf(ref));
    const refused = await session.append({ messages: [said("new", "b"), said("other than kept", "a")] }, null);
    expect(refused).toMatchObject({ ok: false, fault: { code: "message_conflict" } });
    const next = unwrap(await session.append({ messages: [said("next", "c")] }, null));
    expect(next.messages).toEqual([{ id: "c", seq: 2, created: true }]);
    const page = unwrap(await session.messages({ limit: 10 }));
    expect(page.data.map(({ id }) => id)).toEqual(["a", "c"]);
  });

  it("refuses an append that expects another head, and accepts it with the right one", async () => {
    const ref = freshRef();
    const session = sessionAt(ref);
    await session.append({ messages: [said("one")] }, creationOf(ref));
    const stale = await session.append({ messages: [said("two")], expectedHeadSeq: 0 }, null);
    expect(stale).toMatchObject({
      ok: false,
      fault: { code: "head_seq_mismatch", facts: { headSeq: 1 } },
    });
    const fresh = await session.append({ messages: [said("two")], expectedHeadSeq: 1 }, null);
    expect(unwrap(fresh).headSeq).toBe(2);
  });

  it("reads by page in both directions, every message once", async () => {
    const ref = freshRef();
    const session = sessionAt(ref);
    const messages = Array.from({ length: 25 }, (_, index) => said(`m${index + 1}`));
    await session.append({ messages }, creationOf(ref));
    const forward: number[] = [];
    let afterSeq = 0;
    for (;;) {
      const page = unwrap(await session.messages({ afterSeq, limit: 10 }));
      forward.push(...page.data.map(({ seq }) => seq));
      if (!page.hasMore) break;
      afterSeq = Number(page.nextCursor);
    }
    expect(forward).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
    const newest = unwrap(await session.messages({ beforeSeq: 26, limit: 10 }));
    expect(newest.data.map(({ seq }) => seq)).toEqual([16, 17, 18, 19, 20, 21, 22, 23, 24, 25]);
    const before = unwrap(await session.messages({ beforeSeq: Number(newest.nextCursor), limit: 100 }));
    expect(before.data.map(({ seq }) => seq)).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
    expect(before).toMatchObject({ hasMore: false, nextCursor: null });
  });
});
