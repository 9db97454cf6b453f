import { unwrap } from "../api/errors.ts";
import type { OwnerStanding } from "../api/finding.ts";
import type { Page } from "../api/page.ts";
import { type ListedSession, type Metadata, ownerName, type SessionRef, TENANT_OWNER } from "../api/session.ts";
import type { UserAsk } from "../api/user-quota.ts";
import type { UserRef } from "../api/user.ts";
import type { Directory } from "./directory.ts";
import type { CreationGrant, DirectoryCursor, DirectoryEntry, MetadataChange, Removal } from "./entries.ts";

/** Sessions of a tenant alone may be millions: they are spread over so many objects. A change would lose them. */
const TENANT_SHARDS = 64;

export type { DirectoryCursor, Removal } from "./entries.ts";

export interface SessionListQuery {
  readonly limit: number;
  readonly cursor: DirectoryCursor | null;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface DirectoryClient {
  /**
   * Idempotent. Throws `user_erased`. The word it gives is good for `CREATION_GRANT_MS`.
   * @param spent an earlier word that the caller was given, and that nothing more can come of
   * @param byUser what bounds the user, if it is one who creates it: throws `quota_exceeded` and `too_many_sessions`
   */
  register(
    ref: SessionRef,
    createdAt: number,
    metadata: Metadata,
    spent?: number,
    byUser?: UserAsk,
  ): Promise<CreationGrant>;
  /** The same for a session that no list shows before it is registered. */
  announce(ref: SessionRef, createdAt: number, byUser?: UserAsk): Promise<CreationGrant>;
  /** Charges what a user is to copy into a session, before it is copied. Throws `quota_exceeded` and `too_many_sessions`. Not idempotent. */
  chargeUser(ref: SessionRef, ask: UserAsk): Promise<void>;
  /** Counts an export that a user takes, before it is read. Throws `quota_exceeded`. Not idempotent. */
  chargeExport(user: UserRef, ask: UserAsk): Promise<void>;
  /**
   * The entry is of a new epoch, and not of an earlier one that nobody took off the list. Idempotent.
   * @param grantedAt the word by which the epoch began
   */
  renew(ref: SessionRef, metadata: Metadata, grantedAt: number): Promise<void>;
  /**
   * Idempotent, and deaf where another epoch may be meant by the entry.
   * @param grantedAt the newest word that the epoch which is gone had heard of; 0 if it is not known
   * @param isLookedFor whether the session's object was asked, and has nothing
   */
  remove(ref: SessionRef, grantedAt: number, isLookedFor?: boolean): Promise<Removal>;
  /** A removal took it off the lists, and an epoch of it was found after all. Idempotent. */
  relist(ref: SessionRef, metadata: Metadata): Promise<void>;
  /** What was registered by this word is not whole after all: no list shows it until it is registered anew. Idempotent. */
  hide(ref: SessionRef, grantedAt: number): Promise<void>;
  /** @param grantedAt the newest word that the epoch whose metadata it is had heard of */
  setMetadata(ref: SessionRef, metadata: Metadata, change: MetadataChange): Promise<void>;
  /**
   * Idempotent, and deaf to what was decided earlier.
   * @param decidedAt ms since 1970
   * @param grantedAt the newest word that the epoch of which it was decided had heard of: an entry of a later epoch stays as it is
   * @returns false if something is known that was decided later
   */
  setExpired(ref: SessionRef, isExpired: boolean, decidedAt: number, grantedAt: number): Promise<boolean>;
  /**
   * The name that the audit has for a user, a keyed hash; null if the user's key was destroyed, or if there is none and none may be
   * made: who is only named in requests that were refused leaves nothing behind.
   */
  auditName(tenant: string, user: string, mayMakeKey: boolean): Promise<string | null>;
  /** Idempotent. From here on no event of the audit can be told to be the user's, nor ever again. */
  forgetAuditKey(tenant: string, user: string): Promise<void>;
  /** What the list knows of a session and its owner; of a session of the tenant alone its part of the list alone. */
  standing(ref: SessionRef): Promise<OwnerStanding>;
  /** Newest first. */
  list(
    tenant: string,
    owner: string,
    query: SessionListQuery,
  ): Promise<Omit<Page<ListedSession>, "nextCursor"> & { next: DirectoryCursor | null }>;
}

/** Without what else a caller's object carries. */
function plainRef({ tenant, owner, session }: SessionRef): SessionRef {
  return { tenant, owner, session };
}

/** FNV-1a, 32 bits: spreads ids evenly and gives the same shard for good. */
function shardOf(session: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < session.length; at += 1) {
    hash = Math.imul(hash ^ session.charCodeAt(at), 0x01000193) >>> 0;
  }
  return hash % TENANT_SHARDS;
}

function newestFirst(a: DirectoryCursor, b: DirectoryCursor): number {
  return b.createdAt - a.createdAt || (a.session < b.session ? 1 : a.session > b.session ? -1 : 0);
}

function cursorOf(entry: DirectoryEntry): DirectoryCursor {
  return { createdAt: entry.createdAtMs, session: entry.id };
}

function listed({ id, createdAt, metadata, expiredAt }: DirectoryEntry): ListedSession {
  return { id, createdAt, metadata, ...(expiredAt === undefined ? {} : { expiredAt }) };
}

/** The runtime's own type of a stub maps every value it carries, and gives up on recursive ones such as JSON. */
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

/** @param place tells the namespace in which a tenant's objects lie; without it they all lie in the one given */
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
    chargeExport: async ({ tenant, owner }, ask) => {
      unwrap(await (await stubOf({ tenant, owner, session: "" })).chargeExport(ask));
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
      // A shard that stopped scanning may hold entries just behind: the page ends where the first of them stopped.
      const horizon = pages.flatMap((page) => page.scanEnd ?? []).toSorted(newestFirst)[0];
      const sure =
        horizon === undefined ? merged : merged.filter((entry) => newestFirst(cursorOf(entry), horizon) <= 0);
      const page = sure.slice(0, query.limit);
      const last = page.at(-1);
      const isCut = sure.length > query.limit;
      const hasMore = isCut || horizon !== undefined;
      const next = isCut && last !== undefined ? cursorOf(last) : (horizon ?? null);
      return {
        data: page.map(listed),
        hasMore,
        next,
      };
    },
  };
}
