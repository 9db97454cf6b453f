// How long a search across sessions, and a batch of the archive's queue, take in PostgreSQL. It fills a scratch database with items, and
// searches and writes as the Worker's role.
import { drizzle } from "drizzle-orm/node-postgres";
import type { Client } from "pg";
import { applyMigrations, createDatabase, withClient } from "../../scripts/dev/database.ts";
import { createRandom } from "../../simulation/random.ts";
import { type MemoryOwner, readMemories, searchMemories } from "../../src/archive/memories.ts";
import { type ArchiveWrite, changeSessions } from "../../src/archive/sessions.ts";
import { type Distribution, distributionOf } from "./statistics.ts";
import { createQuestions, createTalk } from "./talk.ts";

const DATABASE = "threadkeep_bench_search";
const WORKER_ROLE = "threadkeep_worker";
const TENANT = "bench";
/** A tenant that names no users stores all its sessions under one owner. A fifth of the items belong to such an owner. */
const LARGE_OWNER: MemoryOwner = { tenant: TENANT, owner: "-" };
const LARGE_SHARE = 0.2;
const ITEMS_PER_USER = 100;
const ITEMS_PER_SESSION = 20;
const ROWS_PER_INSERT = 5_000;
const HITS = 10;
const WARM_UPS = 20;
/** As many sessions as a batch of the archive's queue has, and the rounds in which each gets another version. */
const SESSIONS_PER_BATCH = 50;
const BATCHES = 60;
const MADE_AT = Date.UTC(2026, 0, 1);

interface SearchRow {
  readonly operation: string;
  /** How many items the searched owner has. */
  readonly items: number;
  readonly ms: Distribution | null;
}

export interface ArchiveSearchReport {
  readonly items: number;
  readonly fillSeconds: number;
  readonly rows: readonly SearchRow[];
}

export interface ArchiveSearchParts {
  /** A PostgreSQL server on which this program may create a database. */
  readonly databaseUrl: string;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
}

export async function measureArchiveSearch(
  parts: ArchiveSearchParts,
  items: number,
  samples: number,
): Promise<ArchiveSearchReport> {
  await withClient(parts.databaseUrl, (server) => server.query(`drop database if exists ${DATABASE} with (force)`));
  await createDatabase(parts.databaseUrl, DATABASE);
  try {
    const url = new URL(parts.databaseUrl);
    url.pathname = DATABASE;
    await applyMigrations(url.href);
    const startedAt = performance.now();
    await withClient(url.href, (client) => fill(client, items, parts));
    const fillSeconds = Math.round((performance.now() - startedAt) / 1_000);
    url.searchParams.set("options", `-c role=${WORKER_ROLE}`);
    const rows = await withClient(url.href, (client) => measure(client, items, samples, parts));
    return { items, fillSeconds, rows };
  } finally {
    await withClient(parts.databaseUrl, (server) => server.query(`drop database if exists ${DATABASE} with (force)`));
  }
}

/** Fills in sentences of the benchmark's talk as a summarizer would pick them, spread over owners and sessions. */
async function fill(client: Client, items: number, { signal, onProgress }: ArchiveSearchParts): Promise<void> {
  // Building the indexes after the inserts takes seconds, and gives the same indexes as inserting into them would.
  const { rows: indexes } = await client.query<{ name: string; definition: string }>(
    "select indexname as name, indexdef as definition from pg_indexes where tablename = 'summary_items' and indexname in ('summary_items_search', 'summary_items_newest')",
  );
  for (const { name } of indexes) await client.query(`drop index ${name}`);
  const statement = createStatements(1);
  const large = Math.floor(items * LARGE_SHARE);
  for (let from = 0; from < items; from += ROWS_PER_INSERT) {
    signal.throwIfAborted();
    onProgress(`search: item ${from.toLocaleString("en")} of ${items.toLocaleString("en")}`);
    const numbers = Array.from({ length: Math.min(ROWS_PER_INSERT, items - from) }, (_, index) => from + index);
    const ownerOf = (number: number): string =>
      number < large ? LARGE_OWNER.owner : `user-${Math.floor((number - large) / ITEMS_PER_USER)}`;
    const sessionOf = (number: number): string => `s${Math.floor(number / ITEMS_PER_SESSION)}`;
    const sessions = numbers.filter((number) => number % ITEMS_PER_SESSION === 0);
    await client.query(
      `insert into sessions (tenant, owner, session, epoch, rev, head_seq, through_seq, created_at)
       select $1, owner, session, session, 1, 1, 1, now() from unnest($2::text[], $3::text[]) as t (owner, session)`,
      [TENANT, sessions.map(ownerOf), sessions.map(sessionOf)],
    );
    await client.query(
      `insert into summary_items (epoch, item_id, from_version, kind, text, source_seqs, status, tenant, owner, made_at)
       select epoch, item_id, 1, 'fact', text, '{1}', 'current', $1, owner, to_timestamp(made_at)
       from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::float8[]) as t (epoch, item_id, text, owner, made_at)`,
      [
        TENANT,
        numbers.map(sessionOf),
        numbers.map((number) => `1.${number % ITEMS_PER_SESSION}`),
        numbers.map(statement),
        numbers.map(ownerOf),
        numbers.map((number) => MADE_AT / 1_000 + number),
      ],
    );
  }
  onProgress("search: building the indexes");
  for (const { definition } of indexes) await client.query(definition);
  await client.query("vacuum analyze");
}

