// One kill under load, and the comparison of the sessions with what clients were told.
import { setTimeout as sleep } from "node:timers/promises";
import { checkMessages } from "../drills/check-kept.ts";
import { check, until } from "../drills/fault.ts";
import { type Load, startLoad } from "../drills/load.ts";
import type { PlannedKill } from "./plan.ts";
import type { CrashRig } from "./rig.ts";

/** The pause between two turns of a chat. With several chats, some request is in progress at every moment. */
const PAUSE_MS = 20;
const POLL_MS = 5;

export interface KillResult extends PlannedKill {
  /** Messages of this kill's chats that were acknowledged before it, and in all. */
  readonly acknowledgedBefore: number;
  readonly acknowledged: number;
  readonly messages: number;
  /** Requests that were not answered and were sent again. */
  readonly unanswered: number;
}

export interface KillSettings {
  /** Prefix of the chats' ids. Each kill needs another one. */
  readonly name: string;
  readonly chats: number;
  /** The moment of the kill counts from when each chat has had this many messages acknowledged. */
  readonly least: number;
}

/**
 * Rejects if a promise was broken, and says which one.
 * @returns among others the load, which has ended; the background work of its chats is still to be checked
 */
export async function killOnce(
  rig: CrashRig,
  kill: PlannedKill,
  { name, chats, least }: KillSettings,
): Promise<{ result: KillResult; load: Load }> {
  const load = await startLoad(rig.service, { name, chats, pauseMs: PAUSE_MS });
  try {
    const counts = (): number[] => load.chats.map(({ acknowledged }) => acknowledged.size);
    const haveAll = (enough: (count: number, index: number) => boolean): true | undefined => {
      failEarly(load);
      return counts().every(enough) ? true : undefined;
    };
    await until("each chat is answered", () => haveAll((count) => count >= least), { pollMs: POLL_MS });
    await sleep(kill.afterMs);
    await rig.kill(kill.victim);
    const before = counts();
    await sleep(kill.downMs);
    await rig.mend(kill.victim);
    await until("each chat goes on", () => haveAll((count, index) => count > (before[index] ?? 0)), {
      pollMs: POLL_MS,
    });
    await load.stop();
    failEarly(load);
    const unanswered = load.unanswered();
    check(
      kill.victim !== "postgres" || unanswered === 0,
      `${unanswered} requests failed, though only PostgreSQL was down`,
    );
    let messages = 0;
    for (const chat of load.chats) messages += await checkMessages(rig.service(), chat);
    const result = {
      ...kill,
      acknowledgedBefore: before.reduce((sum, count) => sum + count, 0),
      acknowledged: load.acknowledged(),
      messages,
      unanswered,
    };
    return { result, load };
  } catch (error) {
    load.abandon();
    throw error;
  }
}

/** A chat stops at its first fault. Waiting for it would time out and hide that fault. */
function failEarly(load: Load): void {
  const faults = load.chats.flatMap((chat) => chat.faults);
  check(faults.length === 0, faults.join("; "));
}
