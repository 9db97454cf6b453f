import { expect, it, onTestFinished } from "vitest";
import { call, makeStateDirectory, startOwnService } from "../support/service.ts";
import { removeDirectory } from "../support/temporary-directory.ts";

/** Rounds of load and kill -9. `THREADKEEP_KILLS` runs more. */
const ROUNDS = Number(process.env["THREADKEEP_KILLS"] ?? 2);
const SESSIONS = 8;

interface Log {
  /** What was answered: the seq by the message's id. */
  readonly acknowledged: Map<string, number>;
  /** What was sent last, answered or not: sent again after the crash, as a client would. */
  lost: string[];
}

it("loses no acknowledged message to kill -9 under load, and doubles none", async () => {
  const stateDir = makeStateDirectory();
  onTestFinished(() => removeDirectory(stateDir));
  const logs = Array.from({ length: SESSIONS }, (): Log => ({ acknowledged: new Map(), lost: [] }));
  let service = await startOwnService({ stateDir });

  const append = async (index: number, ids: readonly string[]): Promise<boolean> => {
    const messages = ids.map((id) => ({
      id,
      role: "user",
      content: `${id} says: ${"words and more words ".repeat(20)}`,
    }));
    const answer = await call<{ messages: { id: string; seq: number }[] }>(
      service,
      "POST",
      `/v1/sessions/chat-${index}/messages`,
      { body: { messages } },
    ).catch(() => null);
    if (answer === null || answer.status >= 500) return false;
    expect([200, 201]).toContain(answer.status);
    for (const { id, seq } of answer.body.messages) {
      const before = logs[index]?.acknowledged.get(id);
      if (before !== undefined) expect(seq).toBe(before);
      logs[index]?.acknowledged.set(id, seq);
    }
    return true;
  };

  for (let round = 0; round < ROUNDS; round += 1) {
    let isDown = false;
    const writers = logs.map(async (log, index) => {
      for (let turn = 0; ; turn += 1) {
        const ids = [`${round}-${turn}-a`, `${round}-${turn}-b`, `${round}-${turn}-c`];
        if (isDown || !(await append(index, ids))) {
          log.lost = ids;
          return;
        }
      }
    });
    const enough = (): boolean => logs.every((log) => log.acknowledged.size > (round + 1) * 60);
    while (!enough()) await new Promise((resolve) => setTimeout(resolve, 5));
    await service.kill9();
    isDown = true;
    await Promise.all(writers);
    service = await startOwnService({ stateDir });
    // A client does not know whether the answer or the request was lost: it sends the same again.
    for (const [index, log] of logs.entries()) expect(await append(index, log.lost)).toBe(true);
  }

  for (const [index, { acknowledged }] of logs.entries()) {
    const stored: { id: string; seq: number }[] = [];
    for (let afterSeq = 0; ;) {
      const page = await call<{ data: { id: string; seq: number }[]; hasMore: boolean }>(
        service,
        "GET",
        `/v1/sessions/chat-${index}/messages?afterSeq=${afterSeq}&limit=100`,
      );
      stored.push(...page.body.data);
      if (!page.body.hasMore) break;
      afterSeq = page.body.data.at(-1)?.seq ?? afterSeq;
    }
    expect(stored.map(({ seq }) => seq)).toEqual(stored.map((_, place) => place + 1));
    expect(new Set(stored.map(({ id }) => id)).size).toBe(stored.length);
    const seqs = new Map(stored.map(({ id, seq }) => [id, seq]));
    for (const [id, seq] of acknowledged) expect(seqs.get(id), `${id} was acknowledged`).toBe(seq);
  }
}, 240_000);
