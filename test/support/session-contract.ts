import { describe, expect, it } from "vitest";
import { describeAppends } from "./append-contract.ts";
import { describeContexts } from "./context-contract.ts";
import { newId, said, turns } from "./contract-turns.ts";
import type { SessionSurface } from "./session-surface.ts";

/** The sessions of one part of the contract tests. Further sessions that a test needs may use another surface. */
interface Part {
  readonly operations: readonly (keyof SessionSurface)[];
  readonly describe: (open: () => SessionSurface) => void;
}

/**
 * What all surfaces with the operations on sessions have in common, as one set of assertions.
 * @param offers what the surface itself offers, by default everything
 */
export function describeSessionContract(
  name: string,
  open: () => SessionSurface,
  offers: readonly (keyof SessionSurface)[] = PARTS.flatMap(({ operations }) => operations),
): void {
  const offered = PARTS.filter(({ operations }) => operations.every((operation) => offers.includes(operation)));
  describe(`sessions over ${name}`, () => {
    for (const part of offered) part.describe(open);
  });
}

function describeSessions(open: () => SessionSurface): void {
  it("are not created by a refused request", async () => {
    const surface = open();
    const id = newId();
    const faulty = surface.append(id, { messages: [said("bad", "a/b")] });
    await expect(faulty).rejects.toMatchObject({ code: "validation_failed" });
    await expect(surface.state(id)).rejects.toMatchObject({ code: "session_not_found", status: 404 });
  });

  it("return the log by page in both directions, and a message by its id", async () => {
    const surface = open();
    const id = newId();
    await surface.append(id, { messages: turns(7) });
    const seqs = async (query: Parameters<SessionSurface["messages"]>[1]): Promise<(number | boolean)[]> => {
      const page = await surface.messages(id, query);
      return [...page.data.map(({ seq }) => seq), page.hasMore];
    };
    expect(await seqs({ limit: 3 })).toEqual([1, 2, 3, true]);
    expect(await seqs({ limit: 3, afterSeq: 5 })).toEqual([6, 7, false]);
    expect(await seqs({ limit: 3, beforeSeq: 6 })).toEqual([3, 4, 5, true]);
    expect(await surface.message(id, "turn-4")).toMatchObject({ ...turns(4)[3], seq: 4 });
    await expect(surface.message(id, "turn-8")).rejects.toMatchObject({ code: "message_not_found", status: 404 });
    await expect(surface.messages(id, { limit: 101 })).rejects.toMatchObject({ code: "validation_failed" });
  });

  it("edit a message in its place, erase one except for its seq, and find neither's old words", async () => {
    const surface = open();
    const id = newId();
    await surface.append(id, { messages: [...turns(4), said("The password is swordfish.", "secret")] });
    expect(await surface.edit(id, "turn-2", { content: "Changed." })).toMatchObject({ seq: 2, content: "Changed." });
    expect(await surface.erase(id, "secret")).toMatchObject({ id: "secret", seq: 5 });
    expect(await surface.message(id, "secret")).toMatchObject({ seq: 5, erased: true });
    await expect(surface.edit(id, "secret", { content: "back" })).rejects.toMatchObject({ code: "message_erased" });
    await expect(surface.edit(id, "turn-1", {})).rejects.toMatchObject({ code: "validation_failed" });
    expect((await surface.search(id, { query: "swordfish password" })).data).toEqual([]);
    expect((await surface.search(id, { query: "crate 7002" })).data[0]?.message.id).toBe("turn-3");
  });

  it("say when a message was said by its author's clock; a fork and a retry may use another clock", async () => {
    const surface = open();
    const id = newId();
    const late = { ...said("The ferry leaves tomorrow.", "late"), occurredAt: "2026-07-01T23:30:00.000-07:00" };
    await surface.append(id, { messages: [late] });
    const again = { ...late, occurredAt: "2026-07-02T06:30:00Z" };
    expect(await surface.append(id, { messages: [again] })).toMatchObject({ messages: [{ created: false }] });
    const fork = await surface.fork(id, { throughSeq: 1 });
    for (const session of [id, fork.id]) {
      expect(await surface.message(session, "late")).toMatchObject({ occurredAt: late.occurredAt });
    }
  });

  it("pin and unpin a message, which does not change its text, and a fork has the pin", async () => {
    const surface = open();
    const id = newId();
    const pin = { ...said("My boat is called Nele.", "pin"), pinned: true };
    await surface.append(id, { messages: [pin, ...turns(6)] });
    expect(await surface.append(id, { messages: [pin] })).toMatchObject({ messages: [{ created: false }] });
    expect(await surface.message(id, "pin")).toMatchObject({ pinned: true, content: "My boat is called Nele." });
    const fork = await surface.fork(id, { throughSeq: 2 });
    expect(await surface.message(fork.id, "pin")).toMatchObject({ pinned: true });
    const unpinned = await surface.edit(id, "pin", { pinned: false });
    expect(unpinned).not.toHaveProperty("pinned");
    expect(unpinned).not.toHaveProperty("editedAt");
    const pinnedLater = await surface.edit(id, "turn-1", { pinned: true });
    expect(pinnedLater).toMatchObject({ pinned: true, content: turns(1)[0]?.content });
    const { messages } = await surface.context(id, { maxTokens: 4_000, format: "threadkeep" });
    expect(messages.filter(({ pinned }) => pinned === true).map((message) => message.id)).toEqual(["turn-1"]);
  });

  it("are created once, updated in part, forked, and gone when they are deleted", async () => {
    const surface = open();
    const id = newId();
    const made = await surface.create({ id, metadata: { topic: "crates" }, settings: { maxTokens: 2_000 } });
    expect(made).toMatchObject({ id, headSeq: 0, metadata: { topic: "crates" }, settings: { maxTokens: 2_000 } });
    expect(await surface.create({ id, metadata: { other: 1 } })).toEqual(made);
    await surface.append(id, { messages: turns(3) });
    const updated = await surface.update(id, { metadata: { topic: "ports" } });
    expect(updated).toMatchObject({ metadata: { topic: "ports" }, settings: { maxTokens: 2_000 } });
    const fork = await surface.fork(id, { id: `${id}-fork`, throughSeq: 2 });
    expect(fork).toMatchObject({ headSeq: 2, origin: { session: id, kind: "fork" } });
    expect(await surface.delete(id)).toMatchObject({ id });
    await expect(surface.state(id)).rejects.toMatchObject({ code: "session_not_found", status: 404 });
    await expect(surface.delete(id)).rejects.toMatchObject({ code: "session_not_found" });
  });

  it("are summarized on request, and list the versions", async () => {
    const surface = open();
    const id = newId();
    await surface.append(id, { messages: turns(30) });
    const { job, summary } = await surface.summarize(id, { keepRecentTokens: 100, waitMs: 10_000 });
    expect(job).toMatchObject({ kind: "summarize", state: "done" });
    expect(summary?.items.length).toBeGreaterThan(0);
    // The list also says what it cost.
    expect((await surface.summaries(id, {})).data).toEqual([{ ...summary, usage: { durationMs: expect.any(Number) } }]);
    expect(await surface.context(id, { format: "threadkeep" })).toMatchObject({ summary: { version: 1 } });
  });

  it("report what a version of the summary changed, and what it lost", async () => {
    const surface = open();
    const id = newId();
    await surface.append(id, { messages: turns(30) });
    const { summary: first } = await surface.summarize(id, { keepRecentTokens: 100, waitMs: 10_000 });
    const version = first?.version ?? 0;
    expect(await surface.summaryChanges(id, version, {})).toEqual({
      version,
      from: null,
      kept: [],
      reworded: [],
      dropped: [],
      added: first?.items,
    });
    await surface.append(id, { messages: [said("The code of the gate is 88-314.", "gate"), ...turns(12)] });
    const { summary: second } = await surface.summarize(id, { keepRecentTokens: 0, waitMs: 10_000 });
    const next = await surface.summaryChanges(id, second?.version ?? 0, { from: version });
    expect(next).toMatchObject({ version: second?.version, from: version });
    expect(next.kept.length + next.reworded.length + next.added.length).toBe(second?.items.length);
    expect(next.kept.length + next.reworded.length + next.dropped.length).toBe(first?.items.length);
    const lost = await surface.losses(id, version, { limit: 2 });
    expect(lost.data.length).toBeLessThanOrEqual(2);
    await expect(surface.losses(id, 99, {})).rejects.toMatchObject({ code: "summary_not_found", status: 404 });
    await expect(surface.summaryChanges(id, version, { from: 99 })).rejects.toMatchObject({
      code: "summary_not_found",
    });
  });

  it("restore an earlier version of the summary", async () => {
    const surface = open();
    const id = newId();
    await surface.append(id, { messages: turns(30) });
    const { summary: first } = await surface.summarize(id, { keepRecentTokens: 100, waitMs: 10_000 });
    await surface.append(id, { messages: [said("The code of the gate is 88-314.", "gate")] });
    await surface.summarize(id, { keepRecentTokens: 0, waitMs: 10_000 });
    await expect(surface.restoreSummary(id, 1, { expectedVersion: 1 })).rejects.toMatchObject({
      code: "summary_version_mismatch",
      status: 409,
    });
    const restored = { ...first, version: 3 };
    expect(await surface.restoreSummary(id, 1, { expectedVersion: 2 })).toEqual(restored);
    expect(await surface.restoreSummary(id, 1, { expectedVersion: 2 })).toEqual(restored);
    expect((await surface.summaries(id, {})).data).toEqual([
      restored,
      { ...first, usage: { durationMs: expect.any(Number) } },
    ]);
    expect(await surface.context(id, { format: "threadkeep" })).toMatchObject({ summary: { version: 3 } });
    await expect(surface.restoreSummary(id, 2, {})).rejects.toMatchObject({ code: "summary_not_found", status: 404 });
  });
}

