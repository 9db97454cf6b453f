import type { Passage } from "./activity.ts";
import { followBackground } from "./background.ts";
import { noteRevision } from "./check-session.ts";
import { partsOf } from "./consumer-parts.ts";
import { Consumer } from "./consumer.ts";
import { changeGiven } from "./given-steps.ts";
import { pickSession } from "./pick-session.ts";
import { sessionOf } from "./rows.ts";
import type { ArchiveCopy } from "./simulated-archive.ts";
import type { SimulatedObject } from "./simulated-object.ts";
import { describeMessage, type QueuedMessage } from "./simulated-queue.ts";
import { drain } from "./surroundings.ts";
import type { SimulatedSession, World } from "./world.ts";

/** What the machines do: alarms, queues, consumers, clocks and crashes. Each step returns a line about what it did. */

export const MAX_CONSUMERS = 4;
const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** The platform ends an invocation of a consumer after this time. */
const MAX_CONSUMER_MS = 15 * 60 * SECOND_MS;
/** Stands for the platform's limits on processor time and on the number of calls. */
export const MAX_CONSUMER_CALLS = 400;
/** Calls before which a consumer may be held up for long. */
const STALLS = /^(?:summarize|saveAnswer|saveCopyPage|carryOver|eraseCopied|directory|archive|confirm)/;
/** The call by which a consumer informs operators of a failure. */
const TELLS_OF_FAILURE = /^operations\.report/;
/** Calls after which a job has made progress, if it is not done. */
const IS_PROGRESS = /^(?:saveAnswer|saveCopyPage|confirm)/;
/** The share of deliveries after which operators are informed late of a failure that another delivery has made good. */
const LATE_FAILURE_SHARE = 0.6;
/** Rare jobs that several objects do together. They are picked more often than others, so that they meet other work. */
const IS_BETWEEN_OBJECTS = /^(?:fork|restore|erase-copies|expire|erase-user)$/;
/** Enough rounds for a summary, its archiving, and what follows. */
const SILENT_ROUNDS = 10;
/** Enough rounds for a summary that a continuation waits for, for its carried items, and for their archiving. */
const WORK_ROUNDS = 8;
/** Longer than jobs wait that nothing delays. */
const SOON_MS = 20 * SECOND_MS;
/** More often than the runtime repeats an alarm that throws. */
const STORM_ALARMS = 9;

// Alarms

interface Alarmed {
  readonly label: string;
  readonly object: SimulatedObject;
  readonly session: SimulatedSession | null;
}

/** Every object whose alarm is set. */
export function alarmed(world: World): Alarmed[] {
  const sessions = world.sessions.map((session) => ({ label: session.label, object: session.object, session }));
  const others = world.registry().map((object) => ({ label: object.name, object, session: null }));
  return [...sessions, ...others].filter(({ object }) => object.disk.alarm !== null);
}

export async function ring(
  world: World,
  { object, session }: Omit<Alarmed, "label">,
  isFaulty: boolean,
): Promise<void> {
  const { random } = world;
  const kind = random.chance(0.5) ? "disk" : "cut";
  await object.fireAlarm(world.now, isFaulty ? { kind, statements: random.below(10) } : null);
  await drain();
  if (session === null) return;
  await followBackground(world, session);
  await noteRevision(session);
}

export async function fire(world: World, at: number, session: SimulatedSession): Promise<void> {
  world.setNow(Math.max(world.now(), at));
  await ring(world, { object: session.object, session }, false);
}

export async function alarm(world: World): Promise<string> {
  const picked = world.random.pick(alarmed(world));
  const at = picked?.object.disk.alarm ?? null;
  if (picked === undefined || at === null) return "none is set";
  if (at > world.now() && (world.random.chance(0.3) || at > world.now() + DAY_MS)) return `${picked.label}: not due`;
  const isFaulty = world.random.chance(0.08);
  world.setNow(Math.max(world.now(), at));
  await ring(world, picked, isFaulty);
  return `${picked.label}: fired${isFaulty ? ", and breaks off" : ""}; the queues hold ${world.queues.waiting().length}`;
}

