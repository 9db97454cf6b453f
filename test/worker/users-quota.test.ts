import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { OVER_BUDGET_REASON } from "../../src/api/health.ts";
import { USER_PAGES_PER_EXPORT } from "../../src/api/limits.ts";
import type { SessionLimits } from "../../src/api/quota.ts";
import { type SessionState, TENANT_OWNER } from "../../src/api/session.ts";
import { Directory } from "../../src/directory/directory.ts";
import type { SummaryStep } from "../../src/session/client.ts";
import type { Failed } from "../../src/session/outbox/index.ts";
import {
  creationOf,
  jobOf,
  listed,
  quoting,
  runInDurableObject,
  said,
  scheduleSummary,
  sessionAt,
  type SessionRef,
  storedText,
  until,
  unwrap,
  withoutAlarm,
} from "../support/session.ts";
import { freshTenant, tenants, userOf } from "../support/worker-user.ts";

/** A user of a new tenant, with these limits. */
async function userWith(limits: SessionLimits) {
  const tenant = freshTenant();
  await tenants.update(tenant, { limits });
  const owner = `ada-${crypto.randomUUID()}`;
  const scopes = ["memory:read", "memory:write", "memory:erase"] as const;
  const asKey = { kind: "tenant-key", id: "key:1", tenant, owner, scopes } as const;
  return {
    tenant,
    owner,
    user: userOf(tenant, owner),
    backEnd: userOf(tenant, owner, { authenticate: async () => asKey }),
    ref: (session: string = crypto.randomUUID()): SessionRef => ({ tenant, owner, session }),
  };
}

const append = (session: string, count = 1) =>
  ["POST", `/sessions/${session}/messages`, { messages: Array.from({ length: count }, () => said("Hello.")) }] as const;

const overQuota = (quota: string) => ({ status: 429, body: { code: "quota_exceeded", quota } });

/** What the user's directory knows of the day. */
async function toldOf({ tenant, owner }: { tenant: string; owner: string }): Promise<string> {
  return runInDurableObject(env.DIRECTORY.getByName(`${tenant}/${owner}`), (object, state) => {
    if (!(object instanceof Directory)) throw new TypeError("no directory");
    const rows = state.storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'user_days'").toArray();
    return rows.length === 0 ? "" : JSON.stringify(state.storage.sql.exec("SELECT taken FROM user_days").toArray());
  });
}

function fileOf(session: string, count: number): string {
  const createdAt = "2026-11-22T09:30:00.000Z";
  const head = { type: "session", format: "threadkeep-session", formatVersion: 1, id: session, createdAt };
  const lines = Array.from({ length: count }, (_, at) => {
    return { type: "message", seq: at + 1, id: `m${at + 1}`, role: "user", content: "Hello.", createdAt };
  });
  const end = { type: "end", messages: count, summaries: 0, items: 0, complete: true };
  return [{ ...head, metadata: {}, settings: {} }, ...lines, end].map((line) => JSON.stringify(line)).join("\n");
}

