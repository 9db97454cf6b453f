import {
  createExecutionContext,
  createMessageBatch,
  evictDurableObject,
  getQueueResult,
  runInDurableObject,
} from "cloudflare:test";
import { env } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { withDatabase } from "../../src/archive/database.ts";
import { unwrap } from "../../src/contracts/errors.ts";
import type { JobKind, JobMessage } from "../../src/contracts/job.ts";
import type { ListedSession, SessionRef, SessionState } from "../../src/contracts/session.ts";
import type { SummarizerAnswer, SummarizerRequest } from "../../src/contracts/summarizer.ts";
import type { Item } from "../../src/contracts/summary.ts";
import { UNSET_TENANT } from "../../src/contracts/tenant.ts";
import { consume } from "../../src/pipeline/consume.ts";
import type { PipelineParts } from "../../src/pipeline/delivery.ts";
import { createDirectoryClient } from "../../src/registry/directory-client.ts";
import { createOperationsClient } from "../../src/registry/operations-client.ts";
import { createUserClient } from "../../src/registry/user-client.ts";
import { createSessionClient } from "../../src/session/client.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { type HttpAnswer, send } from "./worker-http.ts";
import { incarnationOf, oweSummary, owedJobs, sessionAt, stubAt, until, withoutAlarm } from "./worker-session.ts";

/** What tests of a session's beginning and end have in common: forks, continuations, expiry, silence. */

/** A request to the Worker, as the tenant's own key sends it, for one of its users if named. */
export function request<Body = Record<string, unknown>>(
  method: string,
  path: string,
  body?: unknown,
  user?: string,
): Promise<HttpAnswer<Body>> {
  return send(method, `/v1${path}`, body, { user });
}

/** Another session of the same owner. */
export function beside(ref: SessionRef, session: string = crypto.randomUUID()): SessionRef {
  return { ...ref, session };
}

/** Forks a session and waits until the fork is whole. */
export async function forkOf(ref: SessionRef, body: Record<string, unknown> = {}): Promise<SessionRef> {
  const fork = await request<SessionState>("POST", `/sessions/${ref.session}/fork`, body);
  if (fork.status !== 201 && fork.status !== 202) throw new Error(`no fork: ${fork.text}`);
  const copy = beside(ref, fork.body.id);
  await until("the fork is whole", async () => unwrap(await sessionAt(copy).state()).status === "active");
  return copy;
}

/** A new session that continues from another, once it has what is carried over. */
export async function continuationOf(ref: SessionRef, body: Record<string, unknown> = {}): Promise<SessionRef> {
  const made = await request<SessionState>("POST", "/sessions", { continueFrom: ref.session, ...body });
  if (made.status !== 201) throw new Error(`no continuation: ${made.text}`);
  const copy = beside(ref, made.body.id);
  await until("what is carried over arrives", async () => originState(copy).then((state) => state !== "pending"));
  return copy;
}

async function originState(ref: SessionRef): Promise<string | undefined> {
  return unwrap(await sessionAt(ref).state()).origin?.state;
}

/** Summarizes all but the last four messages, and waits until the archive has it. */
export async function summarizeAndArchive(ref: SessionRef): Promise<void> {
  unwrap(await sessionAt(ref).summarize({ keepRecentTokens: 0, waitMs: 10_000 }));
  await archivedWhole(ref);
}

export async function archivedWhole(ref: SessionRef): Promise<void> {
  await until("the archive has it", async () => unwrap(await sessionAt(ref).state()).archived);
}

/** The items that hold in the newest version. */
export async function itemsOf(ref: SessionRef): Promise<Item[]> {
  const { data } = unwrap(await sessionAt(ref).summaries(undefined, 1));
  return data[0]?.items ?? [];
}

/** Everything that the object's tables hold, as one text. What is virtual holds nothing but in tables of its own. */
export function storedText(ref: SessionRef): Promise<string> {
  return runInDurableObject(stubAt(ref), (_, state) => {
    const { sql: storage } = state.storage;
    const tables = storage
      .exec<{ name: string }>(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' AND name NOT LIKE '\\_cf%' ESCAPE '\\'",
      )
      .toArray();
    return tables.map(({ name }) => JSON.stringify(storage.exec(`SELECT * FROM "${name}"`).toArray())).join("\n");
  });
}

/** What PostgreSQL holds of the items of a session, whichever life. */
export function archivedTexts(incarnation: string): Promise<string[]> {
  return withDatabase(env.HYPERDRIVE.connectionString, async (database) => {
    const { rows } = await database.execute(sql`select text from summary_items where incarnation = ${incarnation}`);
    return rows.map((row) => String(row["text"]));
  });
}