/** The queue is down for longer than the runtime retries an alarm. */
export async function alarmsWithoutQueue(world: World): Promise<string> {
  const session = pickSession(world);
  const { state } = world.queues;
  world.queues.state = "down";
  let fired = 0;
  for (; fired < STORM_ALARMS; fired += 1) {
    const at = session.object.disk.alarm;
    if (at === null) break;
    await fire(world, at, session);
  }
  world.queues.state = state;
  return `${session.label}: ${fired} alarms`;
}

/** Rings the alarm that a change has just set, which often happens before anything else. */
export async function ringAtOnce(world: World, session: SimulatedSession): Promise<void> {
  if (world.random.chance(0.5)) await fire(world, world.now(), session);
}

/** Delivers notifications of an erasure to copies at once. */
export async function tellCopies(world: World, session: SimulatedSession): Promise<void> {
  await fire(world, world.now(), session);
  for (const message of dueOf(world, session)) {
    if (message.body.kind !== "erase-copies" || world.consumers.length >= MAX_CONSUMERS) continue;
    await letProceed(world, await startConsumer(world, [message]), 1_000, 0);
  }
}

/** For histories in which several sessions have to work one after the other: everything is available, and no consumer is held up. */
export async function whileHealthy<T>(world: World, body: () => Promise<T>): Promise<T> {
  const { archiveState, summarizerState, registryState, queues } = world;
  const { state } = queues;
  await heal(world);
  for (const consumer of world.consumers) await letProceed(world, consumer, MAX_CONSUMER_CALLS, 0);
  try {
    return await body();
  } finally {
    Object.assign(world, { archiveState, summarizerState, registryState });
    queues.state = state;
  }
}

/**
 * Continues the work of some sessions until none of it is due soon, or for some rounds; the work of all others waits.
 * @param isHeldUp jobs of these sessions that wait as well
 */
export async function workOff(
  world: World,
  sessions: readonly SimulatedSession[],
  isHeldUp: (session: SimulatedSession, kind: QueuedMessage["body"]["kind"]) => boolean = () => false,
): Promise<void> {
  for (let round = 0; round < WORK_ROUNDS; round += 1) {
    const soon = world.now() + SOON_MS;
    for (const session of sessions) {
      const at = session.object.disk.alarm;
      if (at !== null && at <= soon) await fire(world, at, session);
    }
    const due = sessions.flatMap((session) =>
      dueOf(world, session, soon).filter(({ body }) => !isHeldUp(session, body.kind)),
    );
    if (due.length === 0) return;
    for (const message of due) {
      if (world.consumers.length >= MAX_CONSUMERS) return;
      world.setNow(Math.max(world.now(), message.dueAt));
      await letProceed(world, await startConsumer(world, [message]), MAX_CONSUMER_CALLS, 0);
    }
  }
}

function dueOf(world: World, session: SimulatedSession, at = world.now()): QueuedMessage[] {
  return world.queues
    .waiting()
    .filter(({ body, queue, dueAt }) => isOf(body, session) && !queue.endsWith("-failed") && dueAt <= at);
}

/** Copies a fork so far that its source can still change. */
export async function copyHalfway(world: World, session: SimulatedSession): Promise<void> {
  if (world.consumers.length >= MAX_CONSUMERS || world.random.chance(0.5)) return;
  const message = world.queues
    .waiting()
    .find(({ body, dueAt }) => body.kind === "fork" && isOf(body, session) && dueAt <= world.now());
  if (message === undefined) return;
  await letProceed(world, await startConsumer(world, [message]), world.random.between(2, 4), 0);
}

