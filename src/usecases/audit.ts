import { requireScope } from "../access/scopes.ts";
import type { AuditEvent, AuditFilter } from "../api/audit.ts";
import { ThreadkeepError } from "../api/errors.ts";
import type { Page } from "../api/page.ts";
import type { Principal } from "../api/principal.ts";
import { readAuditEvents } from "../archive/audit.ts";
import { isArchiveAway } from "../archive/database.ts";
import { pageOf, type PageQuery, readCursor, timedCursorSchema } from "./paging.ts";
import type { RequestContext } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/** PostgreSQL restarts within this time. */
const RETRY_AFTER_SECONDS = 5;

export interface AuditQuery extends AuditFilter, PageQuery {}

/**
 * Audit events, newest first. An administrator can read all of them; a tenant's key with the scope `ops` those of its
 * tenant.
 */
export const readAudit = useCase(
  {
    action: "readAudit",
    isSessionless: true,
    tell: (_page, { tenant }) => (tenant === undefined ? {} : { tenant }),
  },
  async (call: RequestContext, query: AuditQuery): Promise<Page<AuditEvent>> => {
    const tenant = tenantOf(call.principal, query.tenant);
    const { limit, cursor, user, from, to, ...filter } = query;
    const last = readCursor(timedCursorSchema, cursor);
    const after = last === null ? null : { at: last[0], id: last[1] };
    const span = spanOf(from, to);
    const name = user === undefined ? undefined : await nameOf(call, tenant, user);
    if (name === null) return { data: [], hasMore: false, nextCursor: null };
    const stored = { ...filter, tenant, user: name, ...span };
    const events = await read(call, (database) => readAuditEvents(database, stored, { limit: limit + 1, after }));
    return pageOf(events, limit, ({ at, id }) => [Date.parse(at), id]);
  },
);

/** The tenant whose events the caller reads; undefined: all tenants. */
function tenantOf(principal: Principal, asked: string | undefined): string | undefined {
  if (principal.scopes.includes("admin")) return asked;
  requireScope(principal, "ops");
  if (asked === undefined || asked === principal.tenant) return principal.tenant;
  throw new ThreadkeepError({
    code: "forbidden",
    detail: "This key reads the audit of its own tenant alone. Leave tenant out, or use the admin key.",
    errors: [{ path: "tenant", detail: "is not the tenant of this key" }],
  });
}

/** The keyed hash of a user's id in the audit log; null if there are no events of the user. */
function nameOf(call: RequestContext, tenant: string | undefined, user: string): Promise<string | null> {
  if (tenant !== undefined) return call.parts.directory.auditName(tenant, user, false);
  throw new ThreadkeepError({
    code: "validation_failed",
    detail: "A user's id means nothing without a tenant. Name the tenant as well.",
    errors: [{ path: "tenant", detail: "must be given along with user" }],
  });
}

function spanOf(from: string | undefined, to: string | undefined) {
  const span = {
    from: from === undefined ? undefined : Date.parse(from),
    to: to === undefined ? undefined : Date.parse(to),
  };
  if (span.from === undefined || span.to === undefined || span.from < span.to) return span;
  throw new ThreadkeepError({
    code: "validation_failed",
    detail: "No time lies between from and to. Give an earlier from, or a later to.",
    errors: [{ path: "from", detail: "must be before to" }],
  });
}

async function read<T>(call: RequestContext, body: Parameters<typeof call.parts.withDatabase<T>>[0]): Promise<T> {
  try {
    return await call.parts.withDatabase(body);
  } catch (error) {
    if (!isArchiveAway(error)) throw error;
    throw new ThreadkeepError({
      code: "unavailable",
      detail:
        "The archive, which stores the audit log, cannot be reached. New events wait in their queue meanwhile. Send the same request again after Retry-After seconds.",
      retryAfterSeconds: RETRY_AFTER_SECONDS,
    });
  }
}