/** One sentence of a turn at a time. */
function createStatements(seed: number): () => string {
  const talk = createTalk(seed);
  let left: string[] = [];
  return () => {
    if (left.length === 0) left = talk().content.split(/(?<=[.?]) /);
    return left.shift() ?? "";
  };
}

async function measure(
  client: Client,
  items: number,
  samples: number,
  { signal, onProgress }: ArchiveSearchParts,
): Promise<SearchRow[]> {
  const database = drizzle({ client });
  const random = createRandom(2);
  const question = createQuestions(3);
  const statement = createStatements(4);
  const large = Math.floor(items * LARGE_SHARE);
  const users = Math.max(1, Math.floor((items - large) / ITEMS_PER_USER));
  const anyUser = (): MemoryOwner => ({ tenant: TENANT, owner: `user-${Math.floor(random() * users)}` });
  const number = (): string => `number ${1 + Math.floor(random() * 9_999)}`;
  const search = (owner: MemoryOwner, query: string): Promise<unknown> =>
    searchMemories(database, owner, { query, statuses: ["current"] }, { limit: HITS, offset: 0 });
  const operations: readonly (readonly [string, number, () => Promise<unknown>])[] = [
    ["a question", ITEMS_PER_USER, () => search(anyUser(), question())],
    ["a whole statement", ITEMS_PER_USER, () => search(anyUser(), statement())],
    ["a rare number", ITEMS_PER_USER, () => search(anyUser(), number())],
    ["a question", large, () => search(LARGE_OWNER, question())],
    ["a whole statement", large, () => search(LARGE_OWNER, statement())],
    ["a rare number", large, () => search(LARGE_OWNER, number())],
    ["no word that occurs", large, () => search(LARGE_OWNER, "zebra quartz")],
    ["newest memories", ITEMS_PER_USER, () => readMemories(database, anyUser(), 50)],
    ["newest memories", large, () => readMemories(database, LARGE_OWNER, 50)],
  ];
  const rows: SearchRow[] = [];
  for (const [operation, owned, run] of operations) {
    onProgress(`search: ${operation}, owner of ${owned.toLocaleString("en")} items`);
    const times: number[] = [];
    for (let round = -WARM_UPS; round < samples; round += 1) {
      signal.throwIfAborted();
      const startedAt = performance.now();
      await run();
      if (round >= 0) times.push(performance.now() - startedAt);
    }
    rows.push({ operation, items: owned, ms: distributionOf(times) });
  }
  const times: number[] = [];
  for (let version = 1 - WARM_UPS; version <= BATCHES; version += 1) {
    signal.throwIfAborted();
    onProgress(`search: batch ${Math.max(0, version)} of ${BATCHES}`);
    const batch = batchOf(version + WARM_UPS, statement);
    const startedAt = performance.now();
    const results = await changeSessions(database, batch);
    if (version > 0) times.push(performance.now() - startedAt);
    if (results.some((result) => result !== "applied")) throw new Error(`a write failed: ${JSON.stringify(results)}`);
  }
  const operation = `writing ${SESSIONS_PER_BATCH} sessions, each a version of ${ITEMS_PER_SESSION} new items`;
  return [...rows, { operation, items, ms: distributionOf(times) }];
}

/** One batch: a version for each of its sessions, whose items take the place of those of the version before. */
function batchOf(version: number, statement: () => string): ArchiveWrite[] {
  const ids = (of: number): string[] => Array.from({ length: ITEMS_PER_SESSION }, (_, index) => `${of}.${index + 1}`);
  return Array.from({ length: SESSIONS_PER_BATCH }, (_, index): ArchiveWrite => ({
    ref: { tenant: TENANT, owner: `writer-${index}`, session: "written" },
    epoch: `written-${index}`,
    baseRev: version - 1,
    isReplaced: false,
    rev: version,
    createdAt: MADE_AT,
    headSeq: version * ITEMS_PER_SESSION,
    throughSeq: version * ITEMS_PER_SESSION,
    metadata: { topic: "boats" },
    messages: null,
    summaries: [
      {
        version,
        throughSeq: version * ITEMS_PER_SESSION,
        tokens: 400,
        summarizer: "bench",
        degraded: false,
        droppedItems: 0,
        createdAt: MADE_AT,
      },
    ],
    items: ids(version).map((id) => ({
      id,
      kind: "fact",
      text: statement(),
      sourceSeqs: [version],
      status: "current",
      fromVersion: version,
    })),
    endedItems: version === 1 ? [] : ids(version - 1).map((id) => ({ id, fromVersion: version - 1 })),
  }));
}
