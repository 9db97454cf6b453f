import { describe, expect, it } from "vitest";
import type { JobMessage } from "../../src/api/job.ts";
import type { SessionSettings } from "../../src/api/session.ts";
import { UNSET_TENANT } from "../../src/api/tenant.ts";
import { ProviderError } from "../../src/provider/provider-error.ts";
import {
  beside,
  chatOf,
  creationOf,
  deliver,
  forkOf,
  freshRef,
  jobOf,
  letPass,
  pendingJobs,
  pipelineDeps,
  quoting,
  request,
  runInDurableObject,
  said,
  scheduleSummary,
  sessionAt,
  type SessionRef,
  storedText,
  stubAt,
  summarizeBy,
  turn,
  until,
  untilExpired,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";
import { userOf } from "../support/worker-user.ts";

/** The usage of each call of the model. Two calls use the budget up. */
const USAGE = { inputTokens: 90, outputTokens: 10 };
const BUDGET: SessionSettings = { summarizerTokensPerDay: 200 };
const DAY_MS = 86_400_000;

/** A model that counts its calls, and can be made to fail after a paid call; next to it the free summarizer. */
function paidModel() {
  const model = {
    calls: 0,
    isDown: false,
    parts: pipelineDeps({
      summarizer: {
        async summarize(given) {
          model.calls += 1;
          if (model.isDown) throw new ProviderError("unreachable", "for the test", { usage: USAGE });
          return { ...quoting(given), usage: USAGE };
        },
      },
      fallback: { summarize: async (given) => quoting(given) },
    }),
  };
  return model;
}

/** Delivers the job of a summary to its consumer. */
async function summarize(ref: SessionRef, { parts }: ReturnType<typeof paidModel>): Promise<void> {
  const job = await jobOf(ref, "summarize");
  await deliver(job, parts);
  await withoutAlarm(ref, async () => undefined);
}

/** A chat with a first summary, which used half of the budget. */
async function summarizedChat(settings = BUDGET) {
  const ref = await chatOf(12, { settings });
  const model = paidModel();
  await scheduleSummary(ref);
  await summarize(ref, model);
  expect(model.calls).toBe(1);
  return { ref, model };
}

async function append(ref: SessionRef, settings?: SessionSettings): Promise<void> {
  const messages = Array.from({ length: 12 }, (_, index) => turn(index + 1));
  unwrap(await withoutAlarm(ref, (session) => session.append({ messages }, creationOf(ref, settings))));
}

async function spentRows(ref: SessionRef): Promise<unknown[]> {
  return runInDurableObject(stubAt(ref), (_, { storage }) =>
    storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'spent'").toArray().length === 0
      ? []
      : storage.sql.exec("SELECT * FROM spent").toArray(),
  );
}

/** Everything is erased, also from the archive, so that the object is empty. */
async function untilVanished(ref: SessionRef): Promise<void> {
  await until("nothing is left", async () => {
    for (const job of await pendingJobs(ref).catch(() => [])) {
      await deliver(await jobOf(ref, job["kind"] as JobMessage["kind"]));
    }
    return (await sessionAt(ref).remains()) === "nothing";
  });
}

describe("a session's budget for models in a day", () => {
  const ways: readonly [string, (ref: SessionRef, round: number) => Promise<unknown>][] = [
    [
      "edits",
      (ref, round) =>
        withoutAlarm(ref, (session) => session.editMessage("turn-1", { content: `Invoice ${round} it is.` })),
    ],
    ["erasures", (ref, round) => withoutAlarm(ref, (session) => session.eraseMessage(`turn-${round}`))],
    ["summaries from scratch", (ref) => scheduleSummary(ref, { keepRecentTokens: 0, fromScratch: true })],
    ["rebuilding", (ref) => withoutAlarm(ref, (session) => session.maintain("rebuild", false))],
  ];
  it.each(ways)("is not returned by %s, which delete what it was spent on", async (_, change) => {
    const { ref, model } = await summarizedChat();
    for (const round of [1, 2, 3, 4, 5]) {
      await change(ref, round);
      await summarize(ref, model);
    }
    expect(model.calls).toBe(2);
  });

  it("includes failed calls, also after their job was dropped", async () => {
    const ref = await chatOf(12, { settings: BUDGET });
    const model = paidModel();
    model.isDown = true;
    for (const round of [1, 2]) {
      const { jobId } = await scheduleSummary(ref);
      await summarize(ref, model);
      expect(model.calls).toBe(round);
      unwrap(await withoutAlarm(ref, (session) => session.dropJob(jobId)));
    }
    model.isDown = false;
    await scheduleSummary(ref);
    await summarize(ref, model);
    expect(model.calls).toBe(2);
    expect(unwrap(await sessionAt(ref).summaries(undefined, 1)).data[0]?.degraded).toBe(true);
  });

  it("includes an answer that comes too late to be used", async () => {
    const { ref, model } = await summarizedChat();
    await scheduleSummary(ref, { keepRecentTokens: 0, fromScratch: true });
    const { jobId, epoch } = await jobOf(ref, "summarize");
    const step = await sessionAt(ref).beginSummary(jobId, epoch);
    if (step.next !== "call") throw new Error("expected a call");
    const answer = { ...quoting(step.request), usage: USAGE };
    await withoutAlarm(ref, (session) => session.saveAnswer(jobId, epoch, "another lease", answer));
    await withoutAlarm(ref, (session) => session.saveAnswer(jobId, epoch, step.lease, quoting(step.request)));
    await scheduleSummary(ref, { keepRecentTokens: 0, fromScratch: true });
    await summarize(ref, model);
    expect(model.calls).toBe(1);
  });

  it("is full again on the next day", async () => {
    const { ref, model } = await summarizedChat({ summarizerTokensPerDay: 100 });
    await letPass(ref, DAY_MS);
    await scheduleSummary(ref, { keepRecentTokens: 0, fromScratch: true });
    await summarize(ref, model);
    expect(model.calls).toBe(2);
  });

  it("is not reset for a session that is erased and created again with the same id", async () => {
    const { ref, model } = await summarizedChat({ summarizerTokensPerDay: 100 });
    unwrap(await withoutAlarm(ref, (session) => session.erase()));
    await append(ref, { summarizerTokensPerDay: 100 });
    await scheduleSummary(ref);
    await summarize(ref, model);
    expect(model.calls).toBe(1);
  });

  it("is not reset if the erasure left nothing else in the object; at midnight that is deleted, too", async () => {
    const { ref, model } = await summarizedChat({ summarizerTokensPerDay: 100 });
    unwrap(await withoutAlarm(ref, (session) => session.erase()));
    await untilVanished(ref);
    expect(await spentRows(ref)).toHaveLength(1);
    expect(await sessionAt(ref).state()).toMatchObject({ ok: false, fault: { code: "session_not_found" } });
    const alarmAt = await runInDurableObject(stubAt(ref), (_, { storage }) => storage.getAlarm());
    expect(alarmAt).toBe(Date.now() - (Date.now() % DAY_MS) + DAY_MS);
    await append(ref, { summarizerTokensPerDay: 100 });
    await scheduleSummary(ref);
    await summarize(ref, model);
    expect(model.calls).toBe(1);
    unwrap(await withoutAlarm(ref, (session) => session.erase()));
    await untilVanished(ref);
    await runInDurableObject(stubAt(ref), async (session, { storage }) => {
      storage.sql.exec("UPDATE spent SET day = day - ?", DAY_MS);
      await session.alarm();
    });
    expect(await storedText(ref)).toBe("");
  });

  it("leaves no row if the session has no limit", async () => {
    const { ref } = await summarizedChat({});
    unwrap(await withoutAlarm(ref, (session) => session.erase()));
    await untilVanished(ref);
    expect(await storedText(ref)).toBe("");
  });

  it("is not used up in a fork or an import by what its source spent", async () => {
    const { ref, model } = await summarizedChat({ summarizerTokensPerDay: 100 });
    const imported = beside(ref);
    const { text } = await request("GET", `/sessions/${ref.session}/export`);
    expect(text).toContain('"inputTokens":90');
    expect((await request("POST", `/import?sessionId=${imported.session}`, text)).status).toBe(201);
    const copies = [await forkOf(ref), imported];
    for (const copy of [...copies, ...copies]) {
      await scheduleSummary(copy, { keepRecentTokens: 0, fromScratch: true });
      await summarize(copy, model);
    }
    expect(model.calls).toBe(3);
  });

  it("continues to count if the session expired meanwhile", async () => {
    const { ref, model } = await summarizedChat({ summarizerTokensPerDay: 100, expireAfterIdleSeconds: 60 });
    const parts = pipelineDeps();
    unwrap(
      await sessionAt(ref).create({ ...creationOf(ref), ...(await parts.directory.register(ref, Date.now(), {})) }),
    );
    await runInDurableObject(stubAt(ref), (_, { storage }) => {
      storage.sql.exec("UPDATE session SET began_at = began_at - 600000");
      storage.sql.exec("UPDATE messages SET created_at = created_at - 600000 WHERE seq > 0");
    });
    await untilExpired(ref);
    unwrap(await withoutAlarm(ref, (session) => session.erase()));
    await append(ref, { summarizerTokensPerDay: 100 });
    await scheduleSummary(ref);
    await summarize(ref, model);
    expect(model.calls).toBe(1);
  });
});

it("requested summaries of a day are not returned by edits that make them be repeated", async () => {
  const ref = freshRef();
  const tenant = { ...UNSET_TENANT, rev: 1, limits: { sessionSummariesPerDay: 2 } };
  const messages = Array.from({ length: 8 }, (_, index) => turn(index + 1));
  unwrap(await withoutAlarm(ref, (session) => session.append({ messages }, creationOf(ref), tenant)));
  await summarizeBy(ref, quoting);
  unwrap(await withoutAlarm(ref, (session) => session.editMessage("turn-1", { content: "Another invoice." })));
  await deliver(await jobOf(ref, "summarize"));
  unwrap(await withoutAlarm(ref, (session) => session.append({ messages: [said("More.")] }, null, tenant)));
  expect(unwrap(await sessionAt(ref).summaries(undefined, 9)).data).toHaveLength(1);
  expect(await sessionAt(ref).summarize({ keepRecentTokens: 0 })).toMatchObject({
    ok: false,
    fault: { quota: { name: "summaries", limit: 2, remaining: 0 } },
  });
});

it("the cost of a version is shown to a back end, and not to a user: neither in lists, nor alone, nor in exports", async () => {
  const owner = `ada-${crypto.randomUUID()}`;
  const ref = freshRef(owner);
  unwrap(
    await sessionAt(ref).append({ messages: Array.from({ length: 8 }, (_, at) => turn(at + 1)) }, creationOf(ref)),
  );
  const usage = { inputTokens: 90, outputTokens: 10, costMicroDollars: 7 };
  await summarizeBy(ref, (given) => ({ ...quoting(given), usage }));
  const took = { ...usage, durationMs: expect.any(Number) };
  const path = `/sessions/${ref.session}`;
  const kind = "tenant-key";
  const backEnd = userOf(ref.tenant, owner, {
    authenticate: async () => ({ kind, id: "key:1", tenant: ref.tenant, owner, scopes: ["memory:read"] }),
  });
  const user = userOf(ref.tenant, owner);
  const told = async (by: typeof user): Promise<unknown[]> => {
    const { body: page } = await by.send<{ data: object[] }>("GET", `${path}/summaries`);
    const { body: one } = await by.send<object>("GET", `${path}/summaries/1?expand=sources`);
    const { text } = await by.raw("GET", `${path}/export`);
    const line = text.split("\n").find((each) => each.includes('"type":"summary"')) ?? "{}";
    return [page.data[0], one, JSON.parse(line)].map((each) => (each as { usage?: unknown }).usage);
  };
  expect(await told(backEnd)).toEqual([took, took, took]);
  expect(await told(user)).toEqual([undefined, undefined, undefined]);
});
