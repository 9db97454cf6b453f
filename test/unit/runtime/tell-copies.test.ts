import { describe, expect, it } from "vitest";
import {
  confirmCopyErasures,
  readCopyCalls,
  tellCopies,
  tellCopiesOfEnd,
  type ToldCopy,
  waitForCopies,
} from "../../../src/session/copies/tell-copies.ts";
import { answerFor } from "../../../src/session/erase/erase-copied.ts";
import { eraseMessage, eraseSession } from "../../../src/session/erase/erase.ts";
import { serverId } from "../../../src/session/log/append.ts";
import { EPOCH, NodeSession } from "./node-session.ts";

function withMessages(count: number): NodeSession {
  const session = new NodeSession();
  session.say(count);
  return session;
}

describe("a copy", () => {
  const OWN = { session: "chat", epoch: EPOCH };

  /** What the next round tells whom. */
  function nextRound(session: NodeSession, afterCopy = 0) {
    return readCopyCalls(session.unit(), afterCopy).calls.map((call) => [call.session, call.erased]);
  }

  /** Tells all copies, each of which confirms or not. Returns the number of calls. */
  function tellAll(session: NodeSession, isConfirmed: (call: ToldCopy) => boolean = () => true): number {
    const id = session.job("erase-copies")?.id ?? "";
    let called = 0;
    for (let at = 0; ;) {
      const { calls, lastCopy } = readCopyCalls(session.unit(), at);
      if (calls.length === 0) return called;
      const told = calls.map((call) => ({ ...call, isConfirmed: true, further: [] }));
      called += calls.filter(({ erased }) => erased.length > 0).length;
      confirmCopyErasures(
        session.unit(),
        id,
        told.map((one) => ({ ...one, isConfirmed: isConfirmed(one) })),
        0,
      );
      at = lastCopy;
    }
  }

  it("is notified of erasures as far as the longest copy that was made under its id", () => {
    const session = withMessages(9);
    session.store.lineage.putCopy(OWN, "copy", 6);
    session.store.lineage.putCopy(OWN, "copy", 2);
    for (const seq of [6, 7]) tellCopies(session.unit(), seq);
    expect(nextRound(session)).toEqual([["copy", [{ source: OWN, seqs: [6] }]]]);
    expect(session.job("erase-copies")).toBeDefined();
  });

  it("costs an erasure no row, even if there are thousands", () => {
    const session = withMessages(9);
    for (let at = 0; at < 3_000; at += 1)
      session.store.lineage.putCopy(OWN, `copy-${at}`, at % 3 === 0 ? null : at % 9);
    const rowsWritten = (): number => Number(session.sql.exec("SELECT total_changes() AS n").one()["n"]);
    const before = rowsWritten();
    eraseMessage(session.unit(), serverId(4));
    expect(rowsWritten() - before).toBeLessThan(40);
    const concerned = Array.from({ length: 3_000 }, (_, at) => at).filter((at) => at % 3 === 0 || at % 9 >= 4).length;
    expect(tellAll(session)).toBe(concerned);
    expect(session.store.lineage.hasPendingErasures()).toBe(false);
    const end = rowsWritten();
    eraseSession(session.unit());
    // As many as the session has messages and summaries, and none for each copy.
    expect(rowsWritten() - end).toBeLessThan(200);
  });

  it("is notified of many erasures in few calls, and of later ones in one more", () => {
    const session = withMessages(9);
    for (let at = 0; at < 40; at += 1) session.store.lineage.putCopy(OWN, `copy-${at}`, null);
    for (let seq = 1; seq <= 600; seq += 1) tellCopies(session.unit(), seq);
    // One of them has yet to confirm the second part, which does not count as confirmed when the third one is.
    const late = session.store.lineage.pendingCopies(0, 1)[0]?.row ?? 0;
    expect(tellAll(session, ({ copy, afterRow }) => copy !== late || afterRow !== 250)).toBe(40 * 3);
    expect(nextRound(session)).toMatchObject([
      ["copy-0", [{ seqs: { length: 250, 0: 251 } }]],
      ["copy-0", [{ seqs: { length: 100, 0: 501 } }]],
    ]);
    // It is not asked again at once, and again and again, because it confirms the third part and not the second.
    waitForCopies(session.unit(), session.job("erase-copies")?.id ?? "", 0.5);
    const later = session.job("erase-copies")?.nextSendAt;
    expect(tellAll(session, ({ afterRow }) => afterRow !== 250)).toBe(2);
    expect(session.job("erase-copies")?.nextSendAt).toBe(later);
    expect(tellAll(session)).toBe(2);
    expect(session.job("erase-copies")).toBeUndefined();
    tellCopies(session.unit(), 601);
    expect(nextRound(session)).toHaveLength(40);
    expect(nextRound(session)[0]).toEqual(["copy-0", [{ source: OWN, seqs: [601] }]]);
  });

  it("that is made later is not notified of what was erased before", () => {
    const session = withMessages(9);
    session.store.lineage.putCopy(OWN, "before", null);
    tellCopies(session.unit(), 1);
    session.store.lineage.putCopy(OWN, "after", null);
    tellCopies(session.unit(), 2);
    expect(nextRound(session)).toEqual([
      ["before", [{ source: OWN, seqs: [1, 2] }]],
      ["after", [{ source: OWN, seqs: [2] }]],
    ]);
  });

  it("is notified after those that an earlier delivery notified", () => {
    const session = withMessages(3);
    for (const copy of ["a", "b", "c"]) session.store.lineage.putCopy(OWN, copy, null);
    tellCopies(session.unit(), 2);
    const id = session.job("erase-copies")?.id ?? "";
    const [, second] = session.store.lineage.pendingCopies(0, 2);
    confirmCopyErasures(session.unit(), id, [], second?.row ?? 0);
    const next = session.job("erase-copies")?.throughSeq ?? 0;
    expect(nextRound(session, next).map(([copy]) => copy)).toEqual(["c"]);
    waitForCopies(session.unit(), id, 0.5);
    expect(session.job("erase-copies")?.throughSeq).toBe(0);
    expect(tellAll(session)).toBe(3);
    expect(session.job("erase-copies")).toBeUndefined();
  });

  describe("of a copy", () => {
    const FORK = { session: "fork", epoch: "fork-epoch" };
    const CONTINUATION = { session: "continuation", epoch: "continuation-epoch" };

    /** A copy of this session names copies of its own when it is told of the erasure of messages 2, 5 and then 8. */
    function named(by: typeof FORK, took: "messages" | "items") {
      const session = withMessages(9);
      session.store.lineage.putCopy(OWN, by.session, took === "items" ? null : 6);
      for (const seq of [2, 5]) tellCopies(session.unit(), seq);
      const own = { by, took, copies: [{ session: "grandchild", throughSeq: took === "items" ? null : 4 }] };
      const further = [{ own, ofEnded: [] }];
      const id = session.job("erase-copies")?.id ?? "";
      const { calls } = readCopyCalls(session.unit(), 0);
      tellCopies(session.unit(), 8);
      confirmCopyErasures(
        session.unit(),
        id,
        calls.map((call) => ({ ...call, isConfirmed: true, further })),
        0,
      );
      return { session, further };
    }

    it("is notified, as of messages of the fork, of those that both took", () => {
      const { session } = named(FORK, "messages");
      expect(nextRound(session)).toEqual([["grandchild", [{ source: FORK, seqs: [2] }]]]);
      tellAll(session);
      expect(session.store.lineage.hasPendingErasures()).toBe(false);
    });

    it("is notified of items that it has by way of a continuation, and not before the continuation was", () => {
      const { session } = named(CONTINUATION, "items");
      expect(nextRound(session)).toEqual([
        [CONTINUATION.session, [{ source: OWN, seqs: [8] }]],
        ["grandchild", [{ source: OWN, seqs: [2, 5], through: CONTINUATION }]],
      ]);
    });

    it("is notified once for each way by which it is reached, and once more if sessions continue from each other", () => {
      const session = withMessages(9);
      session.store.lineage.putCopy(OWN, "a", null);
      tellCopies(session.unit(), 2);
      const id = session.job("erase-copies")?.id ?? "";
      const ref = (name: string) => ({ session: name, epoch: `${name}-epoch` });
      // Each has items of the one before it, and the first has some of the last.
      const takers: Record<string, string[]> = { a: ["b"], b: ["c"], c: ["a", "fork"], fork: ["d"], d: [] };
      const told: string[] = [];
      for (let round = 0; round < 20; round += 1) {
        const { calls } = readCopyCalls(session.unit(), 0);
        const answers = calls.map((call) => {
          const [{ source, through } = { source: OWN, through: undefined }] = call.erased;
          told.push(`${call.session}: ${source.session} by ${through?.session ?? "itself"}`);
          const took = call.session === "fork" ? ("items of a fork" as const) : ("items" as const);
          const copies = (takers[call.session] ?? []).map((name) => ({ session: name, throughSeq: null }));
          return {
            ...call,
            isConfirmed: true,
            further: [{ own: { by: ref(call.session), took, copies }, ofEnded: [] }],
          };
        });
        confirmCopyErasures(session.unit(), id, answers, 0);
      }
      expect(told).toEqual([
        "a: chat by itself",
        "b: chat by a",
        "c: chat by a",
        "a: chat by a",
        "fork: chat by a",
        "b: chat by chat",
        "d: fork by fork",
        "c: chat by chat",
        "a: chat by chat",
        "fork: chat by chat",
      ]);
      expect(session.store.lineage.hasPendingErasures()).toBe(false);
    });

    it("is notified of the fork's messages when the session that was forked is erased as a whole", () => {
      const { session } = named(FORK, "messages");
      const origin = { session: "origin", epoch: "origin-epoch" };
      tellCopiesOfEnd(session.unit(), [origin]);
      const [call] = readCopyCalls(session.unit(), 0).calls;
      expect(call?.erased).toEqual([
        { source: OWN, seqs: null },
        { source: origin, seqs: null, through: OWN, isCutOff: true },
      ]);
      const own = { by: FORK, took: "messages" as const, copies: [{ session: "grandchild", throughSeq: 4 }] };
      const told = call === undefined ? [] : [{ ...call, isConfirmed: true, further: [{ own, ofEnded: [] }] }];
      confirmCopyErasures(session.unit(), session.job("erase-copies")?.id ?? "", told, 0);
      expect(nextRound(session)).toEqual([
        [
          "grandchild",
          [
            { source: FORK, seqs: null, throughSeq: 4 },
            { source: origin, seqs: null, through: FORK, isCutOff: true },
          ],
        ],
      ]);
    });

    it("is notified of an epoch of the copy that is over, and passed on until it has confirmed", () => {
      const session = withMessages(9);
      session.store.lineage.putCopy(OWN, "again", null);
      tellCopies(session.unit(), 2);
      const ended = { session: "again", epoch: "ended" };
      const copies = [{ session: "its copy", source: ended, via: null, throughSeq: 3 }];
      const further = [{ own: null, ofEnded: [{ root: "ended", erased: [ended], copies }] }];
      const id = session.job("erase-copies")?.id ?? "";
      const { calls } = readCopyCalls(session.unit(), 0);
      // Both parts of its answer name it.
      for (const told of [calls, calls]) {
        confirmCopyErasures(
          session.unit(),
          id,
          told.map((call) => ({ ...call, isConfirmed: true, further })),
          0,
        );
      }
      expect(nextRound(session)).toEqual([["its copy", [{ source: ended, seqs: null }]]]);
      expect(answerFor(session.unit(), [], 0).further).toEqual({
        own: null,
        ofEnded: [{ root: "ended", erased: [ended], copies: [expect.objectContaining({ session: "its copy" })] }],
      });
      tellAll(session);
      expect(answerFor(session.unit(), [], 0).further).toEqual({ own: null, ofEnded: [] });
    });
  });
});
