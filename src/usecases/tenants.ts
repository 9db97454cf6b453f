import { z } from "zod";
import { ThreadkeepError } from "../api/errors.ts";
import type { Page } from "../api/page.ts";
import { resolveSettings, TENANT_OWNER } from "../api/session.ts";
import {
  type Jurisdiction,
  type ListedTenant,
  type ListedUser,
  type NewTenant,
  type Spending,
  type TenantPatch,
  type TenantState,
  tenantIdSchema,
} from "../api/tenant.ts";
import { encodeCursor, pageOf, type PageQuery, readCursor } from "./paging.ts";
import type { RequestContext } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/**
 * Creates a tenant and fixes where its sessions are stored. An existing tenant with the same jurisdiction is returned
 * unchanged.
 */
export const createTenant = useCase(
  {
    action: "createTenant",
    isSessionless: true,
    tell: ({ created }, { tenant }) => ({ tenant, details: { created } }),
  },
  async (
    call: RequestContext,
    { tenant, jurisdiction, settings }: NewTenant,
  ): Promise<{ tenant: TenantState; created: boolean }> => {
    if (jurisdiction !== null) await refuseIfUsed(call, tenant);
    const made = await call.parts.tenants.create(tenant, jurisdiction, settings);
    if (made === null) throw tenantExists(tenant, (await call.parts.tenants.readRecord(tenant)).jurisdiction);
    const state = stateOf(tenant, made.record);
    // The tenant is listed after it was created, and again with each repetition: if this request breaks off in between,
    // repeating it completes the list.
    if (state.createdAt !== null) {
      await call.parts.operations.noteTenant({ tenant, jurisdiction, createdAt: state.createdAt });
    }
    return { tenant: state, created: made.created };
  },
);

/**
 * A tenant that was used before it was created may have sessions without a jurisdiction, which could no longer be
 * found. This looks for settings, spending and sessions. The tenant of the deployment's own keys counts as used from
 * the start.
 */
async function refuseIfUsed(call: RequestContext, tenant: string): Promise<void> {
  const { createdAt } = await call.parts.tenants.readRecord(tenant);
  if (createdAt !== null) return;
  if (tenant === call.principal.tenant) throw tenantExists(tenant, null);
  const { data } = await call.parts.directory.list(tenant, TENANT_OWNER, { limit: 1, cursor: null, metadata: {} });
  if (data.length > 0) throw tenantExists(tenant, null);
}

function tenantExists(tenant: string, jurisdiction: Jurisdiction | null): ThreadkeepError {
  const place = jurisdiction === null ? "without a jurisdiction" : `in the jurisdiction ${jurisdiction}`;
  return new ThreadkeepError({
    code: "tenant_exists",
    detail: `The tenant ${tenant} exists already, ${place}, and its data cannot be moved. Use it as it is, or create one with another name.`,
    errors: [{ path: "/jurisdiction", detail: `must be ${jurisdiction === null ? "null" : `"${jurisdiction}"`}` }],
    facts: { tenant },
  });
}

const cursorSchema = z.tuple([tenantIdSchema]);

/** The tenants that were created, ordered by name. */
export const listTenants = useCase(
  {
    action: "listTenants",
    isSessionless: true,
    tell: (_page, _query) => ({ tenant: null }),
  },
  async (call: RequestContext, query: PageQuery): Promise<Page<ListedTenant>> => {
    const [after = null] = readCursor(cursorSchema, query.cursor) ?? [];
    const tenants = await call.parts.operations.listTenants(query.limit + 1, after);
    return pageOf(tenants, query.limit, ({ tenant }) => [tenant]);
  },
);

/** The settings of a tenant; a tenant without settings has the defaults. */
export const readTenant = useCase(
  {
    action: "readTenant",
    isSessionless: true,
    tell: (_state, tenant) => ({ tenant }),
  },
  async (call: RequestContext, tenant: string): Promise<TenantState> => {
    return stateOf(tenant, await call.parts.tenants.readRecord(tenant));
  },
);

/** What models used on each of the last days. */
export const readSpending = useCase(
  {
    action: "readSpending",
    isSessionless: true,
    tell: (_spending, tenant) => ({ tenant }),
  },
  async (call: RequestContext, tenant: string, days: number): Promise<Spending> => {
    return { tenant, days: await call.parts.tenants.spending(tenant, days) };
  },
);

const userCursorSchema = z.tuple([z.int().min(1)]);

/** The users with sessions in a tenant, those first who were added last. */
export const listUsers = useCase(
  {
    action: "listUsers",
    isSessionless: true,
    tell: (_page, tenant) => ({ tenant }),
  },
  async (
    call: RequestContext,
    tenant: string,
    { prefix = "", limit, cursor }: PageQuery & { readonly prefix?: string | undefined },
  ): Promise<Page<ListedUser>> => {
    const [before = null] = readCursor(userCursorSchema, cursor) ?? [];
    const { owners, nextRow } = await call.parts.owners.find(tenant, prefix, before, limit);
    const data = owners.map((userId) => ({ userId }));
    return { data, hasMore: nextRow !== null, nextCursor: nextRow === null ? null : encodeCursor([nextRow]) };
  },
);

/** Changes a tenant. Fields that are left out keep their values. */
export const updateTenant = useCase(
  {
    action: "updateTenant",
    isSessionless: true,
    tell: (_state, tenant) => ({ tenant }),
  },
  async (call: RequestContext, tenant: string, patch: TenantPatch): Promise<TenantState> => {
    return stateOf(tenant, await call.parts.tenants.update(tenant, patch));
  },
);

function stateOf(tenant: string, record: Omit<TenantState, "tenant" | "effective">): TenantState {
  const {
    jurisdiction,
    createdAt,
    rev,
    settings,
    summarization,
    summarizerTokensPerDay,
    limits = {},
    usersMay = {},
    spentToday,
    takenToday,
    updatedAt,
  } = record;
  const effective = resolveSettings(settings);
  return {
    tenant,
    jurisdiction,
    createdAt,
    rev,
    settings,
    effective,
    summarization,
    summarizerTokensPerDay,
    limits,
    usersMay,
    spentToday,
    takenToday,
    updatedAt,
  };
}