function describeBranches(open: () => SessionSurface): void {
  it("start a branch after a message, and go back to the one before", async () => {
    const surface = open();
    const id = newId();
    await surface.append(id, { messages: turns(4) });
    const anew = { ...said("Said anew.", "anew"), afterSeq: 1 };
    expect(await surface.append(id, { messages: [anew] })).toMatchObject({ headSeq: 5 });
    const shown = async (): Promise<number[]> => {
      const context = await surface.context(id, { format: "threadkeep" });
      return context.messages.map(({ seq }) => seq);
    };
    expect(await shown()).toEqual([1, 5]);
    expect(await surface.branch(id, { headSeq: 4 })).toMatchObject({ headSeq: 4, lastSeq: 5 });
    expect(await shown()).toEqual([1, 2, 3, 4]);
    await expect(surface.branch(id, { headSeq: 6 })).rejects.toMatchObject({ code: "validation_failed", status: 422 });
    await expect(surface.append(id, { messages: [{ ...anew, afterSeq: 2 }] })).rejects.toMatchObject({
      code: "message_conflict",
    });
  });
}

const PARTS: readonly Part[] = [
  { operations: ["append"], describe: describeAppends },
  { operations: ["context"], describe: describeContexts },
  { operations: ["append", "context", "branch"], describe: describeBranches },
  {
    operations: [
      "create",
      "state",
      "update",
      "delete",
      "fork",
      "messages",
      "message",
      "edit",
      "erase",
      "search",
      "summarize",
      "summaries",
      "summaryChanges",
      "losses",
      "restoreSummary",
    ],
    describe: describeSessions,
  },
];
