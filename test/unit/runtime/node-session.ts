import { Disk, ObjectStorage } from "../../../simulation/object-storage.ts";
import { type Outcome, ThreadkeepError } from "../../../src/api/errors.ts";
import type { NewMessage } from "../../../src/api/message.ts";
import type { KeptItem } from "../../../src/api/summary.ts";
import { type Appended, appendMessages } from "../../../src/session/log/append.ts";
import { JobTraces } from "../../../src/session/outbox/job-traces.ts";
import { newJob } from "../../../src/session/outbox/jobs.ts";
import { TenantQuota } from "../../../src/session/quota/tenant-quota.ts";
import { UserQuota } from "../../../src/session/quota/user-quota.ts";
import { SearchIndex } from "../../../src/session/search/text-index.ts";
import {
  type JobBase,
  type JobDetails,
  type JobRow,
  NOTHING_IN_PROGRESS,
  type SessionRow,
  type SummaryGoal,
  type SummaryInProgress,
  type SummaryRow,
} from "../../../src/session/sqlite/rows.ts";
import { TABLE_GROUPS } from "../../../src/session/sqlite/schema.ts";
import { SessionStore } from "../../../src/session/store.ts";
import { Unit } from "../../../src/session/unit.ts";

export const NOON = Date.UTC(2026, 10, 22, 12);
export const EPOCH = "40000000-0000-4000-8000-000000000000";

/** Nobody is bounded, and nobody is told. */
const NO_QUOTAS = {
  tenant: new TenantQuota(
    () => {
      throw new Error("the tenant is not told of what a unit test takes");
    },
    () => undefined,
  ),
  user: new UserQuota(
    () => Promise.reject(new Error("the directory is not told of what a unit test takes")),
    () => undefined,
  ),
  measureDay: () => () => ({ messages: 0, tokens: 0, fault: null, quotas: [] }),
};

/** It has of an object's storage what the tables of a session use. */
function isSqlStorage(sql: object): sql is SqlStorage {
  return "exec" in sql && "databaseSize" in sql;
}

/** The tables of one session, in Node's SQLite: its rules can be tried in milliseconds, without an object or a clock. */
export class NodeSession {
  readonly disk = new Disk();
  readonly sql: SqlStorage;
  readonly store: SessionStore;
  readonly search: SearchIndex;
  #ids = 0;
  readonly newId = (): string => `job-${(this.#ids += 1)}`;

  constructor(
    begun: Partial<Pick<SessionRow, "settings" | "tenantSettings" | "metadata" | "copying" | "beganAt">> = {},
  ) {
    const storage = new ObjectStorage(this.disk);
    const sql: object = storage.sql;
    if (!isSqlStorage(sql)) throw new Error("not the storage of an object");
    this.sql = sql;
    // All tables, because tests read and write them directly, also where the session would not have them yet.
    for (const group of Object.values(TABLE_GROUPS)) sql.exec(group);
    this.store = new SessionStore(sql);
    this.search = new SearchIndex({ sql, transactionSync: (body) => storage.transactionSync(body) });
    this.store.insertSession({
      tenant: "acme",
      owner: "ada",
      session: "chat",
      epoch: EPOCH,
      hashKey: new Uint8Array(32),
      metadata: {},
      settings: {},
      createdAt: NOON,
      beganAt: NOON,
      grantedAt: 0,
      begunBy: 0,
      tenantRev: 0,
      tenantSettings: {},
      copying: null,
      revBase: 0,
      ...begun,
    });
  }

  /** As it is now, whoever wrote it: an object on the same storage has a store of its own. */
  get row(): SessionRow {
    const row = new SessionStore(this.sql).session();
    if (row === null) throw new Error("the session has no row");
    return row;
  }

  /** A unit of work in it. Nothing commits: what a commit does besides is left to whoever tries that. */
  unit(now = NOON, newId: () => string = this.newId): Unit {
    const { store, search } = this;
    return new Unit({ store, search, traces: new JobTraces(), quotas: NO_QUOTAS, newId }, now);
  }

  get jobs(): JobRow[] {
    const ids = this.sql.exec<{ id: string }>("SELECT id FROM jobs ORDER BY created_at, id").toArray();
    return ids.flatMap(({ id }) => this.store.jobs.byId(id) ?? []);
  }

  append(messages: readonly (string | NewMessage)[], now = NOON, expectedHeadSeq?: number): Outcome<Appended> {
    const whole = messages.map((message): NewMessage =>
      typeof message === "string" ? { role: "user", content: message } : message,
    );
    return outcomeOf(() => appendMessages(this.unit(now), whole, expectedHeadSeq));
  }

  /** So many short messages, a minute apart. */
  say(count: number, from = NOON): void {
    for (let at = 0; at < count; at += 1) this.append([`message number ${at}`], from + at * 60_000);
  }

  summarize(
    version: number,
    throughSeq: number,
    items: readonly Partial<KeptItem>[] = [],
    more: Partial<SummaryRow> = {},
    ends: readonly string[] = [],
  ) {
    const { summaries } = this.store;
    const before = summaries.newest();
    const placed = before === null ? [] : summaries.placedItems(before.version);
    const isEnded = ({ item }: (typeof placed)[number]): boolean => ends.includes(item.id);
    summaries.insert(
      {
        version,
        throughSeq,
        tokens: 10,
        summarizer: "model",
        degraded: false,
        droppedItems: 0,
        usage: null,
        createdAt: NOON,
        ...more,
      },
      {
        kept: placed.filter((each) => !isEnded(each)).map(({ row }) => row),
        ended: placed.filter(isEnded).map(({ row }) => row),
        added: items.map((item, at) => itemOf(`${version}.${at + 1}`, item)),
      },
    );
  }

  schedule(kind: JobRow["kind"], { goal, inProgress, ...change }: JobChange = {}): JobRow {
    const job = { ...newJob(this.unit(), detailsOf(kind, goal)), ...change };
    this.store.jobs.put(job);
    if (inProgress !== undefined) this.store.jobs.putInProgress(job.id, { ...NOTHING_IN_PROGRESS, ...inProgress });
    return job;
  }

  job<Kind extends JobRow["kind"]>(kind: Kind): (JobRow & { readonly kind: Kind }) | undefined {
    return this.store.jobs.first(kind) ?? undefined;
  }
}

/** What a job has other than a new one of its kind. */
interface JobChange extends Partial<JobBase> {
  readonly goal?: SummaryGoal;
  readonly inProgress?: Partial<SummaryInProgress>;
}

function detailsOf(kind: JobRow["kind"], goal: SummaryGoal = { is: "continue" }): JobDetails {
  switch (kind) {
    case "summarize":
      return { kind, goal };
    case "embed":
      return { kind, goal: { is: "embed" } };
    case "erase":
      return { kind, erased: { settles: [], grantedAt: 0, beganAt: 0 } };
    default:
      return { kind };
  }
}

/** What a function answers, or why it refuses. */
export function outcomeOf<T>(body: () => T): Outcome<T> {
  try {
    return { ok: true, value: body() };
  } catch (error) {
    if (error instanceof ThreadkeepError) return { ok: false, fault: error.fault };
    throw error;
  }
}

export function itemOf(id: string, item: Partial<KeptItem> = {}): KeptItem {
  return { id, kind: "fact", text: "message number", sourceSeqs: [1], status: "current", ...item };
}
