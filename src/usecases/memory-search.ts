import { ThreadkeepError, unwrap } from "../api/errors.ts";
import type { MemoryHit, MemorySearchRequest, MemorySearchResult } from "../api/memory-search.ts";
import type { Item } from "../api/summary.ts";
import { type Database, isArchiveAway } from "../archive/database.ts";
import { type FoundMemory, searchMemories } from "../archive/memories.ts";
import { wordsToLookFor } from "../prompt/retrieval/across-sessions.ts";
import { type Query, readQuery } from "../prompt/retrieval/query.ts";
import { snippet } from "../prompt/retrieval/snippet.ts";
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

/**
 * Searches the summary items of all of the caller's sessions. The archive finds them but may be behind, so each hit is
 * returned only if its session's object still holds the item unchanged.
 */
export const searchMemory = useCase(
  { action: "searchMemory", isSessionless: true },
  async (call: RequestContext, request: MemorySearchRequest): Promise<MemorySearchResult> => {
    const limit = request.limit ?? DEFAULT_HITS;
    const heldBySession = new Map<string, Promise<Held>>();
    const isHeld = async (found: FoundMemory): Promise<boolean> => {
      const asked = heldBySession.get(found.session) ?? readHeld(call, found.session);
      heldBySession.set(found.session, asked);
      const held = await asked;
      return held === "archived" || isSame(held.get(found.item.id), found.item);
    };
    const good: FoundMemory[] = [];
    for (let page = 0; page < MAX_PAGES && good.length < limit; page += 1) {
      const size = limit * SPARE_FACTOR;
      const found = await find(call, request, { limit: size, offset: page * size });
      for (let at = 0; at < found.length && good.length < limit;) {
        const next = found.slice(at, at + limit - good.length);
        at += next.length;
        const verdicts = await Promise.all(next.map(isHeld));
        good.push(...next.filter((_, index) => verdicts[index] === true));
      }
      if (found.length < size) break;
    }
    const query = readQuery(request.query);
    return { data: good.map((found) => toHit(found, query)) };
  },
);

async function find(
  call: RequestContext,
  { query, kinds, status = "current", sessions }: MemorySearchRequest,
  page: { readonly limit: number; readonly offset: number },
): Promise<FoundMemory[]> {
  const { tenant, owner } = call.principal;
  const statuses = status === "any" ? undefined : [status];
  const wanted = { query: wordsToLookFor(query), kinds, statuses, sessions };
  const search = (database: Database): Promise<FoundMemory[]> =>
    searchMemories(database, { tenant, owner }, wanted, page);
  try {
    return await call.parts.withDatabase(search);
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

function toHit({ session, item, score, madeAt }: FoundMemory, query: Query): MemoryHit {
  return {
    sessionId: session,
    item,
    score,
    snippet: snippet(item.text, query, MAX_SNIPPET_LENGTH),
    summarizedAt: new Date(madeAt).toISOString(),
  };
}
