import { resolveSettings } from "../src/api/session.ts";
import type { SummarizerUsage } from "../src/api/summarizer.ts";
import { sessionOf, spentOn } from "./rows.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** What models used for a session: a row of its own, which is not deleted with anything else. */

const DAY_MS = 24 * 3_600_000;

function today(world: World): number {
  return Math.floor(world.now() / DAY_MS) * DAY_MS;
}

/** What models used so far on this day, according to the object. */
export function spentToday(world: World, { object }: SimulatedSession): number {
  return spentOn(object, today(world));
}

/** @param before the usage of the day before the call that reported this usage */
export function checkCounted(
  world: World,
  session: SimulatedSession,
  usage: SummarizerUsage | undefined,
  before: number,
): void {
  // After an epoch has ended, its day is kept only if it is limited.
  if (usage === undefined || session.model?.status !== "active") return;
  const due = before + usage.inputTokens + usage.outputTokens;
  const spent = spentToday(world, session);
  if (spent !== due)
    throw new Violation(10, `models used ${due} tokens on the day of ${session.label}, but ${spent} are counted`);
}

/** Whether a consumer learns that a session has used up its day. */
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
  throw new Violation(
    10,
    `models took ${spent} of ${budget} tokens of the day of ${label}, but the consumer is told ${told}`,
  );
}