/** The ids that the directory lists for the owner of a session. */
export async function listed(ref: SessionRef): Promise<Map<string, ListedSession>> {
  const directory = createDirectoryClient(env.DIRECTORY);
  const page = await directory.list(ref.tenant, ref.owner, { limit: 1_000, cursor: null, metadata: {} });
  return new Map(page.data.map((entry) => [entry.id, entry]));
}

/**
 * Lets time pass in the object, as its rows tell it: the session began, and everything in it was said, so much earlier. The
 * object is built anew, since it remembers its row.
 */
export async function letPass(ref: SessionRef, ms: number): Promise<void> {
  await runInDurableObject(stubAt(ref), async (_, state) => {
    state.storage.sql.exec("UPDATE session SET began_at = began_at - ?", ms);
    state.storage.sql.exec("UPDATE messages SET created_at = created_at - ? WHERE seq > 0", ms);
    await state.storage.deleteAlarm();
  });
  await evictDurableObject(stubAt(ref));
}

/** The alarm rings. What is owed is due by then, however long its pause. */
export function ring(ref: SessionRef): Promise<void> {
  return runInDurableObject(stubAt(ref), async (session, state) => {
    state.storage.sql.exec("UPDATE jobs SET next_send_at = 0");
    await session.alarm();
  });
}

/** Whether a session has ended by its settings. */
export async function isExpired(ref: SessionRef): Promise<boolean> {
  const state = await sessionAt(ref).state();
  return !state.ok && state.fault.code === "session_expired";
}

/** Brings about, step by step, all that has to happen before a session may expire, and that it does. */
export async function untilExpired(ref: SessionRef): Promise<void> {
  await until("the session expires", async () => {
    if (await isExpired(ref)) return true;
    await ring(ref);
    return false;
  });
}

/** The parts of the consumers as in production, but for a summarizer that repeats what it was given. */
export function pipelineParts(change: Partial<PipelineParts> = {}): PipelineParts {
  return {
    sessions: createSessionClient(env.CHAT_SESSION),
    directory: createDirectoryClient(env.DIRECTORY),
    users: createUserClient(env.DIRECTORY),
    tenants: { read: async () => UNSET_TENANT, spend: async () => undefined },
    makeshift: null,
    operations: createOperationsClient(env.OPERATIONS),
    summarizer: { summarize: async (given) => quoting(given) },
    withDatabase: (body) => withDatabase(env.HYPERDRIVE.connectionString, body),
    log: createLog({ write: () => undefined }),
    ...change,
  };
}

/** Makes a summary of a session with an answer of the test's own. */
export async function summarizeBy(ref: SessionRef, answer: typeof quoting): Promise<void> {
  const { jobId, incarnation } = await oweSummary(ref);
  const step = await sessionAt(ref).beginSummary(jobId, incarnation);
  if (step.next !== "call") throw new Error("expected a call");
  await withoutAlarm(ref, (session) => session.saveAnswer(jobId, incarnation, step.lease, answer(step.request)));
}

/** Each message as an item, after those that there were. */
export function quoting({ previous, messages }: SummarizerRequest): SummarizerAnswer {
  const items = messages.map(({ seq, text }) => ({
    kind: "fact" as const,
    text: text.split(". ")[0] ?? text,
    sourceSeqs: [seq],
    status: "current" as const,
  }));
  return { model: "test", items: [...previous, ...items] };
}

/** The message that the queue would carry for the job of a kind that a session owes. */
export async function jobOf(ref: SessionRef, kind: JobKind): Promise<JobMessage> {
  const job = (await owedJobs(ref)).find((row) => row["kind"] === kind);
  if (job === undefined) throw new Error(`no job of the kind ${kind} is owed`);
  return {
    v: 1,
    kind,
    ...ref,
    incarnation: String(job["incarnation"]),
    throughSeq: Number(job["through_seq"]),
    jobId: String(job["id"]),
  };
}

/** Brings one message to the consumers. */
export async function deliver(
  body: JobMessage,
  parts: PipelineParts = pipelineParts(),
  attempts = 1,
): Promise<"acked" | "retried"> {
  const queue = body.kind === "summarize" ? "threadkeep-summarize" : "threadkeep-archive";
  const batch = createMessageBatch(queue, [{ id: "0", timestamp: new Date(), attempts, body }]);
  await consume(batch, parts);
  const { explicitAcks } = await getQueueResult(batch, createExecutionContext());
  return explicitAcks.length === 1 ? "acked" : "retried";
}

/** The life of a session, as others name it. */
export async function lifeOf(ref: SessionRef): Promise<{ session: string; incarnation: string }> {
  return { session: ref.session, incarnation: await incarnationOf(ref) };
}
