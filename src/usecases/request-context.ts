import type { TicketOffice } from "../access/tickets.ts";
import { isUser } from "../access/users-words.ts";
import { ThreadkeepError } from "../api/errors.ts";
import { refuseManyValues } from "../api/json-values.ts";
import type { WorkflowPayload } from "../api/operation-run.ts";
import type { Principal } from "../api/principal.ts";
import { type Metadata, type SessionRef, type SessionSettings, sessionIdSchema } from "../api/session.ts";
import { type TenantSettings, UNSET_TENANT } from "../api/tenant.ts";
import { type UserAsk, userAskFor } from "../api/user-quota.ts";
import type { UsersMay } from "../api/users-may.ts";
import type { Database } from "../archive/database.ts";
import type { AlertClient } from "../control/alert-client.ts";
import type { OperationsClient } from "../control/client.ts";
import type { DirectoryClient } from "../directory/client.ts";
import type { OwnersClient } from "../directory/owners-client.ts";
import type { UserClient } from "../directory/user-client.ts";
import { type FanOutClient, type OwnSettings, type SessionClient, settingsByUser, termsOf } from "../session/client.ts";
import type { AuditTrail } from "../telemetry/audit.ts";
import type { Backlog } from "../telemetry/backlog.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { TenantClient } from "../tenant/client.ts";
import type { ReadInstanceEnd } from "./lost-runs.ts";
import type { MeaningOf } from "./query-meaning.ts";

/** The dependencies of the use cases, created in src/assembly.ts. */
export interface Deps {
  readonly sessions: SessionClient;
  readonly fanOuts: FanOutClient;
  readonly directory: DirectoryClient;
  readonly users: UserClient;
  readonly operations: OperationsClient;
  readonly alerts: Pick<AlertClient, "readBook" | "countPending">;
  readonly tenants: TenantClient;
  /** Makes the vectors of queries; null if embeddings are off. */
  readonly meaningOf: MeaningOf | null;
  readonly owners: Pick<OwnersClient, "find">;
  readonly tickets: TicketOffice;
  readonly audit: AuditTrail;
  readonly metrics?: Metrics;
  /** Reads the backlogs of the queues. */
  readonly readBacklogs?: () => Promise<Backlog[]>;
  /** Runs `body` with a connection of its own to the archive. */
  readonly withDatabase: <T>(body: (database: Database) => Promise<T>) => Promise<T>;
  /** Starts a Workflow instance for a run. Idempotent by its id. */
  readonly startRun: (id: string, payload: WorkflowPayload) => Promise<void>;
  readonly readInstanceEnd?: ReadInstanceEnd;
  /** Rejects if PostgreSQL does not answer. */
  readonly pingArchive: () => Promise<void>;
}

/** Who calls a use case, and its dependencies. Every surface creates one for each request. */
export interface RequestContext {
  readonly principal: Principal;
  readonly requestId: string;
  /** The request's `traceparent`, by which logs relate the jobs that it causes to it. */
  readonly trace?: string;
  /** The network of the caller, for the audit log; null if unknown. */
  readonly from: string | null;
  readonly parts: Deps;
}

/**
 * The session that an id names for this caller. Its tenant and owner are those of the principal.
 * @throws {ThreadkeepError} `validation_failed` if the id is not valid
 */
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

/**
 * Called after a session was created. If the directory had an entry already, that belongs to an earlier epoch whose
 * erasure broke off, so the entry is renewed.
 */
export async function renewIfKnown(
  call: RequestContext,
  ref: SessionRef,
  { isKnown, grantedAt }: { readonly isKnown: boolean; readonly grantedAt: number },
  metadata: Metadata,
): Promise<void> {
  if (isKnown) await call.parts.directory.renew(ref, metadata, grantedAt);
}

/**
 * The settings of a new session. A user's settings are kept separate and may only tighten what would apply without
 * them.
 * @throws {ThreadkeepError} `setting_not_allowed`
 */
export function beginningSettings(
  { principal }: RequestContext,
  settings: SessionSettings | undefined,
  tenant: TenantSettings | undefined,
  placeOf?: (name: keyof SessionSettings) => string,
): OwnSettings | undefined {
  if (settings === undefined || !isUser(principal)) return settings;
  return settingsByUser({}, settings, termsOf(tenant ?? UNSET_TENANT), placeOf);
}

/** What the tenant permits its users, if the caller is one; undefined for a back end, which may do everything. */
export async function usersMayOf(call: RequestContext): Promise<UsersMay | undefined> {
  return isUser(call.principal) ? ((await tenantOf(call))?.usersMay ?? {}) : undefined;
}

/** The check of a request's text before it is parsed, if a user sent it. */
export function checkOfJson({ principal }: Pick<RequestContext, "principal">): ((text: string) => void) | undefined {
  return isUser(principal) ? refuseManyValues : undefined;
}

/** The limits of the caller's new sessions and copies, if the caller is a user; undefined for a back end. */
export function askOfUser({ principal }: RequestContext, tenant: TenantSettings | undefined): UserAsk | undefined {
  return isUser(principal) ? userAskFor(principal.owner, tenant?.limits) : undefined;
}

/** The settings of the caller's tenant; undefined if it has set none, so that they need not be sent to the session. */
export async function tenantOf(call: RequestContext): Promise<TenantSettings | undefined> {
  const settings = await call.parts.tenants.read(call.principal.tenant);
  return settings.rev === 0 ? undefined : settings;
}