describe("a user's day", () => {
  it("is that of all their sessions together, refuses nothing before it is used up, and does not limit a back end", async () => {
    const { user, backEnd, ref } = await userWith({ userMessagesPerDay: 5 });
    const [one, other] = [ref().session, ref().session];
    expect(await user.send(...append(one, 3))).toMatchObject({ status: 201 });
    expect(await user.send(...append(other, 1))).toMatchObject({ status: 201 });
    // One is left, and the append that passes the limit is still accepted: the limit is soft.
    expect(await user.send(...append(one, 4))).toMatchObject({ status: 201 });
    for (const session of [one, other]) {
      expect(await user.send(...append(session))).toMatchObject(overQuota("user-messages"));
      expect(await backEnd.send(...append(session))).toMatchObject({ status: 201 });
    }
    expect(unwrap(await sessionAt(ref(one)).state()).headSeq).toBe(8);
  });

  it("allows a repeated message, even if it is used up", async () => {
    const { user, ref } = await userWith({ userMessagesPerDay: 1 });
    const { session } = ref();
    const once = ["POST", `/sessions/${session}/messages`, { messages: [said("Hello.", "m1")] }] as const;
    expect(await user.send(...once)).toMatchObject({ status: 201 });
    expect(await user.send(...once)).toMatchObject({ status: 200 });
    expect(await user.send(...append(session))).toMatchObject(overQuota("user-messages"));
  });

  it.each<[string, SessionLimits]>([
    ["user-tokens", { userTokensPerDay: 2 }],
    ["user-bytes", { userBytesPerDay: 2 }],
  ])("is bounded in %s as well", async (quota, limits) => {
    const { user, ref } = await userWith(limits);
    const { session } = ref();
    expect(await user.send(...append(session))).toMatchObject({ status: 201 });
    expect(await user.send(...append(session))).toMatchObject(overQuota(quota));
    const edit = ["PATCH", `/sessions/${session}/messages/seq-1`, { content: "Hello again." }] as const;
    expect(await user.send(...edit)).toMatchObject(overQuota(quota));
  });

  it("counts frames like appends", async () => {
    const { user, ref } = await userWith({ userMessagesPerDay: 2 });
    const { session } = ref();
    expect(await user.send(...append(session))).toMatchObject({ status: 201 });
    const client = await user.follow(session);
    for (const id of ["a", "b"]) client.send({ type: "append", id, messages: [said("More.")] });
    const answer = await client.find("the second one", (frame) => "id" in frame && frame.id === "b");
    expect(answer).toMatchObject({ type: "error", error: { code: "quota_exceeded", quota: "user-messages" } });
  });

  it("is that of the session, for a ticket holder in one of the tenant's own sessions", async () => {
    const { tenant, ref } = await userWith({ userMessagesPerDay: 2 });
    const source = { ...ref(), owner: TENANT_OWNER };
    unwrap(await sessionAt(source).append({ messages: [said("Hello.")] }, creationOf(source)));
    const scopes = ["memory:read", "memory:write"] as const;
    const key = { kind: "tenant-key", id: "key:1", tenant, owner: TENANT_OWNER, scopes } as const;
    const page = userOf(tenant, TENANT_OWNER, {
      authenticate: async () => ({ ...key, ticket: { id: "t", epoch: "", expiresAt: 0 } }),
    });
    const backEnd = userOf(tenant, TENANT_OWNER, { authenticate: async () => key });
    expect(await page.send(...append(source.session))).toMatchObject({ status: 201 });
    expect(await page.send(...append(source.session))).toMatchObject(overQuota("messages"));
    expect(await backEnd.send(...append(source.session))).toMatchObject({ status: 201 });
  });

  it("is reported to the user's directory, and prevents a session that it has no room for", async () => {
    const who = await userWith({ userMessagesPerDay: 3 });
    const { user, ref } = who;
    expect(await user.send(...append(ref().session, 3))).toMatchObject({ status: 201 });
    await until("it is told", async () => (await toldOf(who)).includes(String.raw`\"messages\":3`));
    const next = ref();
    expect(await user.send("POST", "/sessions", { id: next.session })).toMatchObject(overQuota("user-messages"));
    expect(await storedText(next)).toBe("");
    expect((await listed(next)).has(next.session)).toBe(false);
  });

  it("is limited by default", async () => {
    const { user, ref } = await userWith({ requestTier: "standard" });
    const { session } = ref();
    expect(await user.send("POST", "/import", fileOf(session, 10_001))).toMatchObject(overQuota("user-messages"));
    expect(await storedText(ref(session))).toBe("");
  });
});

describe("a user's copies are charged before they are made:", () => {
  it("a fork, however many are requested at once; an existing one costs nothing again", async () => {
    const { user, ref } = await userWith({ userMessagesPerDay: 100 });
    const source = ref();
    unwrap(
      await sessionAt(source).append({ messages: Array.from({ length: 30 }, () => said("x")) }, creationOf(source)),
    );
    const fork = (id: string) => user.send("POST", `/sessions/${source.session}/fork`, { id });
    const ids = Array.from({ length: 6 }, () => ref().session);
    const answers = await Promise.all(ids.map(fork));
    const made = ids.filter((_, at) => answers[at]?.status !== 429);
    expect(made).toHaveLength(3);
    for (const answer of answers.filter(({ status }) => status === 429)) {
      expect(answer).toMatchObject(overQuota("user-messages"));
    }
    for (const id of made) expect([200, 202]).toContain((await fork(id)).status);
  });

  it("a fork, by the current size of the messages before its end, wherever the long ones are", async () => {
    const { user, ref } = await userWith({ userBytesPerDay: 1_000 });
    const source = ref();
    const messages = Array.from({ length: 40 }, (_, at) => said("x", `m${at}`));
    unwrap(await sessionAt(source).append({ messages }, creationOf(source)));
    unwrap(await sessionAt(source).editMessage("m0", { content: "x".repeat(900) }));
    unwrap(await sessionAt(source).eraseMessage("m39"));
    const fork = () => user.send("POST", `/sessions/${source.session}/fork`, { throughSeq: 1 });
    expect([201, 202]).toContain((await fork()).status);
    expect(await fork()).toMatchObject(overQuota("user-bytes"));
    const past = await user.send("POST", `/sessions/${source.session}/fork`, { throughSeq: 41 });
    expect(past).toMatchObject({ status: 422, body: { errors: [{ path: "/throughSeq" }] } });
  });

  it("an import, page by page, and a refused page leaves nothing", async () => {
    const { user, backEnd, ref } = await userWith({ userMessagesPerDay: 250 });
    const { session } = ref();
    expect(await user.send("POST", "/import", fileOf(session, 251))).toMatchObject(overQuota("user-messages"));
    expect(await storedText(ref(session))).toBe("");
    // What was stored before was charged.
    expect(await user.send("POST", "/import", fileOf(ref().session, 100))).toMatchObject(overQuota("user-messages"));
    expect(await user.send("POST", "/import", fileOf(ref().session, 50))).toMatchObject({ status: 201 });
    expect(await backEnd.send("POST", "/import", fileOf(ref().session, 251))).toMatchObject({ status: 201 });
  });
});

