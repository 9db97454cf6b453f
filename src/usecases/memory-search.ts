import type { MeaningUse, QueryMeaning } from "../api/embedding.ts";
import { ThreadkeepError, unwrap } from "../api/errors.ts";
import { MAX_MEANT_SESSIONS } from "../api/limits.ts";
import type { MemoryHit, MemorySearchRequest, MemorySearchResult } from "../api/memory-search.ts";
import type { Item } from "../api/summary.ts";
import { type Database, isArchiveAway } from "../archive/database.ts";
import { type FoundMemory, type MemoryQuery, newestSessions, searchMemories } from "../archive/memories.ts";
import { sharesOf } from "../prompt/meaning/closeness.ts";
import { wordsToLookFor } from "../prompt/retrieval/across-sessions.ts";
import { DEFAULT_RANKING } from "../prompt/retrieval/parameters.ts";
import { type Query, readQuery } from "../prompt/retrieval/query.ts";
import { snippet } from "../prompt/retrieval/snippet.ts";
import { tellRetrieval } from "../prompt/told-retrieval.ts";
import { meaningOfText } from "./asked-meaning.ts";
import { type RequestContext, refOf } from "./request-context.ts";
import { useCase } from "./use-case.ts";

const DEFAULT_HITS = 10;
/** Characters of a snippet, which should be read at a glance. */
const MAX_SNIPPET_LENGTH = 240;
/**
 * How many candidates are read for each requested hit. Some are left out, because the session has changed since they
 * were archived.
 */
const SPARE_FACTOR = 2;
/** The most pages that are read of the archive. More are needed only while the archive is far behind. */
const MAX_PAGES = 4;
/** PostgreSQL restarts within this time. */
const RETRY_AFTER_SECONDS = 5;

/**
 * The current items of a session. `archived`: the session has expired, so the archive is the only place that has them.
 */
type Held = ReadonlyMap<string, Item> | "archived";

/** An item that was found, by its words or by its meaning. */
type Hit = Omit<FoundMemory, "epoch">;

/**
 * Searches the summary items of all of the caller's sessions: by words in the archive, and by meaning in the objects of
 * sessions, which alone have vectors. The archive may be behind, so each hit is returned only if its session's object
 * still holds the item unchanged.
 */
export const searchMemory = useCase(
  { action: "searchMemory", isSessionless: true },
  async (call: RequestContext, request: MemorySearchRequest): Promise<MemorySearchResult> => {
    const limit = request.limit ?? DEFAULT_HITS;
    const size = limit * SPARE_FACTOR;
    const heldBySession = new Map<string, Promise<Held>>();
    const isHeld = async (found: Hit): Promise<boolean> => {
      const asked = heldBySession.get(found.session) ?? readHeld(call, found.session);
      heldBySession.set(found.session, asked);
      const held = await asked;
      return held === "archived" || isSame(held.get(found.item.id), found.item);
    };
    const [first, newest, asked] = await Promise.all([
      find(call, request, { limit: size, offset: 0 }),
      newestOf(call, request),
      meaningOfText(call, request.query),
    ]);
    const sessions = new Set([...first.map(({ session }) => session), ...newest]);
    const askedSessions = [...sessions].slice(0, MAX_MEANT_SESSIONS);
    const meant = asked === undefined ? null : await findByMeaning(call, request, asked, askedSessions, size);
    const told = new Set<string>();
    const good: Hit[] = [];
    let found: readonly Hit[] = meant === null ? first : rank(first, meant.near);
    let isLastPage = first.length < size;
    for (let page = 1; ; page += 1) {
      for (let at = 0; at < found.length && good.length < limit;) {
        const next = found.slice(at, at + limit - good.length).filter((hit) => !told.has(keyOf(hit)));
        at += limit - good.length;
        for (const hit of next) told.add(keyOf(hit));
        const verdicts = await Promise.all(next.map(isHeld));
        good.push(...next.filter((_, index) => verdicts[index] === true));
      }
      if (isLastPage || page >= MAX_PAGES || good.length >= limit) break;
      found = await find(call, request, { limit: size, offset: page * size });
      isLastPage = found.length < size;
    }
    const query = readQuery(request.query);
    return { data: good.map((hit) => toHit(hit, query)), ...tellRetrieval(meant?.use) };
  },
);

/** The sessions that are asked for meaning besides those with hits for words; none if embeddings are off. */
async function newestOf(call: RequestContext, { sessions }: MemorySearchRequest): Promise<string[]> {
  if (call.parts.meaningOf === null) return [];
  const { tenant, owner } = call.principal;
  return withArchive(call, (database) => newestSessions(database, { tenant, owner }, MAX_MEANT_SESSIONS, sessions));
}

