import { unwrap } from "../api/errors.ts";
import type { OwnerStanding } from "../api/finding.ts";
import { TENANT_SHARDS } from "../api/limits.ts";
import type { Page } from "../api/page.ts";
import { type ListedSession, type Metadata, ownerName, type SessionRef, TENANT_OWNER } from "../api/session.ts";
import type { UserAsk } from "../api/user-quota.ts";
import type { UserRef } from "../api/user.ts";
import { stableHash } from "../lib/stable-hash.ts";
import type { Directory } from "./directory.ts";
import type { CreationGrant, DirectoryCursor, DirectoryEntry, MetadataChange, Removal } from "./entries.ts";

/** A page of the list of sessions. `metadata`: only sessions that have all of these values. */
interface SessionListQuery {
  readonly limit: number;
  readonly cursor: DirectoryCursor | null;
  readonly metadata: Readonly<Record<string, string>>;
}

/** The directory of an owner (a user, or a tenant itself), as every caller uses it. */
export interface DirectoryClient {
  /**
   * Registers a session, and grants its creation: see `CreationGrant`. The session must be created within
   * `CREATION_GRANT_MS`. Idempotent.
   * @param spent an earlier grant of this caller that is used up: no session will be created from it any more
   * @param byUser the user's limits, if a user creates the session
   * @throws ThreadkeepError `user_erased`; with `byUser` also `quota_exceeded` and `too_many_sessions`
   */
  register(
    ref: SessionRef,
    createdAt: number,
    metadata: Metadata,
    spent?: number,
    byUser?: UserAsk,
  ): Promise<CreationGrant>;
  /** The same for a session that lists must not show before it is registered, such as one that is being imported. */
  announce(ref: SessionRef, createdAt: number, byUser?: UserAsk): Promise<CreationGrant>;
  /**
   * Charges what a user is going to copy into a session, before it is copied. Not idempotent.
   * @throws ThreadkeepError `user_erased`, `quota_exceeded` or `too_many_sessions`
   */
  chargeUser(ref: SessionRef, ask: UserAsk): Promise<void>;
  /**
   * Counts an export of a user's data, before it is read. Not idempotent.
   * @param isContinued whether it is a further page of an export that was counted
   * @throws ThreadkeepError `quota_exceeded`
   */
  chargeExport(user: UserRef, ask: UserAsk, isContinued: boolean): Promise<void>;
  /**
   * Updates an entry for a new epoch of a session, in case the entry still describes an earlier one. Idempotent.
   * @param grantedAt the creation grant with which the new epoch began
   */
  renew(ref: SessionRef, metadata: Metadata, grantedAt: number): Promise<void>;
  /**
   * Removes an entry because its session is gone. Changes nothing if the entry may describe another epoch. Idempotent.
   * @param grantedAt the newest creation grant that the gone epoch had recorded; 0 if unknown
   * @param isLookedFor whether the session's object was asked and holds nothing
   */
  remove(ref: SessionRef, grantedAt: number, isLookedFor?: boolean): Promise<Removal>;
  /** Shows an entry again that `remove` hid, because an epoch of the session was found after all. Idempotent. */
  relist(ref: SessionRef, metadata: Metadata): Promise<void>;
  /**
   * Hides an entry that was registered with this grant, because its session is not complete after all. It is shown
   * again when it is registered again. Idempotent.
   */
  hide(ref: SessionRef, grantedAt: number): Promise<void>;
  /** Saves the metadata of a session, unless the directory has a later change. Idempotent. */
  setMetadata(ref: SessionRef, metadata: Metadata, change: MetadataChange): Promise<void>;
  /**
   * Records that a session expired, or that its expiry was cancelled. Ignored if a later decision is known, or if the
   * entry describes a later epoch. Idempotent.
   * @param decidedAt ms since 1970
   * @param grantedAt the newest creation grant that the epoch had recorded
   * @returns false if a later decision is known
   */
  setExpired(ref: SessionRef, isExpired: boolean, decidedAt: number, grantedAt: number): Promise<boolean>;
  /**
   * The name of a user in the audit log, a keyed hash. Null if the user's key was destroyed, or if there is none and
   * `mayMakeKey` is false: a request that was refused must not leave a key behind for whatever user it named.
   */
  auditName(tenant: string, user: string, mayMakeKey: boolean): Promise<string | null>;
  /** Destroys the user's key: nobody can tell any more which events of the audit log are the user's. Idempotent. */
  forgetAuditKey(tenant: string, user: string): Promise<void>;
  /**
   * What the directory knows of a session and its owner. For a session of the tenant itself, only the shard that holds
   * it is asked.
   */
  standing(ref: SessionRef): Promise<OwnerStanding>;
  /** A page of an owner's sessions, newest first. */
  list(
    tenant: string,
    owner: string,
    query: SessionListQuery,
  ): Promise<Omit<Page<ListedSession>, "nextCursor"> & { next: DirectoryCursor | null }>;
}

/** Only the fields of a reference, without others that the caller's object may have. */
function plainRef({ tenant, owner, session }: SessionRef): SessionRef {
  return { tenant, owner, session };
}

