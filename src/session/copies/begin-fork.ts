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

/** What a fork is made from. */
export interface ForkSource extends EpochRef {
  readonly throughSeq: Seq;
  /** The client named no message: the fork takes everything up to the newest one of the active branch. */
  readonly isNewest: boolean;
  /** Tokens of the messages through `throughSeq`, as they count in a context's budget. */
  readonly tokens: TokenCount;
}

export interface BegunFork extends ForkSource {
  readonly metadata: Metadata;
  readonly settings: OwnSettings;
}

/** The settings that a user chose for a fork. They may only be tighter than those in effect for the source. */
export interface ForkSettings {
  readonly settings: SessionSettings;
  readonly tenant: TenantSettings | undefined;
}

/**
 * Called on the source of a fork: records that `copy` takes messages from it, and returns what the fork begins with.
 * @param throughSeq the last message to copy; undefined: the newest one of the active branch
 * @param counted the tenant whose limits apply; undefined if the fork exists already
 * @throws ThreadkeepError if the session cannot be used, there is no message `throughSeq`, a user's setting is looser,
 * or the tenant's limits do not allow so much
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
  const tokens = unit.store.totals.costAt(through);
  refuseCopied(unit, counted?.limits, { messages: through, tokens }, counted);
  unit.store.lineage.putCopy({ session, epoch }, copy, through);
  return { session, epoch, throughSeq: through, isNewest: throughSeq === undefined, tokens, metadata, settings };
}

/** What a fork would copy as of now. Used to check the user's daily limit before the fork is begun. */
export function forkSize(unit: Unit, throughSeq: Seq | undefined): Pick<UserTaken, "messages" | "tokens" | "bytes"> {
  const messages = forkedThrough(unit, throughSeq);
  const { totals } = unit.store;
  return { messages, tokens: totals.costAt(messages), bytes: totals.bytesThrough(messages) };
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
 * Creates this session as a fork, and schedules the copying. Repeating the call finds the session that is there.
 * @param source what `beginFork` returned
 * @returns `jobId` of the job that copies; null if the session existed already
 * @throws ThreadkeepError `session_exists` if there is a session of this id that is not this fork
 */
export function createFork(
  unit: Unit,
  creation: SessionCreation,
  source: ForkSource,
): { created: boolean; jobId: string | null } {
  const { store, now, tenant } = unit;
  if (unit.findUnerased() !== null) {
    const origin = store.lineage.origins().find(({ kind }) => kind === "fork");
    // If the client named no message, the source's newest one may be another by now.
    const isThrough = source.isNewest || origin?.throughSeq === source.throughSeq;
    if (origin?.epoch !== source.epoch || !isThrough) throw new ThreadkeepError(TAKEN_SESSION);
    return { created: false, jobId: null };
  }
  createSession(unit, creation, { kind: "fork", until: now, sourceChanges: null });
  const { session, epoch, throughSeq } = source;
  const job = scheduleCopy(unit, { session, epoch, kind: "fork", throughSeq, state: "pending" });
  // Counted here and not at the source: a request that broke off in between is repeated, but the fork is created, and
  // its messages count, only once.
  countCopied(unit, tenant?.limits, { messages: throughSeq, tokens: source.tokens });
  return { created: true, jobId: job.id };
}

/**
 * Called on the source of a continuation: records that the session `copy` takes items from it. The source may have
 * expired.
 */
export function beginContinuation(unit: Unit, copy: string): EpochRef {
  const unerased = unit.findUnerased();
  const { session, epoch } = unerased === null || unerased.expiredAt === null ? unit.requireSession() : unerased;
  unit.store.lineage.putCopy({ session, epoch }, copy, null);
  return { session, epoch };
}

export const TAKEN_SESSION: Fault = {
  code: "session_exists",
  detail: "Choose another id, or erase the session that has it.",
};
