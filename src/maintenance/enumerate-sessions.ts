/**
 * Lists all sessions of a user, a tenant or the whole deployment, page by page, or just the one that is named. Reads
 * the directories, not PostgreSQL.
 */

import { z } from "zod";
import type { OperationRequest } from "../api/operation-run.ts";
import { type SessionRef, TENANT_OWNER } from "../api/session.ts";
import type { MaintenanceDeps } from "./operation.ts";

/** Lists read for one page, so that a step ends even if there are many owners without a session. */
const MAX_LISTS = 500;

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
  let place = cursor === null ? await firstPlace(scope, lists) : placeSchema.parse(JSON.parse(cursor));
  for (let asked = 0; place !== null && refs.length < limit && asked < MAX_LISTS; asked += 1) {
    const { tenant: of, owner }: Place = place;
    const query = { limit: limit - refs.length, cursor: place.after, metadata: {} };
    const { data, next } = await lists.directory.list(of, owner, query);
    refs.push(...data.map(({ id }) => ({ tenant: of, owner, session: id })));
    place = next === null ? await placeAfter(place, scope, lists) : { ...place, after: next };
  }
  return { refs, cursor: place === null ? null : JSON.stringify(place) };
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