function shardOf(session: string): number {
  return stableHash(session) % TENANT_SHARDS;
}

function newestFirst(a: DirectoryCursor, b: DirectoryCursor): number {
  return b.createdAt - a.createdAt || (a.session < b.session ? 1 : a.session > b.session ? -1 : 0);
}

function cursorOf(entry: DirectoryEntry): DirectoryCursor {
  return { createdAt: entry.createdAtMs, session: entry.id };
}

function toListedSession({ id, createdAt, metadata, expiredAt }: DirectoryEntry): ListedSession {
  return { id, createdAt, metadata, ...(expiredAt === undefined ? {} : { expiredAt }) };
}

/**
 * The methods of the stub. The runtime's own type of a stub maps every value type, and fails on recursive ones such as
 * JSON.
 */
type DirectoryStub = DurableObjectStub &
  Pick<
    Directory,
    | "announce"
    | "auditName"
    | "chargeExport"
    | "chargeUser"
    | "forgetAuditKey"
    | "hide"
    | "list"
    | "register"
    | "relist"
    | "remove"
    | "renew"
    | "setExpired"
    | "setMetadata"
    | "standing"
  >;

/**
 * @param place returns the namespace for a tenant's jurisdiction; without it, all objects are in the given namespace
 */
export function createDirectoryClient(
  namespace: DurableObjectNamespace,
  place: (namespace: DurableObjectNamespace, tenant: string) => Promise<DurableObjectNamespace> = async (same) => same,
): DirectoryClient {
  const stubOf = async (ref: SessionRef): Promise<DirectoryStub> => {
    const objects = await place(namespace, ref.tenant);
    const shard = ref.owner === TENANT_OWNER ? `/${shardOf(ref.session)}` : "";
    return objects.getByName(`${ownerName(ref)}${shard}`) as DirectoryStub;
  };
  return {
    register: async (ref, createdAt, metadata, spent, byUser) =>
      unwrap(await (await stubOf(ref)).register(plainRef(ref), createdAt, metadata, spent ?? null, byUser ?? null)),
    announce: async (ref, createdAt, byUser) =>
      unwrap(await (await stubOf(ref)).announce(plainRef(ref), createdAt, byUser ?? null)),
    chargeUser: async (ref, ask) => {
      unwrap(await (await stubOf(ref)).chargeUser(plainRef(ref), ask));
    },
    chargeExport: async ({ tenant, owner }, ask, isContinued) => {
      unwrap(await (await stubOf({ tenant, owner, session: "" })).chargeExport(ask, isContinued));
    },
    renew: async (ref, metadata, grantedAt) => (await stubOf(ref)).renew(ref.session, metadata, grantedAt),
    remove: async (ref, grantedAt, isLookedFor) => (await stubOf(ref)).remove(ref.session, grantedAt, isLookedFor),
    setExpired: async (ref, isExpired, decidedAt, grantedAt) =>
      (await stubOf(ref)).setExpired(ref.session, isExpired, decidedAt, grantedAt),
    hide: async (ref, grantedAt) => (await stubOf(ref)).hide(ref.session, grantedAt),
    relist: async (ref, metadata) => (await stubOf(ref)).relist(ref.session, metadata),
    setMetadata: async (ref, metadata, change) => (await stubOf(ref)).setMetadata(ref.session, metadata, change),
    standing: async (ref) => (await stubOf(ref)).standing(ref.session),
    auditName: async (tenant, user, mayMakeKey) =>
      (await stubOf({ tenant, owner: user, session: "" })).auditName(user, mayMakeKey),
    forgetAuditKey: async (tenant, user) => (await stubOf({ tenant, owner: user, session: "" })).forgetAuditKey(),
    async list(tenant, owner, query) {
      const names =
        owner === TENANT_OWNER
          ? Array.from({ length: TENANT_SHARDS }, (_, shard) => `${ownerName({ tenant, owner })}/${shard}`)
          : [ownerName({ tenant, owner })];
      const objects = await place(namespace, tenant);
      const pages = await Promise.all(
        names.map((name) =>
          (objects.getByName(name) as DirectoryStub).list({
            limit: query.limit + 1,
            after: query.cursor,
            metadata: query.metadata,
          }),
        ),
      );
      const merged = pages.flatMap((page) => page.entries).toSorted((a, b) => newestFirst(cursorOf(a), cursorOf(b)));
      // A shard that stopped scanning may hold more entries just after. The page ends where the first of them stopped,
      // so that none is skipped.
      const horizon = pages.flatMap((page) => page.scanEnd ?? []).toSorted(newestFirst)[0];
      const sure =
        horizon === undefined ? merged : merged.filter((entry) => newestFirst(cursorOf(entry), horizon) <= 0);
      const page = sure.slice(0, query.limit);
      const last = page.at(-1);
      const isCut = sure.length > query.limit;
      const hasMore = isCut || horizon !== undefined;
      const next = isCut && last !== undefined ? cursorOf(last) : (horizon ?? null);
      return {
        data: page.map(toListedSession),
        hasMore,
        next,
      };
    },
  };
}
