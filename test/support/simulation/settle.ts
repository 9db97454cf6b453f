import { value } from "./check-log.ts";
import { checkSession, noteRevision } from "./check-session.ts";
import { checkSettled } from "./check-settled.ts";
import { letProceed, startConsumer } from "./machine-steps.ts";
import { jobsOf, sessionOf } from "./rows.ts";
import { drain } from "./surroundings.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** More than any backlog takes: past it, work goes round for ever. */
const MAX_EVENTS = 600;
const MAX_CALLS = 1_000;

/**
 * Everything is healthy from here on: runs alarms and deliveries until nothing is left to do. Promise 10: nothing is owed then, and the
 * archive is what the objects are.
 */
export async function settle(world: World): Promise<string> {
  world.archiveState = "up";
  world.summarizerState = "up";
  world.queues.state = "up";
  if (world.tenant.summarization === "paused") {
    world.tenantHistory.push({ ...world.tenant, rev: world.tenant.rev + 1, summarization: "on" });
  }
  for (const { object } of world.sessions) await object.instance();
  for (const consumer of world.consumers) await letProceed(world, consumer, MAX_CALLS, 0);
  if (world.isRestored) await wakeArchiving(world);
  let events = 0;
  while (await runNextEvent(world)) {
    events += 1;
    if (events > MAX_EVENTS) throw new Violation(10, `after ${MAX_EVENTS} alarms and deliveries there is still work`);
    for (const session of world.sessions) await checkSession(world, session);
  }
  world.isRestored = false;
  for (const session of world.sessions) checkSettled(world, session);
  return `${events} alarms and deliveries`;
}

async function runNextEvent(world: World): Promise<boolean> {
  const message = world.queues.waiting().toSorted((a, b) => a.dueAt - b.dueAt)[0];
  const armed = world.sessions
    .filter((session) => isWoken(world, session))
    .toSorted((a, b) => (a.object.disk.alarm ?? 0) - (b.object.disk.alarm ?? 0))[0];
  const alarmAt = armed?.object.disk.alarm ?? Number.POSITIVE_INFINITY;
  if (message !== undefined && message.dueAt <= alarmAt) {
    world.surroundings.now = Math.max(world.now(), message.dueAt);
    const consumer = await startConsumer(world, [message]);
    await letProceed(world, consumer, MAX_CALLS, 0);
    return true;
  }
  if (armed === undefined) return false;
  world.surroundings.now = Math.max(world.now(), alarmAt);
  await armed.object.fireAlarm(world.now);
  await drain();
  return true;
}

/** Silence alone calls for nothing that is owed already: only time that passes does. */
function isWoken(world: World, { object }: SimulatedSession): boolean {
  const { alarm } = object.disk;
  if (alarm === null) return false;
  return alarm <= world.now() || jobsOf(object).some(({ state }) => state === "owed");
}

/** A restored archive learns what it lacks once something is owed. */
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