export function isOf(body: QueuedMessage["body"], { ref }: SimulatedSession): boolean {
  return "session" in body && body.session === ref.session && body.owner === ref.owner && body.tenant === ref.tenant;
}

// Queues and consumers

export async function startConsumer(world: World, messages: readonly QueuedMessage[]): Promise<Consumer> {
  const consumer = new Consumer(world.nextActivityId, world.now(), messages);
  world.nextActivityId += 1;
  world.consumers.push(consumer);
  await consumer.start(world.system, world.queues, (atGate) => partsOf(world, atGate, consumer));
  return consumer;
}

/** Lets a consumer continue, and forgets it when it is done. Returns what it called. */
export async function letProceed(
  world: World,
  consumer: Consumer,
  calls: number,
  faultShare: number,
): Promise<string[]> {
  const done: string[] = [];
  while (!consumer.isDone && done.length < calls) {
    if (isOverLimit(world, consumer)) {
      consumer.end(world.queues);
      done.push("the platform ends it");
      break;
    }
    const passage: Passage = world.random.chance(faultShare) ? "faulty" : "well";
    const label = await consumer.proceed(passage, (count) => world.random.below(count));
    if (label !== null) done.push(passage === "well" ? label : `${label} (faulty)`);
  }
  world.consumers = world.consumers.filter(({ isDone }) => !isDone);
  return done;
}

/** Whether the platform ends an invocation. */
function isOverLimit(world: World, { startedAt, calls }: Consumer): boolean {
  return world.now() - startedAt > MAX_CONSUMER_MS || calls >= MAX_CONSUMER_CALLS;
}

export async function deliver(world: World): Promise<string> {
  const { random } = world;
  if (world.consumers.length >= MAX_CONSUMERS) return "every consumer is busy";
  const waiting = world.queues.waiting();
  const due = waiting.filter(({ dueAt }) => dueAt <= world.now());
  const betweenObjects = due.filter(({ body }) => IS_BETWEEN_OBJECTS.test(body.kind));
  const first = random.chance(0.85)
    ? ((random.chance(0.5) ? random.pick(betweenObjects) : undefined) ?? random.pick(due))
    : random.pick(waiting);
  if (first === undefined) return "nothing waits";
  world.setNow(Math.max(world.now(), first.dueAt));
  const others = due.filter(({ queue, id }) => queue === first.queue && id !== first.id && random.chance(0.4));
  const consumer = await startConsumer(world, [first, ...others]);
  const name = `${[first, ...others].map(describeMessage).join(", ")} to consumer ${consumer.id}`;
  const choice = random.next();
  if (choice < 0.2) return `${name}, which waits`;
  if (choice < 0.4) {
    // It is held up between reading and writing, so that what it has read is outdated.
    const done: string[] = [];
    while (!consumer.isDone && !consumer.gates.some((label) => STALLS.test(label))) {
      done.push(...(await letProceed(world, consumer, 1, 0)));
    }
    const begun = `${name}: ${done.join(" → ")}`;
    const changed = random.chance(0.5) ? await changeGiven(world) : null;
    if (changed === null) return `${begun}; it waits for ${consumer.gates.join(", ")}`;
    return `${begun}; ${changed}; ${(await letProceed(world, consumer, 1_000, 0)).join(" → ")}`;
  }
  const done = choice < 0.6 ? await letFail(world, consumer, first) : await letProceed(world, consumer, 1_000, 0);
  const late = world.aside.chance(LATE_FAILURE_SHARE) ? await failLate(world) : null;
  return `${name}: ${done.join(" → ")}${late === null ? "" : `; ${late}`}`;
}

/**
 * PostgreSQL refuses a page of a session, another delivery archives that page, and only then operators are informed of the failure, which
 * its object has forgotten by then. The rest of the session succeeds. Null if no session has several pages to archive.
 */
