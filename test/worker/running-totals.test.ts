import { describe, expect, it } from "vitest";
import { MAX_BYTES_PER_SESSION } from "../../src/api/limits.ts";
import type { SessionLimits } from "../../src/api/quota.ts";
import { UNSET_TENANT } from "../../src/api/tenant.ts";
import { byteLength } from "../../src/api/text.ts";
import { contentTokens } from "../../src/prompt/message-text.ts";
import { messageCostOf } from "../../src/session/sqlite/rows.ts";
import { SessionStore } from "../../src/session/store.ts";
import {
  billed,
  chatOf,
  creationOf,
  epochOf,
  evictDurableObject,
  forkOf,
  freshRef,
  letPass,
  pendingJobs,
  ring,
  runInDurableObject,
  said,
  sessionAt,
  type SessionRef,
  stubAt,
  totalOf,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";

const HOUR_MS = 3_600_000;

/** An answer of about this many tokens. */
function answer(tokens: number, seed = 0): string {
  const words = ["invoice", "Lisbon", "Friday", "Ada", "budget", "office", "contract", "meeting"];
  return Array.from({ length: tokens }, (_, index) => words[(index * 7 + seed) % words.length]).join(" ");
}

function edit(ref: SessionRef, id: string, content: string) {
  return withoutAlarm(ref, (session) => session.editMessage(id, { content }));
}

/** The expected totals, computed from the messages, and the store's totals. */
function totalsOf(ref: SessionRef) {
  return runInDurableObject(stubAt(ref), (_, { storage }) => {
    const { messages, totals } = new SessionStore(storage.sql);
    const rows = [...messages.forward(1, Number.MAX_SAFE_INTEGER)];
    let [cost, bytes] = [0, 0];
    const summed = rows.map((row) => {
      cost += messageCostOf(row);
      bytes += row.content === null ? 0 : byteLength(JSON.stringify(row.content));
      return cost;
    });
    const head = messages.head();
    return {
      summed: { costs: summed, cost, bytes },
      told: {
        costs: rows.map(({ seq }) => totals.costAt(seq)),
        cost: head?.totalCost ?? 0,
        bytes: head?.totalBytes ?? 0,
      },
    };
  });
}

async function flawsOf(ref: SessionRef): Promise<unknown[]> {
  const report = await sessionAt(ref).checkLogIntegrity(await epochOf(ref), 0);
  return [...(report?.flaws ?? [])];
}

describe("the running totals", () => {
  it("are those of the messages as they are, whatever was appended, edited and erased, in any order", async () => {
    const ref = await chatOf(300, { words: 5 });
    let state = 17;
    const random = (below: number): number => {
      state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
      return state % below;
    };
    for (let step = 0; step < 60; step += 1) {
      const id = `turn-${1 + random(300)}`;
      const kind = random(4);
      if (kind === 0) unwrap(await sessionAt(ref).append({ messages: [said(answer(random(20)))] }, null));
      else if (kind === 1) unwrap(await withoutAlarm(ref, (session) => session.eraseMessage(id)));
      else await edit(ref, id, answer(random(40), step));
      if (step === 30) await evictDurableObject(stubAt(ref));
    }
    const { summed, told } = await totalsOf(ref);
    expect(told).toEqual(summed);
    expect(unwrap(await sessionAt(ref).state())).toMatchObject({ messageTokens: told.cost, messageBytes: told.bytes });
    expect(await flawsOf(ref)).toEqual([]);
    const fork = await totalsOf(await forkOf(ref));
    expect(fork.told).toEqual(summed);
  });

  it("are restored if an edit is refused", async () => {
    const ref = await chatOf(3);
    const before = (await totalsOf(ref)).told;
    await runInDurableObject(stubAt(ref), (_, { storage }) => {
      storage.sql.exec("UPDATE session SET bytes_change = ?", MAX_BYTES_PER_SESSION - before.bytes - 1_000);
    });
    await evictDurableObject(stubAt(ref));
    expect(await edit(ref, "turn-2", answer(1_000))).toMatchObject({ ok: false, fault: { code: "session_full" } });
    expect((await totalsOf(ref)).told.costs).toEqual(before.costs);
    expect(unwrap(await sessionAt(ref).message("turn-2")).content).not.toContain("contract");
  });

  it("that are wrong are found: of a message, of a block, and of the session", async () => {
    const wrongs = [
      "UPDATE messages SET cost_change = cost_change + 1 WHERE seq = 2",
      "UPDATE cost_changes SET cost = cost + 1",
      "UPDATE session SET cost_change = cost_change + 1",
      "UPDATE session SET bytes_change = bytes_change + 1",
    ];
    for (const wrong of wrongs) {
      const ref = await chatOf(3);
      await edit(ref, "turn-1", answer(10));
      expect(await flawsOf(ref)).toEqual([]);
      await runInDurableObject(stubAt(ref), (_, { storage }) => storage.sql.exec(wrong).toArray());
      expect(await flawsOf(ref), wrong).toMatchObject([{ kind: "broken-log" }]);
    }
  });

  it("cost no more rows for an append after edits, and two for an edit", async () => {
    const ref = await chatOf(200, { words: 5 });
    const rowsOf = (body: Parameters<typeof billed>[1]): Promise<number> => billed(ref, body).then(totalOf);
    const metadata = (session: Parameters<Parameters<typeof billed>[1]>[0], round: number) =>
      session.editMessage("turn-3", { metadata: { round } });
    await rowsOf((session) => metadata(session, 1));
    const withoutChange = await rowsOf((session) => metadata(session, 2));
    await edit(ref, "turn-3", answer(30));
    const withChange = await rowsOf((session) => session.editMessage("turn-3", { content: answer(40) }));
    expect(withChange - withoutChange).toBeLessThanOrEqual(2);
    expect(await rowsOf((session) => session.append({ messages: [said("One more.", "more")] }, null))).toBe(1);
    expect(await rowsOf((session) => session.append({ messages: [said("One more.")] }, null))).toBe(1);
  });
});

describe("text that comes by an edit", () => {
  it("makes a summary due if it is enough, like appended text", async () => {
    const settings = { summarizeAfterTokens: 2_000, keepRecentTokens: 500, maxTokens: 4_000 };
    const whole = freshRef();
    const filled = freshRef();
    for (let round = 1; round <= 12; round += 1) {
      const question = said(`Question ${round}?`, `q-${round}`);
      const text = answer(250, round);
      for (const ref of [whole, filled]) {
        const given = { id: `a-${round}`, role: "assistant" as const, content: ref === whole ? text : "" };
        unwrap(
          await withoutAlarm(ref, (session) =>
            session.append({ messages: [question, given] }, creationOf(ref, settings)),
          ),
        );
      }
      unwrap(await edit(filled, `a-${round}`, text));
      const pending = async (ref: SessionRef) =>
        (await pendingJobs(ref)).map(({ kind, through_seq }) => [kind, through_seq]);
      expect(await pending(filled)).toEqual(await pending(whole));
    }
    expect(await pendingJobs(filled)).toHaveLength(1);
    expect(unwrap(await sessionAt(filled).state()).messageTokens).toBe(
      unwrap(await sessionAt(whole).state()).messageTokens,
    );
    const context = unwrap(await sessionAt(filled).context({}));
    expect(context).toEqual({
      ...unwrap(await sessionAt(whole).context({})),
      sessionId: filled.session,
      messages: expect.anything(),
      // The times of the messages, which differ.
      stableHash: expect.any(String),
    });
  });

  it("fills a session: an edit past its size is refused, and removed text makes room", async () => {
    const ref = await chatOf(4);
    const { messageBytes } = unwrap(await sessionAt(ref).state());
    await runInDurableObject(stubAt(ref), (_, { storage }) => {
      storage.sql.exec("UPDATE session SET bytes_change = ?", MAX_BYTES_PER_SESSION - messageBytes);
    });
    expect(await edit(ref, "turn-1", `${answer(100)}`)).toMatchObject({ ok: false, fault: { code: "session_full" } });
    unwrap(await edit(ref, "turn-1", "Short."));
    unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("turn-2")));
    unwrap(await edit(ref, "turn-1", answer(50)));
    unwrap(await sessionAt(ref).append({ messages: [said("Ok.")] }, null));
    expect(await sessionAt(ref).append({ messages: [said(answer(1_000))] }, null)).toMatchObject({
      ok: false,
      fault: { code: "session_full" },
    });
  });

  it("leads to a summary after a silence, if it is enough", async () => {
    const ref = await chatOf(8, { words: 5 });
    await letPass(ref, HOUR_MS);
    await ring(ref);
    expect(await pendingJobs(ref)).toEqual([]);
    for (const seq of [1, 2, 3]) unwrap(await edit(ref, `turn-${seq}`, answer(600, seq)));
    await letPass(ref, HOUR_MS);
    await ring(ref);
    expect(await pendingJobs(ref)).toMatchObject([{ kind: "summarize" }]);
  });

  it("postpones expiry, while an erasure does not", async () => {
    const ref = await chatOf(2, { settings: { expireAfterIdleSeconds: 3_600 } });
    const expiresAt = async () => Date.parse(unwrap(await sessionAt(ref).state()).expiresAt ?? "");
    const first = await expiresAt();
    await letPass(ref, HOUR_MS / 2);
    unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("turn-1")));
    expect(await expiresAt()).toBeLessThan(first);
    unwrap(await edit(ref, "turn-2", "Something else."));
    expect(await expiresAt()).toBeGreaterThanOrEqual(first);
  });
});

