import { env, waitUntil } from "cloudflare:workers";
import { sql } from "drizzle-orm";
import { describe, expect, it } from "vitest";
import { createTicketOffice } from "../../src/access/tickets.ts";
import { type OperationReport, operationRequestSchema, type OperationName } from "../../src/api/operation-run.ts";
import { ownerName } from "../../src/api/session.ts";
import type { UserErasure } from "../../src/api/user.ts";
import { createOwnersClient } from "../../src/directory/owners-client.ts";
import { type RunDeps, runOperation, type Steps } from "../../src/maintenance/run-operation.ts";
import { eraseUser } from "../../src/pipeline/erase-user.ts";
import { createFanOutClient } from "../../src/session/client.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createTenantClient } from "../../src/tenant/client.ts";
import {
  epochOf,
  evictDurableObject,
  onArchive,
  pendingJobs,
  pipelineDeps,
  request,
  runInDurableObject,
  sessionAt,
  type SessionRef,
  stubAt,
  summarizeAndArchive,
  turn,
  until,
} from "../support/session.ts";
import { listeningTrail } from "../support/worker-audit.ts";

const log = createLog({ write: () => undefined });

function partsOf(): RunDeps {
  return {
    ...pipelineDeps(),
    fanOuts: createFanOutClient(() => env.FAN_OUT),
    tenants: createTenantClient(env.TENANT, { keepAlive: waitUntil, log }),
    owners: createOwnersClient(env.OWNERS),
    tickets: createTicketOffice("a secret of the tests"),
    audit: listeningTrail(),
    pingArchive: async () => undefined,
    meaningOf: null,
    startRun: async () => undefined,
    pacing: { slicesPerInstance: 200, pauseMs: 0 },
  };
}

/** Steps without interruptions. */
const STEPS: Steps = { do: (_name, _config, body) => body(), sleep: async () => undefined };

/** Runs an operation on everything of one user. */
async function run(op: OperationName, { tenant, owner }: SessionRef, dryRun = false): Promise<OperationReport> {
  const payload = operationRequestSchema.parse({ op, tenant, user: owner, dryRun });
  const { status, report } = await runOperation(payload, crypto.randomUUID(), STEPS, partsOf());
  expect(status).toBe("complete");
  return report;
}

async function archivedAs(statement: ReturnType<typeof sql>): Promise<void> {
  await onArchive((database) => database.execute(statement));
}

/** A listed session of a new user, with its summary in the archive. */
async function chatOfUser(): Promise<SessionRef> {
  const ref = { tenant: "test", owner: `auth0|user/${crypto.randomUUID()}`, session: "one" };
  const settings = { summarizeAfterTokens: 1_000_000, summarizeAfterIdleSeconds: null };
  const messages = Array.from({ length: 8 }, (_, index) => turn(index + 1));
  await request("POST", "/sessions", { id: ref.session, settings }, ref.owner);
  await request("POST", `/sessions/${ref.session}/messages`, { messages }, ref.owner);
  await summarizeAndArchive(ref);
  return ref;
}

function inObject(ref: SessionRef, statement: string): Promise<void> {
  return runInDurableObject(stubAt(ref), (_, state) => {
    expect(state.storage.sql.exec(statement).rowsWritten).toBeGreaterThan(0);
  }).then(() => evictDurableObject(stubAt(ref)));
}

/** An unknown epoch, with the items of another one. */
async function plantOrphan(ref: SessionRef, session: string): Promise<void> {
  const [epoch, source] = [crypto.randomUUID(), await epochOf(ref)];
  await archivedAs(sql`insert into sessions (tenant, owner, session, epoch, rev, head_seq, through_seq, created_at)
    values (${ref.tenant}, ${ref.owner}, ${session}, ${epoch}, 3, 9, 6, now())`);
  await archivedAs(sql`
    insert into summary_items (epoch, item_id, from_version, kind, text, source_seqs, status, tenant, owner)
    select ${epoch}, item_id, from_version, kind, text, source_seqs, status, tenant, owner from summary_items
    where epoch = ${source}`);
}

/** Its erasure is over according to the list, which had forgotten the session. */
async function halfErase(ref: SessionRef): Promise<void> {
  await runInDurableObject(env.DIRECTORY.getByName(ownerName(ref)), async (directory, state) => {
    await directory.beginErasure(ref);
    await state.storage.deleteAlarm();
    const [begun] = state.storage.sql.exec<{ row: string }>("SELECT row FROM erasure").toArray();
    const finished = { ...JSON.parse(begun?.row ?? "{}"), finishedAt: Date.now(), nextSendAt: Date.now() + 86_400_000 };
    state.storage.sql.exec("DELETE FROM sessions");
    state.storage.sql.exec("UPDATE erasure SET row = ?", JSON.stringify(finished));
  });
}