async function failLate(world: World): Promise<string | null> {
  if (world.archiveState === "down" || world.consumers.length + 2 > MAX_CONSUMERS) return null;
  const message = world.queues.waiting().find(({ body, queue, dueAt }) => {
    const session = world.sessions.find((each) => isOf(body, each));
    const held = session === undefined ? null : (sessionOf(session.object)?.message_archive ?? null);
    const isDue = body.kind === "archive" && queue === "threadkeep-archive" && dueAt <= world.now();
    return isDue && held !== null && held.targetSeq > held.sentSeq;
  });
  if (message === undefined) return null;
  const consumer = await startConsumer(world, [message]);
  const done: string[] = [];
  // The first use of the archive checks whether it is there.
  for (let uses = 0; !consumer.isDone && !consumer.gates.some((label) => TELLS_OF_FAILURE.test(label));) {
    if (consumer.gates.includes("archive")) uses += 1;
    const isRefused = uses === 2 && consumer.gates.includes("archive");
    if (isRefused) world.nextArchiveFault = { kind: "refusedSessions", parity: null };
    done.push(...(await letProceed(world, consumer, 1, isRefused ? 1 : 0)));
  }
  world.nextArchiveFault = null;
  const again = await startConsumer(world, [world.queues.duplicate(message)]);
  const further = await letProceed(world, again, 1_000, 0);
  done.push(`consumer ${again.id}: ${further.join(" → ")}`, ...(await letProceed(world, consumer, 1_000, 0)));
  return `${describeMessage(message)} to consumer ${consumer.id}: ${done.join(" → ")}`;
}

/** A consumer that meets faults. While it is about to inform operators of one, another delivery of the same job may make progress. */
async function letFail(world: World, consumer: Consumer, message: QueuedMessage): Promise<string[]> {
  const done: string[] = [];
  while (!consumer.isDone && !consumer.gates.some((label) => TELLS_OF_FAILURE.test(label))) {
    done.push(...(await letProceed(world, consumer, 1, 0.25)));
  }
  const { random } = world;
  if (!consumer.isDone && world.consumers.length < MAX_CONSUMERS && random.chance(0.7)) {
    const again = await startConsumer(world, [world.queues.duplicate(message)]);
    const further: string[] = [];
    while (!again.isDone && !further.some((label) => IS_PROGRESS.test(label))) {
      further.push(...(await letProceed(world, again, 1, 0)));
    }
    done.push(`consumer ${again.id}: ${further.join(" → ")}`);
  }
  return [...done, ...(await letProceed(world, consumer, 1_000, 0.25))];
}

export async function proceed(world: World): Promise<string> {
  const consumer = world.random.pick(world.consumers);
  if (consumer === undefined) return "no consumer waits";
  const done = await letProceed(world, consumer, world.random.between(1, 3), 0.12);
  return `consumer ${consumer.id}: ${done.join(" → ")}`;
}

export async function killConsumer(world: World): Promise<string> {
  const consumer = world.random.pick(world.consumers);
  if (consumer === undefined) return "no consumer waits";
  // The last call may still arrive, although nobody waits for its answer.
  const last = world.random.chance(0.5) ? await letProceed(world, consumer, 1, 0) : [];
  consumer.end(world.queues);
  world.consumers = world.consumers.filter((other) => other !== consumer);
  return `consumer ${consumer.id}${last.length > 0 ? ` after ${last.join()}` : ""}`;
}

export async function duplicate(world: World): Promise<string> {
  const message = world.random.pick(world.queues.waiting());
  if (message === undefined) return "nothing waits";
  world.queues.duplicate(message);
  return describeMessage(message);
}

export async function lose(world: World): Promise<string> {
  const message = world.random.pick(world.queues.waiting());
  if (message === undefined) return "nothing waits";
  world.queues.lose(message);
  return describeMessage(message);
}

// Time

export async function passTime(world: World): Promise<string> {
  const ms = world.random.between(1, 90) * SECOND_MS;
  world.passTime(ms);
  return `${ms / SECOND_MS} s`;
}

