import { value } from "./check-log.ts";
import { checkSession, noteRevision } from "./check-session.ts";
import { checkDeadLetters, checkSettled } from "./check-settled.ts";
import { checkListed, checkSpaces } from "./check-spaces.ts";
import { end } from "./clients.ts";
import { alarmed, letProceed, MAX_CONSUMER_CALLS, ring, startConsumer } from "./machine-steps.ts";
import { jobsOf, hasPendingAudits, sessionOf } from "./rows.ts";
import { resumeTenants } from "./tenant-steps.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** More than any backlog takes: beyond it, work would never end. */
const MAX_EVENTS = 600;
/** Later than anything that an object waits for without a pending job, such as the last search for an erased user's data. */
const MAX_PAUSE_MS = 24 * 3_600_000;

/**
 * From here on everything is healthy: runs alarms and deliveries until nothing is left to do. Promise 10: nothing is pending then, and the
 * archive equals the objects.
 */
export async function settle(world: World): Promise<string> {
  world.archiveState = "up";
  world.summarizerState = "up";
  world.registryState = "up";
  world.queues.state = "up";
  await resumeTenants(world);
  for (const { object } of world.sessions) await object.instance();
  for (const { object } of world.directories()) await object.instance();
  for (const consumer of world.consumers) await letProceed(world, consumer, MAX_CONSUMER_CALLS, 0);
  for (const call of world.calls) await end(world, call);
  const lifted = new Set<SimulatedSession>();
  await liftBudgets(world, lifted);
  if (world.isRestored) await wakeArchiving(world);
  let events = 0;
  while (await runNextEvent(world)) {
    events += 1;
    if (events > MAX_EVENTS) throw new Violation(10, `after ${MAX_EVENTS} alarms and deliveries there is still work`);
    await liftBudgets(world, lifted);
    for (const session of world.sessions) await checkSession(world, session);
    await checkSpaces(world);
  }
  world.isRestored = false;
  for (const session of world.sessions) checkSettled(world, session);
  await checkListed(world);
  await checkDeadLetters(world);
  return `${events} alarms and deliveries`;
}

async function runNextEvent(world: World): Promise<boolean> {
  const message = world.queues.waiting().toSorted((a, b) => a.dueAt - b.dueAt)[0];
  const armed = alarmed(world)
    .filter((each) => isWoken(world, each))
    .toSorted((a, b) => (a.object.disk.alarm ?? 0) - (b.object.disk.alarm ?? 0))[0];
  const alarmAt = armed?.object.disk.alarm ?? Number.POSITIVE_INFINITY;
  if (message !== undefined && message.dueAt <= alarmAt) {
    world.setNow(Math.max(world.now(), message.dueAt));
    const consumer = await startConsumer(world, [message]);
    await letProceed(world, consumer, MAX_CONSUMER_CALLS, 0);
    return true;
  }
  if (armed === undefined) return false;
  world.setNow(Math.max(world.now(), alarmAt));
  await ring(world, armed, false);
  return true;
}

/** Silence alone does not call for something that is pending already: only passing time does. */
function isWoken(world: World, { object, session }: ReturnType<typeof alarmed>[number]): boolean {
  const { alarm } = object.disk;
  if (alarm === null) return false;
  if (session === null) return alarm <= world.now() + MAX_PAUSE_MS;
  const isPending = hasPendingAudits(session.object) || jobsOf(session.object).some(({ state }) => state === "pending");
  return isPending || alarm <= world.now();
}

/** A session's budget for models is used up, so that it would wait for the next day, or for ever. */
async function liftBudgets(world: World, lifted: Set<SimulatedSession>): Promise<void> {
  for (const session of world.sessions) {
    if (session.model?.status !== "active" || lifted.has(session)) continue;
    lifted.add(session);
    const settings = { ...session.model.settings, summarizerTokensPerDay: null };
    value(await (await session.object.instance()).update({ settings }), "update");
    session.model = { ...session.model, settings };
    await noteRevision(session);
  }
}

/** A restored archive notices what it lacks once something is pending. */
async function wakeArchiving(world: World): Promise<void> {
  for (const session of world.sessions) {
    const row = sessionOf(session.object);
    if (session.model?.status !== "active" || row === null || row.archive_rev === 0) continue;
    const metadata = { ...session.model.metadata, restored: true };
    value(await (await session.object.instance()).update({ metadata }), "update");
    session.model = { ...session.model, metadata };
    await noteRevision(session);
  }
}