async function isSettled(ref: SessionRef): Promise<boolean> {
  return (await pendingJobs(ref)).length === 0;
}

/** Continues the erasure like a consumer, until a search of every place finds nothing. */
async function isErased({ tenant, owner }: SessionRef): Promise<boolean> {
  const directory = env.DIRECTORY.getByName(ownerName({ tenant, owner }));
  const jobId = await runInDurableObject(directory, (_, state) => {
    const [erasure] = state.storage.sql.exec<{ row: string }>("SELECT row FROM erasure").toArray();
    return String(JSON.parse(erasure?.row ?? "{}").jobId);
  });
  await eraseUser({ v: 1, kind: "erase-user", tenant, owner, jobId }, pipelineDeps());
  return (await request<UserErasure>("GET", `/users/${encodeURIComponent(owner)}/erasure`)).body.state === "erased";
}

describe("a finding is repaired by the operation that it names", () => {
  it.each<[string, OperationName, string, (ref: SessionRef) => Promise<void>, (ref: SessionRef) => Promise<boolean>]>([
    [
      "missing-summary",
      "archive",
      "a summary row that PostgreSQL lost",
      async (ref) => archivedAs(sql`delete from summaries where epoch = ${await epochOf(ref)}`),
      isSettled,
    ],
    [
      "wrong-range",
      "rebuild",
      "a version that covers more than there is",
      (ref) => inObject(ref, "UPDATE summaries SET through_seq = 99"),
      isSettled,
    ],
    ["orphan", "archive", "an epoch that no object knows", (ref) => plantOrphan(ref, "another"), isSettled],
    [
      "stale-source",
      "rebuild",
      "an item whose source says something else by now",
      // As long as the old text, because the totals are checked, too.
      (ref) =>
        inObject(
          ref,
          `UPDATE messages SET content = '"' || substr('Ice cream.' || printf('%2000s', ''), 1, octet_length(content) - 2) || '"'
           WHERE seq = 1`,
        ),
      isSettled,
    ],
    ["half-erased-user", "erase-user", "a user whose session was left behind", halfErase, isErased],
  ])("%s by %s: %s", async (kind, mend, _what, plant, isMended) => {
    const ref = await chatOfUser();
    expect(await run("verify", ref)).toMatchObject({ counts: { sound: 1 }, findings: [] });
    await plant(ref);
    const { counts, findings } = await run("verify", ref);
    expect(counts[kind]).toBeGreaterThan(0);
    expect(findings).toContainEqual(expect.objectContaining({ tenant: ref.tenant, user: ref.owner, kind, mend }));
    expect(JSON.stringify(findings)).not.toContain("invoice");
    await run(mend, ref);
    await until("what was planted is mended", () => isMended(ref));
    const after = await run("verify", ref);
    expect(after.findings).toEqual([]);
    expect(after.counts[kind]).toBeUndefined();
  });
});

describe("the operation archive", () => {
  it("reports in a dry run what it would do, and does nothing", async () => {
    const ref = await chatOfUser();
    await archivedAs(sql`delete from summaries where epoch = ${await epochOf(ref)}`);
    await plantOrphan(ref, "another");
    const before = await run("verify", ref);
    expect((await run("archive", ref, true)).counts).toMatchObject({ "would-archive": 1, "would-erase-orphan": 1 });
    expect(await run("verify", ref)).toEqual(before);
  });

  it("fills a PostgreSQL that lost everything of a user, and sends nothing that is there", async () => {
    const ref = await chatOfUser();
    const { rev } = await sessionAt(ref).checkIntegrity();
    expect((await run("archive", ref)).counts).toEqual({ sound: 1 });
    expect((await sessionAt(ref).checkIntegrity()).rev).toBe(rev);
    for (const table of ["sessions", "summaries", "summary_items"]) {
      await archivedAs(sql`delete from ${sql.identifier(table)} where epoch = ${await epochOf(ref)}`);
    }
    expect((await run("archive", ref)).counts).toEqual({ scheduled: 1 });
    await until("the archive has it", () => isSettled(ref));
    expect(await run("verify", ref)).toMatchObject({ counts: { sound: 1 }, findings: [] });
  });
});
