import type { TicketOffice } from "../access/tickets.ts";
import { isUser } from "../access/users-words.ts";
import { ThreadkeepError } from "../api/errors.ts";
import { refuseManyValues } from "../api/json-values.ts";
import type { WorkflowPayload } from "../api/operation-run.ts";
import type { Principal } from "../api/principal.ts";
import { type Metadata, type SessionRef, type SessionSettings, sessionIdSchema, TENANT_OWNER } from "../api/session.ts";
import { type TenantSettings, UNSET_TENANT } from "../api/tenant.ts";
import { type UserAsk, userBoundsOf } from "../api/user-quota.ts";
import type { UsersMay } from "../api/users-may.ts";
import type { Database } from "../archive/database.ts";
import type { AlertClient } from "../control/alert-client.ts";
import type { OperationsClient } from "../control/client.ts";
import type { DirectoryClient } from "../directory/client.ts";
import type { OwnersClient } from "../directory/owners-client.ts";
import type { UserClient } from "../directory/user-client.ts";
import { type OwnSettings, type SessionClient, settingsByUser, termsOf } from "../session/client.ts";
import type { AuditTrail } from "../telemetry/audit.ts";
import type { Backlog } from "../telemetry/backlog.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { TenantClient } from "../tenant/client.ts";
import type { ReadInstanceEnd } from "./lost-runs.ts";
import type { MeaningOf } from "./query-meaning.ts";

/** What the use cases are made of; the entry hands it over. */
export interface Deps {
  readonly sessions: SessionClient;
  readonly directory: DirectoryClient;
  readonly users: UserClient;
  readonly operations: OperationsClient;
  readonly alerts: Pick<AlertClient, "readBook" | "countPending">;
  readonly tenants: TenantClient;
  /** What a query means; null where embeddings are off. */
  readonly meaningOf: MeaningOf | null;
  readonly owners: Pick<OwnersClient, "find">;
  readonly tickets: TicketOffice;
  readonly audit: AuditTrail;
  readonly metrics?: Metrics;
  /** How much waits in the queues. */
  readonly readBacklogs?: () => Promise<Backlog[]>;
  /** Runs on a connection to the archive of its own. */
  readonly withDatabase: <T>(body: (database: Database) => Promise<T>) => Promise<T>;
  /** Begins an instance of the Workflow of operations. Idempotent by its id. */
  readonly startRun: (id: string, payload: WorkflowPayload) => Promise<void>;
  readonly readInstanceEnd?: ReadInstanceEnd;
  /** Rejects if PostgreSQL does not answer. */
  readonly pingArchive: () => Promise<void>;
}

/** Who calls a use case, and with what. Every surface makes one and passes it on. */
export interface RequestContext {
  readonly principal: Principal;
  readonly requestId: string;
  /** What the work that it calls for is known by in logs, as a `traceparent`. */
  readonly trace?: string;
  /** The network that it came from, as the audit may know it; null where there is none. */
  readonly from: string | null;
  readonly parts: Deps;
}

/** The session that an id names for this caller. Its tenant and owner come from the principal alone. */
export function refOf(call: RequestContext, sessionId: string): SessionRef {
  const parsed = sessionIdSchema.safeParse(sessionId);
  if (!parsed.success) {
    throw new ThreadkeepError({
      code: "validation_failed",
      detail: "The session id is not valid.",
      errors: [{ path: "sessionId", detail: parsed.error.issues[0]?.message ?? "is not valid" }],
    });
  }
  const { tenant, owner } = call.principal;
  return { tenant, owner, session: parsed.data };
}

/** Called as a session was created: an entry that was there is of an earlier epoch, which a broken-off erasure left on the list. */
export async function renewIfKnown(
  call: RequestContext,
  ref: SessionRef,
  { isKnown, grantedAt }: { readonly isKnown: boolean; readonly grantedAt: number },
  metadata: Metadata,
): Promise<void> {
  if (isKnown) await call.parts.directory.renew(ref, metadata, grantedAt);
}

/** The settings that a session begins with. Those of a user stand apart, and may only be tighter than what holds without them. */
export function beginningSettings(
  { principal }: RequestContext,
  settings: SessionSettings | undefined,
  tenant: TenantSettings | undefined,
  placeOf?: (name: keyof SessionSettings) => string,
): OwnSettings | undefined {
  if (settings === undefined || !isUser(principal)) return settings;
  return settingsByUser({}, settings, termsOf(tenant ?? UNSET_TENANT), placeOf);
}

/** What the caller's tenant opens to its users, if the caller is one of them; undefined of a back end, which may do all. */
export async function usersMayOf(call: RequestContext): Promise<UsersMay | undefined> {
  return isUser(call.principal) ? ((await tenantOf(call))?.usersMay ?? {}) : undefined;
}

/** What JSON of this caller is held to before it is parsed, if it is a user's. */
export function checkOfJson({ principal }: Pick<RequestContext, "principal">): ((text: string) => void) | undefined {
  return isUser(principal) ? refuseManyValues : undefined;
}

/** What bounds the caller's new sessions and copies, if it is a user who has a list of sessions; undefined of a back end. */
export function askOfUser({ principal }: RequestContext, tenant: TenantSettings | undefined): UserAsk | undefined {
  if (!isUser(principal) || principal.owner === TENANT_OWNER) return undefined;
  return { bounds: userBoundsOf(tenant?.limits) };
}

/** What the caller's tenant has set for its sessions; undefined if nothing, so that it need not travel. */
export async function tenantOf(call: RequestContext): Promise<TenantSettings | undefined> {
  const settings = await call.parts.tenants.read(call.principal.tenant);
  return settings.rev === 0 ? undefined : settings;
}
