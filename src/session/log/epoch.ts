import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import { CREATION_GRANT_MS } from "../../api/limits.ts";
import type { Metadata, SessionRef } from "../../api/session.ts";
import { scheduleListing } from "../outbox/index.ts";
import { type Copying, type OwnSettings, type SessionRow, termsOf } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { revBaseOf } from "./feed.ts";

/** What a session is created with. */
export interface SessionCreation {
  readonly ref: SessionRef;
  readonly createdAt: number;
  /** The time of the directory's creation grant, by the directory's clock; undefined if it was not asked. */
  readonly grantedAt?: number;
  /** Whether the directory has an entry of an earlier epoch of this id, which must be updated to this one. */
  readonly isKnown?: boolean;
  readonly metadata?: Metadata;
  readonly settings?: OwnSettings;
}

const HASH_KEY_BYTES = 32;

/**
 * Creates the session: begins a new epoch.
 * @param copying the progress of a fork or import; null if the session is complete at once
 * @throws ThreadkeepError `unavailable` if the creation grant is too old
 */
export function createSession(unit: Unit, creation: SessionCreation, copying: Copying | null = null): SessionRow {
  const { store, now, tenant } = unit;
  // The user may have been erased since the grant was given. An erasure only looks for sessions that were granted
  // before it began, and waits CREATION_GRANT_MS for them, so a later one would be missed.
  if (creation.grantedAt !== undefined && now - creation.grantedAt > CREATION_GRANT_MS) {
    throw new ThreadkeepError(SLOW_CREATION);
  }
  const erased = store.session();
  // The archive treats the epoch that began later as the current one, so it must be later even if the clocks disagree.
  const beganAt = erased === null ? now : Math.max(now, erased.beganAt + 1);
  store.insertSession({
    ...creation.ref,
    epoch: unit.newId(),
    hashKey: crypto.getRandomValues(new Uint8Array(HASH_KEY_BYTES)),
    metadata: creation.metadata ?? {},
    settings: creation.settings ?? {},
    createdAt: creation.createdAt,
    beganAt,
    grantedAt: creation.grantedAt ?? 0,
    begunBy: creation.grantedAt ?? 0,
    tenantRev: tenant?.rev ?? 0,
    tenantSettings: tenant === undefined ? {} : termsOf(tenant),
    copying,
    revBase: revBaseOf(beganAt),
  });
  if (creation.isKnown === true && copying?.kind !== "import") scheduleListing(unit);
  return unit.session;
}

/**
 * Records a creation grant if it is the newest one of this epoch. This is done even if the call that brings it is
 * refused: the directory's entry has this grant, and must be known to belong to this epoch.
 */
export function recordGrant(unit: Unit, { grantedAt = 0 }: Pick<SessionCreation, "grantedAt">): void {
  const session = unit.findUnerased();
  if (session !== null && session.grantedAt < grantedAt) unit.store.setGrantedAt(grantedAt);
}

/**
 * Stores the tenant's settings that the caller sent along, if they are newer than the stored ones. The alarm needs
 * them, since no caller brings any there.
 */
export function applyTenantSettings(unit: Unit): void {
  const { tenant, row, store } = unit;
  if (tenant !== undefined && row !== null && tenant.rev > row.tenantRev) {
    store.setTenantSettings(tenant.rev, termsOf(tenant));
  }
}

const SLOW_CREATION: Fault = {
  code: "unavailable",
  detail: "It took too long to create the session. Send the same request again after Retry-After seconds.",
  retryAfterSeconds: 1,
};