/** Nobody says anything for longer than any setting waits, and work continues meanwhile, sometimes without an archive. */
export async function fallSilent(world: World): Promise<string> {
  const { random, archiveState } = world;
  world.passTime(3 * HOUR_MS);
  if (random.chance(0.3)) world.archiveState = "down";
  const told = `for 3 h, the archive ${world.archiveState}`;
  for (let round = 0; round < SILENT_ROUNDS; round += 1) {
    for (const session of world.sessions) await fire(world, world.now(), session);
    const message = random.pick(world.queues.waiting().filter(({ dueAt }) => dueAt <= world.now()));
    if (message !== undefined) await letProceed(world, await startConsumer(world, [message]), 1_000, 0.05);
    world.passTime(random.below(90 * SECOND_MS));
  }
  world.archiveState = archiveState;
  return told;
}

export async function jumpClock(world: World): Promise<string> {
  const ms = world.random.of(-HOUR_MS, -30 * SECOND_MS, -SECOND_MS, 2 * HOUR_MS, 2 * DAY_MS, 5 * DAY_MS);
  world.passTime(ms);
  return `${ms / SECOND_MS} s`;
}

// Crashes and outages

export async function evict(world: World): Promise<string> {
  const { random } = world;
  if (random.chance(0.2)) {
    const object = random.pick(world.registry());
    object?.evict();
    return object?.name ?? "nothing is there";
  }
  if (random.chance(0.15)) {
    const at = random.below(world.isolates.length);
    world.isolates.splice(at, 1, world.newIsolate());
    return `isolate ${at + 1}`;
  }
  const session = pickSession(world);
  session.object.evict();
  // What the next instance reads from disk is checked again.
  session.checkedVersion = -1;
  session.checked = null;
  return session.label;
}

export async function outage(world: World): Promise<string> {
  const { random } = world;
  world.archiveState = random.chance(0.35) ? "down" : "up";
  world.summarizerState = random.chance(0.4) ? "down" : "up";
  world.registryState = random.chance(0.15) ? "down" : "up";
  world.queues.state = random.of("up", "up", "up", "down", "silent");
  const { archiveState, summarizerState, registryState, queues } = world;
  return `archive ${archiveState}, model ${summarizerState}, registry ${registryState}, queues ${queues.state}`;
}

export async function heal(world: World): Promise<string> {
  world.archiveState = "up";
  world.summarizerState = "up";
  world.registryState = "up";
  world.queues.state = "up";
  return "everything is up";
}

// Backups of the archive

export async function backUp(world: World): Promise<string> {
  world.backups.push(world.archive.copy);
  return `copy ${world.backups.length}`;
}

/**
 * Restores an older backup of the archive. Not one from before a session was erased, because the operator would have to repeat that
 * erasure, nor one from before a session expired, because only the archive has its summary.
 */
export async function restore(world: World): Promise<string> {
  const copy = world.random.pick(
    world.backups.filter((backup) => !holdsErased(world, backup) && holdsExpired(world, backup)),
  );
  if (copy === undefined) return "no copy";
  await world.archive.restore(copy);
  world.isRestored = true;
  world.wasRestored = true;
  return `copy ${world.backups.indexOf(copy) + 1}`;
}

function holdsErased(world: World, copy: ArchiveCopy): boolean {
  return copy.sessions.some(
    ({ erased_at: erasedAt, epoch }) =>
      erasedAt === null && world.sessions.some(({ erasedEpochs }) => erasedEpochs.has(epoch)),
  );
}

function holdsExpired(world: World, copy: ArchiveCopy): boolean {
  return world.sessions.every(({ object, model }) => {
    const row = sessionOf(object);
    if (model?.status !== "expired" || row === null || row.archive_rev === 0) return true;
    return copy.sessions.some(({ epoch, rev }) => epoch === row.epoch && rev === row.archive_rev);
  });
}
