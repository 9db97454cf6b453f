import type { Item } from "../api/summary.ts";
import { LASTING_KINDS, readMemories } from "../archive/memories.ts";
import { readHeldItems } from "../archive/sessions.ts";
import { waitDelayMs } from "../lib/retry-policy.ts";
import { newestFirst } from "../prompt/items.ts";
import { ALL_SESSIONS, type EpochRef, type CarriedItems } from "../session/client.ts";
import { ACK, type Delivery, type PipelineDeps, type Verdict } from "./delivery.ts";
import { reportRecovery, settleOver } from "./report.ts";

/**
 * How often the job waits for the source's unfinished summary before it takes the summary that exists. The pauses add
 * up to half a minute.
 */
const MAX_WAITS = 6;

/**
 * Saves the summary items of a source session in a new one (a continuation). They come from the source's object or, if
 * the source has expired, from the archive.
 */
export async function carryOver(delivery: Delivery, parts: PipelineDeps): Promise<Verdict> {
  const { job } = delivery;
  const { jobId, epoch } = job;
  const session = parts.sessions.get(job);
  const next = await session.nextCarryOver(jobId, epoch);
  if (next === null) {
    await settleOver(parts, delivery);
    return ACK;
  }
  const { source, lease, sends, hasFailed } = next;
  const carriedItems = await pack({ ...job, session: source.session }, source, job.session, sends < MAX_WAITS, parts);
  const ended = carriedItems !== "wait" && (await session.carryOver(jobId, epoch, lease, carriedItems));
  if (ended !== false) await reportRecovery(parts, delivery, hasFailed || ended === "known");
  else {
    // The session sends the job again, as often as needed. The queue would give up after some minutes.
    await session.putOff(jobId, epoch, { afterMs: waitDelayMs(sends), hasProgressed: false });
  }
  return ACK;
}

async function pack(
  ref: { readonly tenant: string; readonly owner: string; readonly session: string },
  source: EpochRef,
  child: string,
  mayWait: boolean,
  parts: PipelineDeps,
): Promise<CarriedItems | null | "wait"> {
  if (source.session === ALL_SESSIONS) return packMemories(ref, child, parts);
  const carried = await parts.sessions.get(ref).readCarried(source.epoch, mayWait);
  if (carried === null) return null;
  if (carried.next === "wait") return "wait";
  if (carried.next === "items") return carried;
  const held = await parts.withDatabase((database) =>
    readHeldItems(database, { tenant: ref.tenant, epoch: source.epoch }),
  );
  return { ...held, items: newestFirst(held.items), origins: carried.origins };
}

/**
 * Items that a new session may begin with. A summary has room for fewer; the rest replaces those that turn out to be no
 * longer valid.
 */
const MAX_MEMORIES = 200;
/** Sessions that the items may come from. Each is called. */
const MAX_MEMORY_SESSIONS = 25;

/**
 * A user's current facts and preferences from all sessions. The archive says which sessions have some. Each of those
 * sessions first notes the new session as its copy, so that later erasures reach it, and then says which of its items
 * are still valid.
 */
async function packMemories(
  { tenant, owner }: { readonly tenant: string; readonly owner: string },
  child: string,
  parts: PipelineDeps,
): Promise<CarriedItems> {
  const memories = await parts.withDatabase((database) => readMemories(database, { tenant, owner }, MAX_MEMORIES));
  const bySession = [...Map.groupBy(memories, ({ session }) => session)].filter(([session]) => session !== child);
  const packed = await Promise.all(
    bySession.slice(0, MAX_MEMORY_SESSIONS).map(async ([session, held]): Promise<CarriedItems | null> => {
      const source = parts.sessions.get({ tenant, owner, session });
      const begun = await source.beginContinuation(child);
      if (!begun.ok) return null;
      const { epoch } = begun.value;
      const carried = await source.readCarried(epoch, false);
      if (carried === null || carried.next === "wait") return null;
      const archived = held.filter((memory) => memory.epoch === epoch).map(({ item }) => item);
      const own = {
        session,
        epoch,
        kind: "further",
        throughSeq: 0,
        state: "done",
      } as const;
      return {
        throughSeq: 0,
        // The object of an expired session is empty; the archive has the items that were last valid.
        items: (carried.next === "archive" ? archived : carried.items.filter(isLasting)).map((item) => ({
          ...item,
          ...(item.sourceSession === undefined ? { sourceSession: session, sourceEpoch: epoch } : {}),
        })),
        origins: [own, ...carried.origins],
      };
    }),
  );
  const given = packed.filter((carriedItems) => carriedItems !== null);
  return {
    throughSeq: 0,
    items: given.flatMap(({ items }) => items),
    origins: given.flatMap(({ origins }) => origins),
  };
}

function isLasting({ kind, status }: Item): boolean {
  return status === "current" && LASTING_KINDS.includes(kind);
}
