import type { NewMessage } from "../../../src/contracts/message.ts";
import type { KeptItem } from "../../../src/contracts/summary.ts";
import { appendMessages } from "../../../src/session/append.ts";
import { newJob } from "../../../src/session/owed-work.ts";
import type { JobRow, SessionRow, SummaryRow } from "../../../src/session/rows.ts";
import { migrate } from "../../../src/session/schema.ts";
import { SearchIndex } from "../../../src/session/search-index.ts";
import { SessionStore } from "../../../src/session/store.ts";
import { Disk, ObjectStorage } from "../../support/simulation/object-storage.ts";

export const NOON = Date.UTC(2026, 10, 22, 12);
export const INCARNATION = "40000000-0000-4000-8000-000000000000";

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
    this.store = new SessionStore(sql);
    this.search = new SearchIndex({ sql, transactionSync: (body) => storage.transactionSync(body) });
    migrate(sql);
    this.store.insertSession({
      tenant: "acme",
      owner: "ada",
      session: "chat",
      incarnation: INCARNATION,
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

  /** As it is now. */
  get row(): SessionRow {
    const row = this.store.session();
    if (row === null) throw new Error("the session has no row");
    return row;
  }

  get jobs(): JobRow[] {
    const ids = this.sql.exec<{ id: string }>("SELECT id FROM jobs ORDER BY created_at, id").toArray();
    return ids.flatMap(({ id }) => this.store.jobs.byId(id) ?? []);
  }

  append(messages: readonly (string | NewMessage)[], now = NOON, expectedHeadSeq?: number) {
    const whole = messages.map((message): NewMessage =>
      typeof message === "string" ? { role: "user", content: message } : message,
    );
    return appendMessages(this.store, this.row, whole, expectedHeadSeq, now);
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
  ) {
    this.store.summaries.insert({
      version,
      throughSeq,
      tokens: 10,
      summarizer: "model",
      degraded: false,
      droppedItems: 0,
      usage: null,
      createdAt: NOON,
      ...more,
    });
    for (const [at, item] of items.entries())
      this.store.summaries.insertItem(itemOf(`${version}.${at + 1}`, item), version);
  }

  owe(kind: JobRow["kind"], change: Partial<JobRow> = {}): JobRow {
    const job = { ...newJob(kind, INCARNATION, this.newId(), 0, NOON, NOON), ...change };
    this.store.jobs.put(job);
    return job;
  }

  job(kind: JobRow["kind"]): JobRow | undefined {
    return this.jobs.find((job) => job.kind === kind);
  }
}

export function itemOf(id: string, item: Partial<KeptItem> = {}): KeptItem {
  return { id, kind: "fact", text: "message number", sourceSeqs: [1], status: "current", ...item };
}
