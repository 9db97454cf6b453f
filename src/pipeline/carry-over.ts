import { readHeldItems } from "../archive/sessions.ts";
import type { Life, Luggage } from "../session/client.ts";
import { ACK, type Delivery, type PipelineParts, type Verdict } from "./delivery.ts";

/** How often a summary is waited for before what there is has to do. */
const MAX_WAITS = 6;

/** Gives a new session what the summary of another held: from that one's object, or from the archive if it expired. */
export async function carryOver({ job, attempts }: Delivery, parts: PipelineParts): Promise<Verdict> {
  const { jobId, incarnation } = job;
  const session = parts.sessions.get(job);
  const next = await session.nextCarrying(jobId, incarnation);
  if (next === null) return ACK;
  const luggage = await pack({ ...job, session: next.source.session }, next.source, attempts < MAX_WAITS, parts);
  if (luggage !== "wait" && (await session.carryOver(jobId, incarnation, luggage))) return ACK;
  return { verdict: "retry", delaySeconds: Math.min(30, 2 ** (attempts - 1)) };
}

async function pack(
  ref: { readonly tenant: string; readonly owner: string; readonly session: string },
  source: Life,
  mayWait: boolean,
  parts: PipelineParts,
): Promise<Luggage | null | "wait"> {
  const carried = await parts.sessions.get(ref).readCarried(source.incarnation, mayWait);
  if (carried === null) return null;
  if (carried.next === "wait") return "wait";
  if (carried.next === "items") return carried;
  const held = await parts.withDatabase((database) => readHeldItems(database, source.incarnation));
  return { ...held, origins: carried.origins };
}
