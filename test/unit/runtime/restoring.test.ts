import { describe, expect, it } from "vitest";
import { eraseMessage } from "../../../src/session/erase/erase.ts";
import { switchBranch } from "../../../src/session/log/switch-branch.ts";
import { restoreSummary } from "../../../src/session/summary/restore.ts";
import { beginSummary, saveAnswer } from "../../../src/session/summary/run.ts";
import { NodeSession, NOON, outcomeOf } from "./node-session.ts";

/** Three versions: the second drops an item of the first, the third one of the second. */
function withVersions(): NodeSession {
  const session = new NodeSession();
  session.say(9);
  session.summarize(1, 2, [{ text: "message number 0", sourceSeqs: [1] }]);
  session.summarize(2, 4, [{ text: "message number 3", sourceSeqs: [4] }], {}, ["1.1"]);
  session.summarize(3, 6, [{ text: "message number 5", sourceSeqs: [6] }], {}, ["2.1"]);
  return session;
}

function restore(session: NodeSession, version: number, expectedVersion?: number) {
  const asked = session.store.summaries.byVersion(version);
  if (asked === null) throw new Error(`there is no version ${version}`);
  const request = expectedVersion === undefined ? {} : { expectedVersion };
  return outcomeOf(() => restoreSummary(session.unit(), asked, request));
}

function versionsOf({ store }: NodeSession): number[][] {
  return store.summaries.between(0, 99, 99).map(({ version, throughSeq }) => [version, throughSeq]);
}

function textsOf({ store }: NodeSession): string[] {
  return store.summaries.items(store.summaries.newest()?.version ?? 0).map(({ text }) => text);
}