interface Meant {
  readonly use: MeaningUse;
  readonly near: readonly (Omit<Hit, "score"> & { readonly nearness: number })[];
}

/** Asks the sessions' objects for the items that are nearest to the query. */
async function findByMeaning(
  call: RequestContext,
  { kinds, status = "current" }: MemorySearchRequest,
  asked: QueryMeaning,
  sessions: readonly string[],
  limit: number,
): Promise<Meant> {
  if ("without" in asked) return { use: asked.without, near: [] };
  const statuses = status === "any" ? undefined : [status];
  const answers = await Promise.all(
    sessions.map(async (session) => {
      const outcome = await call.parts.sessions
        .get(refOf(call, session))
        .nearItems({ query: asked, limit, kinds, statuses });
      // A session that cannot be read has no vectors; whether its hits for words are told is decided by `readHeld`.
      return outcome.ok ? { session, ...outcome.value } : { session, use: "none-yet" as const, items: [] };
    }),
  );
  const uses = new Set(answers.map(({ use }) => use));
  const use = uses.has("used") ? "used" : uses.has("other-model") ? "other-model" : "none-yet";
  const near = answers.flatMap(({ session, items }) => items.map((item) => ({ session, ...item })));
  return { use, near };
}

/**
 * Adds points for meaning to the scores for words, as within a session. What has only one of both has no points of the
 * other.
 */
function rank(found: readonly FoundMemory[], near: Meant["near"]): Hit[] {
  if (near.length === 0) return [...found];
  const best = Math.max(0, ...found.map(({ score }) => score));
  const shares = sharesOf(
    near.map(({ nearness }) => nearness),
    best,
    DEFAULT_RANKING.meaning,
  );
  const hits = new Map<string, Hit>(found.map((hit) => [keyOf(hit), hit]));
  for (const [at, { session, item, madeAt }] of near.entries()) {
    const key = keyOf({ session, item });
    const known = hits.get(key);
    const share = shares[at] ?? 0;
    // If the archive has the item as it was before, its words are not what was found.
    const isKnown = known !== undefined && isSame(item, known.item);
    hits.set(key, isKnown ? { ...known, score: known.score + share } : { session, item, madeAt, score: share });
  }
  return [...hits.values()].toSorted((a, b) => b.score - a.score || b.madeAt - a.madeAt);
}

function keyOf({ session, item }: Pick<Hit, "session" | "item">): string {
  return `${session}/${item.id}`;
}

function find(
  call: RequestContext,
  request: MemorySearchRequest,
  page: { readonly limit: number; readonly offset: number },
): Promise<FoundMemory[]> {
  const { tenant, owner } = call.principal;
  return withArchive(call, (database) => searchMemories(database, { tenant, owner }, wantedBy(request), page));
}

function wantedBy({ query, kinds, status = "current", sessions }: MemorySearchRequest): MemoryQuery {
  const statuses = status === "any" ? undefined : [status];
  return { query: wordsToLookFor(query), kinds, statuses, sessions };
}

async function withArchive<T>(call: RequestContext, body: (database: Database) => Promise<T>): Promise<T> {
  try {
    return await call.parts.withDatabase(body);
  } catch (error) {
    if (!isArchiveAway(error)) throw error;
    throw new ThreadkeepError({
      code: "unavailable",
      detail:
        "The archive, which this search uses, cannot be reached. Sessions, contexts and the search within one session still work. Send the same request again after Retry-After seconds.",
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
  }
}

/** The items of a session's newest summary; none if the session is gone or not complete yet. */
async function readHeld(call: RequestContext, session: string): Promise<Held> {
  const newest = await call.parts.sessions.get(refOf(call, session)).summaries(undefined, 1);
  if (newest.ok) return new Map(newest.value.data[0]?.items.map((item) => [item.id, item]));
  switch (newest.fault.code) {
    case "session_expired":
      return "archived";
    case "session_not_found":
    case "session_not_ready":
      return new Map();
    default:
      return unwrap(newest);
  }
}

function isSame(held: Item | undefined, found: Item): boolean {
  return (
    held !== undefined &&
    held.text === found.text &&
    held.kind === found.kind &&
    held.status === found.status &&
    held.sourceSession === found.sourceSession &&
    held.sourceSeqs.join() === found.sourceSeqs.join()
  );
}

function toHit({ session, item, score, madeAt }: Hit, query: Query): MemoryHit {
  return {
    sessionId: session,
    item,
    score,
    snippet: snippet(item.text, query, MAX_SNIPPET_LENGTH),
    summarizedAt: new Date(madeAt).toISOString(),
  };
}
