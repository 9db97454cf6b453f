import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import { CREATION_GRANT_MS } from "../../api/limits.ts";
import type { Metadata, SessionRef } from "../../api/session.ts";
import { scheduleListing } from "../outbox/index.ts";
import { type Copying, type OwnSettings, type SessionRow, termsOf } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { revBaseOf } from "./feed.ts";

/** What a session is created with, at its first write. */
export interface SessionCreation {
  readonly ref: SessionRef;
  readonly createdAt: number;
  /** When the directory said that it may be created, by its clock. Without it nobody has asked. */
  readonly grantedAt?: number;
  /** Whether the directory has an entry of an earlier epoch, which is to say what this one is. */
  readonly isKnown?: boolean;
  readonly metadata?: Metadata;
  readonly settings?: OwnSettings;
}

const HASH_KEY_BYTES = 32;

/** Begins an epoch of the session. @param copying null if it is whole from the first */
export function createSession(unit: Unit, creation: SessionCreation, copying: Copying | null = null): SessionRow {
  const { store, now, tenant } = unit;
  // By then the user may have been erased, and nobody looks here any more.
  if (creation.grantedAt !== undefined && now - creation.grantedAt > CREATION_GRANT_MS) {
    throw new ThreadkeepError(SLOW_CREATION);
  }
  store.createSchema();
  const erased = store.session();
  // Of two epochs the archive takes the one that began later for the last; clocks may differ.
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

/** Records the newest grant of the directory that reached this epoch, also where nothing comes of it: the directory's entry then belongs to it. */
export function recordGrant(unit: Unit, { grantedAt = 0 }: Pick<SessionCreation, "grantedAt">): void {
  const session = unit.findUnerased();
  if (session !== null && session.grantedAt < grantedAt) unit.store.setGrantedAt(grantedAt);
}

/** Keeps the tenant's settings that the caller brought, if they are newer: the alarm needs them when nobody calls. */
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