describe("a restored version of the summary", () => {
  it("is the newest again under a new number, and later versions are gone from the object and from the archive", () => {
    const session = withVersions();
    expect(restore(session, 2)).toMatchObject({ ok: true, value: { isChanged: true } });
    expect(versionsOf(session)).toEqual([
      [1, 2],
      [2, 4],
      [4, 4],
    ]);
    expect(textsOf(session)).toEqual(["message number 3"]);
    expect(session.sql.exec("SELECT 1 FROM item_blocks WHERE items LIKE '%message number 5%'").toArray()).toEqual([]);
    expect(session.row.archiveReplace).toBe(true);
    expect(session.job("archive")).toBeDefined();
    expect(session.store.feed.after(0, 9)).toMatchObject([{ kind: "summarized", version: 4, throughSeq: 4 }]);
  });

  it("changes nothing if it is the newest already, whatever version the repeated request expects", () => {
    const session = withVersions();
    expect(restore(session, 3)).toEqual({ ok: true, value: { isChanged: false, tokens: 0 } });
    restore(session, 1, 3);
    const before = session.disk.dump();
    expect(restore(session, 1, 3)).toEqual({ ok: true, value: { isChanged: false, tokens: 0 } });
    expect(session.disk.dump()).toBe(before);
  });

  it("is refused if the newest version is not the one that the caller has seen", () => {
    const session = withVersions();
    expect(restore(session, 1, 2)).toMatchObject({
      ok: false,
      fault: { code: "summary_version_mismatch", facts: { version: 3 } },
    });
    expect(versionsOf(session)).toHaveLength(3);
  });

  it("keeps items that were carried over since", () => {
    const session = withVersions();
    session.summarize(4, 6, [{ text: "Ada lives in Lisbon", sourceSession: "old", sourceEpoch: "an-epoch" }]);
    restore(session, 2);
    expect(textsOf(session).toSorted()).toEqual(["Ada lives in Lisbon", "message number 3"]);
  });

  it("is refused if it covers a message that was erased since; one from before that message leaves nothing to rebuild", () => {
    const session = withVersions();
    eraseMessage(session.unit(), "seq-3");
    expect(session.job("summarize")?.goal).toEqual({ is: "rebuild", lastKept: 1, isFromScratch: false });
    expect(restore(session, 2)).toMatchObject({ ok: false, fault: { code: "summary_not_restorable" } });
    expect(restore(session, 1)).toMatchObject({ ok: true, value: { isChanged: true } });
    expect(versionsOf(session)).toEqual([
      [1, 2],
      [4, 2],
    ]);
    expect(session.job("summarize")).toMatchObject({ goal: { is: "continue" }, throughSeq: 6 });
    expect(session.store.summaries.isAnyHidden()).toBe(false);
  });

  it("is refused if it belongs to another branch, and can be restored once that is active", () => {
    const session = withVersions();
    session.append([{ role: "user", content: "said anew", afterSeq: 3 }]);
    expect(restore(session, 2)).toMatchObject({
      ok: false,
      fault: { code: "summary_not_restorable", detail: expect.stringContaining("another branch") },
    });
    switchBranch(session.unit(), { headSeq: 9 });
    expect(restore(session, 2)).toMatchObject({ ok: true, value: { isChanged: true } });
  });

  it("is the base of the next summary: an answer that was on its way is ignored", () => {
    const session = withVersions();
    const { id } = session.schedule("summarize", { throughSeq: 8 });
    const late = beginSummary(
      session.unit(NOON, () => "early"),
      id,
    );
    expect(late).toMatchObject({ request: { previous: [{ text: "message number 5" }] } });
    restore(session, 1);
    const answer = { model: "model", items: [] };
    const save = (lease: string) => saveAnswer(session.unit(), id, lease, answer, null);
    expect(save("early")).toMatchObject({ committedVersion: null });
    const begun = beginSummary(
      session.unit(NOON, () => "anew"),
      id,
    );
    expect(begun).toMatchObject({ request: { previous: [{ text: "message number 0" }] } });
    expect(begun.next === "call" ? begun.request.messages.map(({ seq }) => seq) : []).toEqual([3, 4, 5, 6, 7, 8]);
    expect(save("anew")).toMatchObject({ committedVersion: 5 });
    expect(versionsOf(session)).toEqual([
      [1, 2],
      [4, 2],
      [5, 8],
    ]);
  });

  it("ends a job that has nothing left to cover, and keeps the job that replaces it if it is degraded", () => {
    const session = new NodeSession();
    session.say(6);
    session.summarize(1, 2, [], { degraded: true });
    session.summarize(2, 2, [{ text: "message number 1", sourceSeqs: [2] }]);
    session.schedule("summarize", { throughSeq: 2, goal: { is: "from-scratch" } });
    restore(session, 1);
    expect(session.job("summarize")).toMatchObject({
      goal: { is: "upgrade", lastKept: 0, isFromScratch: false },
      throughSeq: 2,
    });
    const other = withVersions();
    other.summarize(4, 6, [{ text: "message number 1", sourceSeqs: [2] }]);
    other.schedule("summarize", { throughSeq: 6, goal: { is: "from-scratch" } });
    restore(other, 3);
    expect(other.job("summarize")).toBeUndefined();
  });

  it("is refused while an operator's rebuild is pending", () => {
    const session = withVersions();
    session.schedule("summarize", { throughSeq: 6, goal: { is: "rebuild", lastKept: 0, isFromScratch: true } });
    expect(restore(session, 1)).toMatchObject({ ok: false, fault: { code: "summary_not_restorable" } });
  });

  it("makes a summary due of what only later versions covered, if that is more than may stay verbatim", () => {
    const session = new NodeSession({ settings: { summarizeAfterTokens: 200, keepRecentTokens: 20 } });
    session.say(40);
    session.summarize(1, 2);
    session.summarize(2, 34);
    restore(session, 1);
    expect(session.job("summarize")).toMatchObject({ state: "pending", goal: { is: "continue" } });
    expect(session.job("summarize")?.throughSeq).toBeGreaterThan(30);
  });
});
