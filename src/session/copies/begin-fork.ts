import { type Fault, ThreadkeepError } from "../../api/errors.ts";
import type { Seq, TokenCount } from "../../api/message.ts";
import type { Metadata, SessionSettings } from "../../api/session.ts";
import type { TenantSettings } from "../../api/tenant.ts";
import type { UserTaken } from "../../api/user-quota.ts";
import { type SessionCreation, createSession } from "../log/index.ts";
import { countCopied, refuseCopied } from "../quota/index.ts";
import { type OwnSettings, settingsByUser, withTenant } from "../sqlite/index.ts";
import type { Unit } from "../unit.ts";
import { scheduleCopy } from "./fork.ts";
import type { EpochRef } from "./lineage.ts";

/** What a fork is made of. */
export interface ForkSource extends EpochRef {
  readonly throughSeq: Seq;
  /** Nobody named the message: it is the newest. */
  readonly isNewest: boolean;
  /** Of its messages. */
  readonly tokens: TokenCount;
}

export interface BegunFork extends ForkSource {
  readonly metadata: Metadata;
  readonly settings: OwnSettings;
}

/** What a user sets for a fork, over what holds for its source. */
export interface ForkSettings {
  readonly settings: SessionSettings;
  readonly tenant: TenantSettings | undefined;
}

/**
 * Notes that a fork is made of this session, and gives what it begins with.
 * @param counted by whose limits it may be refused; undefined of a fork that is there already
 */
export function beginFork(
  unit: Unit,
  copy: string,
  {
    throughSeq,
    counted,
    byUser,
  }: { throughSeq: Seq | undefined; counted: TenantSettings | undefined; byUser: ForkSettings | undefined },
): BegunFork {
  const known = unit.requireSession();
  const { session, epoch, metadata } = known;
  const settings =
    byUser === undefined
      ? known.settings
      : settingsByUser(known.settings, byUser.settings, withTenant(known, byUser.tenant).tenantSettings);
  const through = forkedThrough(unit, throughSeq);
  const tokens = unit.store.messages.totalCostAt(through);
  refuseCopied(unit, counted?.limits, { messages: through, tokens }, counted);
  unit.store.lineage.putCopy(copy, through);
  return { session, epoch, throughSeq: through, isNewest: throughSeq === undefined, tokens, metadata, settings };
}

/** What a fork would copy, as it is now: whoever pays by size pays before it is begun. */
export function forkSize(unit: Unit, throughSeq: Seq | undefined): Pick<UserTaken, "messages" | "tokens" | "bytes"> {
  const messages = forkedThrough(unit, throughSeq);
  const { messages: log } = unit.store;
  return { messages, tokens: log.totalCostAt(messages), bytes: log.bytesThrough(messages) };
}

function forkedThrough({ store }: Unit, throughSeq: Seq | undefined): Seq {
  const headSeq = store.messages.head()?.seq ?? 0;
  if (throughSeq === undefined) return store.branches.active(headSeq).headSeq;
  if (throughSeq <= headSeq) return throughSeq;
  throw new ThreadkeepError({
    code: "validation_failed",
    detail: `The session has ${headSeq} messages. Fork it through one of them, or leave throughSeq out for the newest.`,
    errors: [{ path: "/throughSeq", detail: `is past the newest message, ${headSeq}` }],
    facts: { headSeq },
  });
}

/**
 * Creates this session as a fork. A repeated request finds it there.
 * @param source what `beginFork` gave
 * @returns the job that copies it; null if it was there
 */
export function createFork(
  unit: Unit,
  creation: SessionCreation,
  source: ForkSource,
): { created: boolean; jobId: string | null } {
  const { store, now, tenant } = unit;
  if (unit.findUnerased() !== null) {
    const origin = store.lineage.origins().find(({ kind }) => kind === "fork");
    // Asked again for the newest message, the source may have moved on.
    const isThrough = source.isNewest || origin?.throughSeq === source.throughSeq;
    if (origin?.epoch !== source.epoch || !isThrough) throw new ThreadkeepError(TAKEN_SESSION);
    return { created: false, jobId: null };
  }
  createSession(unit, creation, { kind: "fork", until: now, sourceChanges: null });
  const { session, epoch, throughSeq } = source;
  const job = scheduleCopy(unit, { session, epoch, kind: "fork", throughSeq, state: "pending" });
  // Here and not at its source: a request that broke off in between is repeated, and the messages come once.
  countCopied(unit, tenant?.limits, { messages: throughSeq, tokens: source.tokens });
  return { created: true, jobId: job.id };
}

/** Notes that another session continues from this one, which may have expired. */
export function beginContinuation(unit: Unit, copy: string): EpochRef {
  const unerased = unit.findUnerased();
  const { session, epoch } = unerased === null || unerased.expiredAt === null ? unit.requireSession() : unerased;
  unit.store.lineage.putCopy(copy, null);
  return { session, epoch };
}

export const TAKEN_SESSION: Fault = {
  code: "session_exists",
  detail: "Choose another id, or erase the session that has it.",
};