describe("the tokens of a session's day", () => {
  const tenantWith = (limits: SessionLimits, rev: number) => ({ ...UNSET_TENANT, rev, limits });

  /** A session with an empty answer, and this many tokens left for today. */
  async function placeholder(left: number): Promise<SessionRef> {
    const ref = freshRef();
    const messages = [said("A question?", "q"), { id: "a", role: "assistant" as const, content: "" }];
    unwrap(await sessionAt(ref).append({ messages }, creationOf(ref)));
    const { messageTokens } = unwrap(await sessionAt(ref).state());
    const tenant = tenantWith({ sessionTokensPerDay: messageTokens + left }, 1);
    unwrap(await sessionAt(ref).update({ metadata: {} }, tenant));
    return ref;
  }

  it("are used by edits, exactly, and an edit past them is refused as a whole", async () => {
    const text = answer(100);
    const tokens = contentTokens(text);
    const ref = await placeholder(tokens);
    unwrap(await edit(ref, "a", text));
    expect(await edit(ref, "a", `${text} And more.`)).toMatchObject({
      ok: false,
      fault: { code: "quota_exceeded", quota: { name: "tokens", remaining: 0 } },
    });
    expect(unwrap(await sessionAt(ref).message("a")).content).toBe(text);
    expect(await sessionAt(ref).append({ messages: [said("More.")] }, null)).toMatchObject({ ok: false });
  });

  it("are not returned by an edit that removes text, an erasure, or another epoch; removing text is always allowed", async () => {
    const text = answer(100);
    const ref = await placeholder(contentTokens(text));
    unwrap(await edit(ref, "a", text));
    unwrap(await edit(ref, "a", text.slice(0, 100)));
    expect(await edit(ref, "a", text)).toMatchObject({ ok: false, fault: { code: "quota_exceeded" } });
    unwrap(await withoutAlarm(ref, (session) => session.eraseMessage("a")));
    expect(await edit(ref, "q", text)).toMatchObject({ ok: false, fault: { code: "quota_exceeded" } });
    unwrap(await withoutAlarm(ref, (session) => session.erase()));
    const tenant = tenantWith({ sessionTokensPerDay: contentTokens(text) + 20 }, 2);
    const again = await sessionAt(ref).append({ messages: [said(text)] }, creationOf(ref), tenant);
    expect(again).toMatchObject({ ok: false, fault: { code: "quota_exceeded" } });
  });

  it("are used by texts that replace each other, although the session never grows", async () => {
    const ref = await placeholder(1_000);
    const texts = [answer(100, 1), answer(100, 2), answer(100, 3)];
    let edits = 0;
    while ((await edit(ref, "a", texts[edits % texts.length] ?? "")).ok) edits += 1;
    expect(edits).toBeLessThan(15);
    expect(edits).toBeGreaterThan(5);
  });

  it("are all available on the next day, also for messages of the day before", async () => {
    const text = answer(100);
    const ref = await placeholder(contentTokens(text));
    unwrap(await edit(ref, "a", text));
    expect((await edit(ref, "a", answer(200))).ok).toBe(false);
    await letPass(ref, 24 * HOUR_MS);
    unwrap(await edit(ref, "a", answer(90, 5)));
  });

  it("follow limits that came after the last append", async () => {
    const ref = await chatOf(1);
    const tenant = tenantWith({ sessionTokensPerDay: 10 }, 1);
    expect(
      await sessionAt(ref).editMessage("turn-1", { content: answer(300) }, undefined, undefined, tenant),
    ).toMatchObject({
      ok: false,
      fault: { code: "quota_exceeded" },
    });
  });
});