describe("a user's sessions", () => {
  it("are limited in number, and erasing one makes room", async () => {
    const { user, backEnd, ref } = await userWith({ userSessions: 2 });
    const [one, other] = [ref().session, ref().session];
    expect(await user.send(...append(one))).toMatchObject({ status: 201 });
    expect(await user.send("POST", "/sessions", { id: other })).toMatchObject({ status: 201 });
    const next = ref();
    const ways = [
      append(next.session),
      ["POST", "/sessions", { id: next.session }],
      ["POST", `/sessions/${one}/fork`, { id: next.session }],
      ["POST", "/import", fileOf(next.session, 1)],
    ] satisfies (readonly [string, string, unknown])[];
    for (const [method, path, body] of ways) {
      expect(await user.send(method, path, body), path).toMatchObject({
        status: 403,
        body: { code: "too_many_sessions", limit: 2 },
      });
    }
    expect(await storedText(next)).toBe("");
    // An existing one is returned as it is, and a back end may create more.
    expect(await user.send("POST", "/sessions", { id: other })).toMatchObject({ status: 200 });
    expect(await backEnd.send("POST", "/sessions", {})).toMatchObject({ status: 201 });
    expect(await user.send("POST", "/sessions", {})).toMatchObject({ status: 403 });
    for (const session of [one, other]) await user.send("DELETE", `/sessions/${session}`);
    // A creation grant for one of them holds its place for moments.
    await until("there is room", async () => {
      return (await user.send("POST", "/sessions", { id: next.session })).status === 201;
    });
  });

  it("are limited in a day, whether they still exist or not", async () => {
    const { user } = await userWith({ userSessionsPerDay: 3 });
    for (let count = 0; count < 3; count += 1) {
      const { body } = await user.send<SessionState>("POST", "/sessions", {});
      expect(await user.send("DELETE", `/sessions/${body.id}`)).toMatchObject({ status: 202 });
    }
    expect(await user.send("POST", "/sessions", {})).toMatchObject(overQuota("user-sessions"));
  });
});

describe("a user's exports", () => {
  it("are limited in a day, of one session and of all together; a back end is not limited", async () => {
    const { user, backEnd, ref, owner } = await userWith({ userExportsPerDay: 2 });
    const { session } = ref();
    expect(await user.send(...append(session))).toMatchObject({ status: 201 });
    const asLines = (path: string) => user.lines(path);
    expect(await asLines(`/sessions/${ref().session}/export`)).toBe(404);
    expect(await asLines(`/sessions/${session}/export`)).toBe(200);
    expect(await asLines(`/users/${owner}`)).toBe(200);
    for (const path of [`/sessions/${session}/export`, `/users/${owner}`]) {
      expect(await user.send("GET", path)).toMatchObject(overQuota("user-exports"));
      expect(await backEnd.lines(path)).toBe(200);
    }
  });

  it("have a limited number of further pages, which can be requested again and again with the same cursor", async () => {
    const { user, backEnd, ref, owner } = await userWith({ userExportsPerDay: 1 });
    for (const session of [ref().session, ref().session]) {
      expect(await backEnd.send(...append(session))).toMatchObject({ status: 201 });
    }
    const { text } = await backEnd.raw("GET", `/users/${owner}?limit=1`);
    const cursor = /"type":"user-next","cursor":"([\w-]+)"/.exec(text)?.[1];
    const next = `/users/${owner}?limit=1&cursor=${cursor}`;
    for (let page = 0; page < USER_PAGES_PER_EXPORT; page += 1) expect(await user.lines(next)).toBe(200);
    expect(await user.send("GET", next)).toMatchObject(overQuota("user-exports"));
    expect(await user.lines(`/users/${owner}`)).toBe(200);
  });
});

