/**
 * Lists all sessions of a user, a tenant or the whole deployment, page by page, or just the one that is named. Reads
 * the directories, not PostgreSQL.
 */

import { z } from "zod";
import { TENANT_SHARDS } from "../api/limits.ts";
import type { OperationRequest } from "../api/operation-run.ts";
import { type SessionRef, TENANT_OWNER } from "../api/session.ts";
import type { MaintenanceDeps } from "./operation.ts";

/**
 * Calls of objects for one page, after which it ends even if it is short, because there may be many owners without a
 * session. One round of lists may exceed it.
 * @internal Tests go up to it.
 */
export const MAX_LIST_CALLS = 400;
/**
 * Users whose lists are read at the same time.
 * @internal Tests go up to it.
 */
export const LISTS_AT_ONCE = 16;

/**
 * Where a page ended: the owner whose list was read, the owner's row in the list of owners, and the last entry
 * returned.
 */
const placeSchema = z.strictObject({
  tenant: z.string(),
  owner: z.string(),
  row: z.int(),
  after: z.strictObject({ createdAt: z.number(), session: z.string() }).nullable(),
});
type Place = z.infer<typeof placeSchema>;

export interface SessionPage {
  readonly refs: readonly SessionRef[];
  /** Where the next page begins; null after the last page. */
  readonly cursor: string | null;
}

type Scope = Pick<OperationRequest, "tenant" | "user" | "session">;
type Lists = Pick<MaintenanceDeps, "directory" | "operations" | "owners">;

/**
 * Reads only. A session that is created meanwhile may be missing.
 * @param limit sessions per page, at most
 */
export async function enumerateSessions(
  scope: Scope,
  cursor: string | null,
  limit: number,
  lists: Lists,
): Promise<SessionPage> {
  const { tenant, user, session } = scope;
  if (tenant !== undefined && session !== undefined) {
    return { refs: [{ tenant, owner: user ?? TENANT_OWNER, session }], cursor: null };
  }
  const refs: SessionRef[] = [];
  let calls = 0;
  /** Adds the sessions of a list. @returns where to continue; null after the end of the list */
  const take = async ({ at, found, next }: ReadList): Promise<Place | null> => {
    if (found.length > limit - refs.length) return at;
    refs.push(...found);
    for (let after = next; after !== null;) {
      const rest: Place = { ...at, after };
      if (refs.length >= limit || calls >= MAX_LIST_CALLS) return rest;
      const more = await readList(rest, limit - refs.length, lists);
      calls += callsOf(rest);
      refs.push(...more.found);
      after = more.next;
    }
    return null;
  };
  let place = cursor === null ? await firstPlace(scope, lists) : placeSchema.parse(JSON.parse(cursor));
  while (place !== null && refs.length < limit && calls < MAX_LIST_CALLS) {
    const room = limit - refs.length;
    const places: readonly Place[] = await placesFrom(place, Math.min(LISTS_AT_ONCE, room), scope, lists);
    const read = await Promise.all(places.map((at) => readList(at, Math.floor(room / places.length), lists)));
    // Besides the lists, a round asks for its owners, for the next owner and for the next tenant.
    calls += 3 + places.reduce((sum, at) => sum + callsOf(at), 0);
    let left: Place | null = null;
    for (const list of read) {
      place = list.at;
      left = await take(list);
      if (left !== null) break;
    }
    place = left ?? (await placeAfter(place, scope, lists));
  }
  return { refs, cursor: place === null ? null : JSON.stringify(place) };
}

/** A page of one owner's list. */
interface ReadList {
  readonly at: Place;
  readonly found: readonly SessionRef[];
  /** Where the next page begins; null after the last one. */
  readonly next: Place["after"];
}

async function readList(at: Place, limit: number, { directory }: Lists): Promise<ReadList> {
  const { tenant, owner, after } = at;
  const { data, next } = await directory.list(tenant, owner, { limit, cursor: after, metadata: {} });
  return { at, found: data.map(({ id }) => ({ tenant, owner, session: id })), next };
}

function callsOf({ owner }: Place): number {
  return owner === TENANT_OWNER ? TENANT_SHARDS : 1;
}

/** The lists to read at the same time: one at `place`, and those of the next users of the tenant, each from its start. */
async function placesFrom(place: Place, count: number, { user }: Scope, { owners }: Lists): Promise<Place[]> {
  const { tenant, owner, row, after } = place;
  if (user !== undefined || owner === TENANT_OWNER || after !== null || count === 1) return [place];
  const others = (await owners.list(tenant, row, count - 1)).filter((one) => one.owner !== TENANT_OWNER);
  return [place, ...others.map((one) => ({ tenant, owner: one.owner, row: one.row, after: null }))];
}

async function firstPlace({ tenant, user }: Scope, lists: Lists): Promise<Place | null> {
  const name = tenant ?? (await tenantAfter("", lists));
  return name === null ? null : { tenant: name, owner: user ?? TENANT_OWNER, row: 0, after: null };
}

/** The next owner of the tenant (the tenant itself comes first), or the next tenant. */
async function placeAfter({ tenant, row }: Place, scope: Scope, lists: Lists): Promise<Place | null> {
  if (scope.user !== undefined) return null;
  const owner = await userAfter(tenant, row, lists);
  if (owner !== null) return owner;
  const next = scope.tenant === undefined ? await tenantAfter(tenant, lists) : null;
  return next === null ? null : { tenant: next, owner: TENANT_OWNER, row: 0, after: null };
}

async function tenantAfter(name: string, { operations }: Lists): Promise<string | null> {
  return (await operations.listTenantNames(1, name))[0] ?? null;
}

/**
 * Skips the tenant itself, which is in the list of owners several times: once per object that keeps a part of that
 * list.
 */
async function userAfter(tenant: string, row: number, { owners }: Lists): Promise<Place | null> {
  let after = row;
  for (;;) {
    const [next] = await owners.list(tenant, after, 1);
    if (next === undefined) return null;
    if (next.owner !== TENANT_OWNER) return { tenant, owner: next.owner, row: next.row, after: null };
    after = next.row;
  }
}
