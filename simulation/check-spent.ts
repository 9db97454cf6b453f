import { resolveSettings } from "../src/api/session.ts";
import type { SummarizerUsage } from "../src/api/summarizer.ts";
import { sessionOf, spentOn } from "./rows.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** What models took for a session: a row of its own, which nothing that is deleted takes along. */

const DAY_MS = 24 * 3_600_000;

function today(world: World): number {
  return Math.floor(world.now() / DAY_MS) * DAY_MS;
}

/** What models took of the day so far, as the object holds it. */
export function spentToday(world: World, { object }: SimulatedSession): number {
  return spentOn(object, today(world));
}

/** @param before what was spent of the day before the call that told of this usage */
export function checkCounted(
  world: World,
  session: SimulatedSession,
  usage: SummarizerUsage | undefined,
  before: number,
): void {
  // Of an epoch that is over a day is kept only where it is bounded.
  if (usage === undefined || session.model?.status !== "active") return;
  const due = before + usage.inputTokens + usage.outputTokens;
  const spent = spentToday(world, session);
  if (spent !== due)
    throw new Violation(10, `models took ${due} tokens of the day of ${session.label}, and ${spent} count`);
}

/** Whether a consumer is told that a session has used up its day. */
export function checkBudget(world: World, session: SimulatedSession, isOverBudget: boolean): void {
  const { model, label, ref } = session;
  const row = sessionOf(session.object);
  if (row === null || model?.status !== "active") return;
  const { settings: tenant } = world.tenantAt(ref.tenant, row.tenant_rev);
  const { summarizerTokensPerDay: budget } = resolveSettings(model.settings, tenant);
  const spent = spentToday(world, session);
  const isOver = budget !== null && spent >= budget;
  if (isOver === isOverBudget) return;
  const told = isOverBudget ? "used up" : "left";
  throw new Violation(10, `models took ${spent} of ${budget} tokens of the day of ${label}, and it is told as ${told}`);
}