it("a change of a session's metadata or settings counts like a message", async () => {
  const { user, backEnd, ref } = await userWith({ userMessagesPerDay: 2 });
  const { session } = ref();
  expect(await user.send(...append(session))).toMatchObject({ status: 201 });
  const change = ["PATCH", `/sessions/${session}`, { metadata: { a: "b" } }] as const;
  expect(await user.send(...change)).toMatchObject({ status: 200 });
  expect(await user.send(...change)).toMatchObject(overQuota("user-messages"));
  expect(await user.send(...append(session))).toMatchObject(overQuota("user-messages"));
  expect(await backEnd.send(...change)).toMatchObject({ status: 200 });
});

it("a refused continuation leaves no trace in the session that it was to continue", async () => {
  const { user, ref } = await userWith({ userSessions: 1 });
  const source = ref();
  expect(await user.send(...append(source.session))).toMatchObject({ status: 201 });
  const before = await storedText(source);
  const next = { id: ref().session, continueFrom: source.session };
  expect(await user.send("POST", "/sessions", next)).toMatchObject({ body: { code: "too_many_sessions" } });
  expect(await storedText(source)).toBe(before);
});

describe("the tokens that models read again for a user", () => {
  it("are limited for requests and edits, not for erasures and back ends", async () => {
    const { user, backEnd, ref } = await userWith({ userSummarizerTokensPerDay: 1_000 });
    const source = ref();
    const path = `/sessions/${source.session}`;
    const messages = Array.from({ length: 8 }, (_, at) => said(`I like tea number ${at}.`, `m${at}`));
    unwrap(await sessionAt(source).append({ messages }, creationOf(source)));
    const byHand = ["POST", `${path}/summarize`, { keepRecentTokens: 0, waitMs: 10_000 }] as const;
    expect(await user.send(...byHand)).toMatchObject({ status: 202 });
    await until("it is summarized", async () => unwrap(await sessionAt(source).state()).summary !== null);
    expect(await user.send("PATCH", `${path}/messages/m0`, { content: "I like coffee." })).toMatchObject(
      overQuota("user-summarizer-tokens"),
    );
    const anew = { keepRecentTokens: 0, fromScratch: true };
    expect(await user.send("POST", `${path}/summarize`, anew)).toMatchObject(overQuota("user-summarizer-tokens"));
    // What no summary covers costs none.
    expect(await user.send("PATCH", `${path}/messages/m7`, { content: "I like water." })).toMatchObject({
      status: 200,
    });
    expect(await user.send("DELETE", `${path}/messages/m1`)).toMatchObject({ status: 202 });
    expect(await backEnd.send("PATCH", `${path}/messages/m0`, { content: "Coffee." })).toMatchObject({ status: 200 });
  });

  it("are limited if a new branch leaves a summary behind, by an append, a switch or a frame", async () => {
    const who = await userWith({ userSummarizerTokensPerDay: 1_000 });
    const { user, backEnd } = who;
    const source = await summarizedOf(who);
    const path = `/sessions/${source.session}`;
    const over = { code: "quota_exceeded", quota: "user-summarizer-tokens" };
    const branchAfter = (afterSeq: number) => ({ messages: [{ ...said("I like rain."), afterSeq }] });
    // The answer to the newest message is regenerated: the summary covers what is before it.
    expect(await user.send("POST", `${path}/messages`, branchAfter(8))).toMatchObject({ status: 201 });
    expect(await user.send("POST", `${path}/messages`, branchAfter(3))).toMatchObject({ status: 201 });
    expect(await backEnd.send("PUT", `${path}/branch`, { headSeq: 8 })).toMatchObject({ status: 200 });
    expect(await user.send("POST", `${path}/messages`, branchAfter(2))).toMatchObject({ status: 429, body: over });
    expect(await user.send("PUT", `${path}/branch`, { headSeq: 1 })).toMatchObject({ status: 429, body: over });
    const client = await user.follow(source.session);
    client.send({ type: "append", id: "a", ...branchAfter(2) });
    client.send({ type: "branch", id: "b", headSeq: 1 });
    for (const id of ["a", "b"]) {
      expect(await client.find(id, (frame) => frame.type === "error" && frame.id === id)).toMatchObject({
        error: over,
      });
    }
    expect(unwrap(await sessionAt(source).state())).toMatchObject({ headSeq: 8 });
  });

  it("are checked before each part of a long summary, not only before the first", async () => {
    const who = await userWith({ userSummarizerTokensPerDay: 1_000 });
    const source = who.ref();
    const messages = Array.from({ length: 4 }, (_, at) => said("I like tea. ".repeat(5_000), `m${at}`));
    unwrap(await withoutAlarm(source, (session) => session.append({ messages }, creationOf(source))));
    const { jobId, epoch } = await scheduleSummary(source);
    const step = calling(await sessionAt(source).beginSummary(jobId, epoch));
    expect(step.isOverBudget).toBe(false);
    const edit = ["PATCH", `/sessions/${source.session}/messages/m0`, { content: "I like coffee." }] as const;
    expect(await who.user.send(...edit)).toMatchObject({ status: 200 });
    const next = await withoutAlarm(source, (session) =>
      session.saveAnswer(jobId, epoch, step.lease, quoting(step.request)),
    );
    expect(calling(next).isOverBudget).toBe(true);
  });

  it("count on the day on which a model reads them, if an earlier day's limit postponed it", async () => {
    const who = await userWith({ userSummarizerTokensPerDay: 1_000 });
    const source = await summarizedOf(who, { reason: OVER_BUDGET_REASON });
    const { jobId, epoch } = await jobOf(source, "summarize");
    const { lease, request } = calling(await sessionAt(source).beginSummary(jobId, epoch));
    await withoutAlarm(source, (session) => session.saveAnswer(jobId, epoch, lease, quoting(request)));
    const edit = ["PATCH", `/sessions/${source.session}/messages/m0`, { content: "I like coffee." }] as const;
    expect(await who.user.send(...edit)).toMatchObject(overQuota("user-summarizer-tokens"));
  });
});

/** A user's session of eight messages with a summary of the first four, which was not charged yet. */
async function summarizedOf(
  { ref }: Pick<Awaited<ReturnType<typeof userWith>>, "ref">,
  fallbackCause: Failed | null = null,
): Promise<SessionRef> {
  const source = ref();
  const messages = Array.from({ length: 8 }, (_, at) => said(`I like tea number ${at}.`, `m${at}`));
  unwrap(await sessionAt(source).append({ messages }, creationOf(source)));
  const { jobId, epoch } = await scheduleSummary(source);
  const { lease, request } = calling(await sessionAt(source).beginSummary(jobId, epoch));
  await withoutAlarm(source, (session) => session.saveAnswer(jobId, epoch, lease, quoting(request), fallbackCause));
  return source;
}

function calling(step: SummaryStep): Extract<SummaryStep, { next: "call" }> {
  if (step.next !== "call") throw new Error(`expected a call, got ${step.next}`);
  return step;
}

it("count once for changes that share one new summary, and at least as much as a call costs", async () => {
  const { user, ref } = await userWith({ userSummarizerTokensPerDay: 1_000 });
  const source = ref();
  const messages = Array.from({ length: 8 }, (_, at) => said(`I like tea number ${at}.`, `m${at}`));
  unwrap(await sessionAt(source).append({ messages }, creationOf(source)));
  unwrap(await sessionAt(source).summarize({ keepRecentTokens: 0 }));
  const version = async () => unwrap(await sessionAt(source).state()).summary?.version ?? 0;
  await until("it is summarized", async () => (await version()) === 1);
  const edit = (id: string) =>
    user.send("PATCH", `/sessions/${source.session}/messages/${id}`, { content: `I like ${id}, not tea.` });
  // One summary, five seconds from now, serves both: the second change adds nothing.
  expect(await edit("m0")).toMatchObject({ status: 200 });
  expect(await edit("m1")).toMatchObject({ status: 200 });
  await until("it is summarized anew", async () => (await version()) === 2);
  expect(await edit("m2")).toMatchObject(overQuota("user-summarizer-tokens"));
});

it("no directory is told of what a back end says, nor of a user who says nothing", async () => {
  const who = await userWith({});
  expect(await who.backEnd.send(...append(who.ref().session))).toMatchObject({ status: 201 });
  expect(await toldOf(who)).toBe("");
});
