import { LEASE_MS } from "../src/lib/retry-policy.ts";
import { newMessage } from "./chat-content.ts";
import { describeEnd } from "./client-call.ts";
import * as clients from "./client-steps.ts";
import { ask, goOn } from "./clients.ts";
import type { Consumer } from "./consumer.ts";
import { changeGiven } from "./given-steps.ts";
import * as machines from "./machine-steps.ts";
import { hasFailedSummary, jobsOf } from "./rows.ts";
import { describeMessage, type QueuedMessage } from "./simulated-queue.ts";
import * as users from "./user-steps.ts";
import { isUser, type SimulatedSession, type Space, type World } from "./world.ts";

/**
 * Deliveries that are held up for so long that another delivery of the same job overtakes them. It happens at the end of another step,
 * whose own effect is unchanged.
 */

/** The share of deliveries after which a model's answer comes late, and of those in which its lease is over by then. */
const LATE_ANSWER_SHARE = 0.15;
const LEASE_OVER_SHARE = 0.8;
/** The share of deliveries after which an operator requests a new summary of a session whose summary has failed. */
const REBUILT_SHARE = 0.1;
/** The share of erased sessions whose erasure is delivered twice, and that begin again in between. */
const ERASED_TWICE_SHARE = 0.5;
/** The share of erasures of users that are followed by another one, with late deliveries and requests. */
const USER_ERASED_SHARE = 0.8;
/** Enough rounds for an erasure that waits for grants to expire. */
const ERASURE_ROUNDS = 12;
const ALL_CALLS = 1_000;
const SECOND_MS = 1_000;
const LONGEST_PAUSE_MS = 60 * SECOND_MS;

/** The call that saves an answer of a model, for each kind of job that calls one. */
const SAVES: Readonly<Record<string, string>> = { summarize: "saveAnswer", embed: "saveVectors" };

export async function deliver(world: World): Promise<string> {
  const told = await machines.deliver(world);
  if (!world.isEventful) return told;
  return `${told}${await answerLate(world)}${await rebuildFailed(world)}`;
}

export async function eraseSession(world: World): Promise<string> {
  const told = await clients.eraseSession(world);
  return world.isEventful ? `${told}${await eraseTwice(world)}` : told;
}

export async function eraseUser(world: World): Promise<string> {
  const told = await users.eraseUser(world);
  if (!world.isEventful || !world.aside.chance(USER_ERASED_SHARE)) return told;
  return `${told}${await machines.whileHealthy(world, () => eraseUserLate(world))}`;
}

/** A model's answer for a session comes late, often while everything is available. */
async function answerLate(world: World): Promise<string> {
  const { aside } = world;
  if (!aside.chance(LATE_ANSWER_SHARE)) return "";
  const session = aside.pick(world.sessions.filter(({ model }) => model?.status === "active" && model.log.length > 0));
  if (session === undefined) return "";
  const body = (): Promise<string> => overtakeAnswer(world, session);
  return aside.chance(0.5) ? machines.whileHealthy(world, body) : body();
}

/**
 * A consumer has got a model's answer, and is held up before it saves it. Meanwhile its lease ends, its session changes, and another
 * delivery takes the job, which comes as far as it likes; then the first one continues.
 */
async function overtakeAnswer(world: World, session: SimulatedSession): Promise<string> {
  const { aside, queues } = world;
  if (world.consumers.length + 2 > machines.MAX_CONSUMERS) return "";
  const message = await askModel(world, session);
  if (message === undefined) return "";
  const saves = `${SAVES[message.body.kind]} ${session.label}`;
  const first = await machines.startConsumer(world, [message]);
  const told = [`${describeMessage(message)}, late: ${tell(first, await letComeTo(world, first, saves))}`];
  if (!first.isDone) {
    if (aside.chance(LEASE_OVER_SHARE)) world.passTime(LEASE_MS + aside.below(LONGEST_PAUSE_MS));
    const changed = await change(world, session);
    if (changed !== null) told.push(changed);
    const second = await machines.startConsumer(world, [queues.duplicate(message)]);
    const farthest = aside.of("summarize", "embed", saves, saves, "its end");
    told.push(tell(second, await letComeTo(world, second, farthest)));
    told.push(tell(first, await machines.letProceed(world, first, ALL_CALLS, 0)));
    if (aside.chance(0.7)) told.push(tell(second, await machines.letProceed(world, second, ALL_CALLS, 0)));
  }
  return `; ${told.join("; ")}`;
}

/** The message of a job of the session that calls a model. If none is pending, a summary is requested. */
async function askModel(world: World, session: SimulatedSession): Promise<QueuedMessage | undefined> {
  const { object, ref, space, label } = session;
  if (!jobsOf(object).some(({ kind, state }) => kind in SAVES && state === "pending")) {
    await ask(world, `summarize ${label}`, space, (by) =>
      world.system.summarizeByHand(by, ref.session, { keepRecentTokens: 0 }),
    );
  }
  if ((object.disk.alarm ?? Number.POSITIVE_INFINITY) <= world.now() + LONGEST_PAUSE_MS) {
    await machines.fire(world, object.disk.alarm ?? 0, session);
  }
  return world.queues
    .waiting()
    .find(
      ({ body, queue, dueAt }) =>
        body.kind in SAVES && !queue.endsWith("-failed") && machines.isOf(body, session) && dueAt <= world.now(),
    );
}

/** Lets a consumer come to a certain call, or to its end. Returns what it called. */
async function letComeTo(world: World, consumer: Consumer, gate: string): Promise<string[]> {
  const done: string[] = [];
  while (!consumer.isDone && !consumer.gates.some((label) => label.startsWith(gate))) {
    done.push(...(await machines.letProceed(world, consumer, 1, 0)));
  }
  return done;
}

function tell({ id }: Consumer, done: readonly string[]): string {
  return `consumer ${id}: ${done.join(" → ")}`;
}

/** Something that ends what a model is working on, makes another version, or leaves it alone; null if nothing happens. */
async function change(world: World, session: SimulatedSession): Promise<string | null> {
  switch (world.aside.of("none", "none", "given", "restore", "branch", "carry over", "rebuild", "append", "evict")) {
    case "none":
      return null;
    case "given":
      return changeGiven(world);
    case "restore":
      return (await clients.restoreAside(world, session, 1)).replace(/^; /, "");
    case "branch":
      return clients.switchOne(world, session);
    case "carry over":
      return carryOver(world, session);
    case "rebuild":
      return clients.rebuildOne(world, session);
    case "append":
      return append(world, session);
    case "evict":
      session.object.evict();
      return `evict ${session.label}`;
  }
}

/** The items of another session arrive. */
async function carryOver(world: World, session: SimulatedSession): Promise<string | null> {
  const message = world.queues.waiting().find(({ body }) => body.kind === "restore" && machines.isOf(body, session));
  if (message === undefined || world.consumers.length + 2 > machines.MAX_CONSUMERS) return null;
  const consumer = await machines.startConsumer(world, [message]);
  return tell(consumer, await machines.letProceed(world, consumer, ALL_CALLS, 0));
}

async function append(world: World, session: SimulatedSession): Promise<string> {
  const request = { messages: [newMessage(world.random, world.habits)] };
  const call = await ask(world, `append ${session.label}`, session.space, (by) =>
    world.system.appendMessages(by, session.ref.session, request),
  );
  return `append ${session.label} → ${describeEnd(call.ended)}`;
}

/** An operator sees that a summary fails, and requests another one. Often everything is available again by then. */
async function rebuildFailed(world: World): Promise<string> {
  const { aside } = world;
  if (!aside.chance(REBUILT_SHARE)) return "";
  const session = aside.pick(
    world.sessions.filter(({ model, object }) => model?.status === "active" && hasFailedSummary(object)),
  );
  if (session === undefined) return "";
  const told = await clients.rebuildOne(world, session);
  if (aside.chance(0.5)) await machines.whileHealthy(world, () => machines.workOff(world, [session]));
  return `; rebuild ${told}`;
}

/**
 * The erasure of a session is delivered twice. One delivery is held up before it removes the session from its user's list, the other
 * completes it; then the clock is set back, the session begins again, and the first delivery continues.
 */
async function eraseTwice(world: World): Promise<string> {
  const { aside } = world;
  const session = aside.chance(ERASED_TWICE_SHARE)
    ? aside.pick(
        world.sessions.filter(
          ({ model, object }) => model === null && jobsOf(object).some(({ kind }) => kind === "erase"),
        ),
      )
    : undefined;
  return session === undefined ? "" : machines.whileHealthy(world, () => beginBetween(world, session));
}

async function beginBetween(world: World, session: SimulatedSession): Promise<string> {
  const { aside, queues } = world;
  await machines.fire(world, world.now(), session);
  const message = queues
    .waiting()
    .find(({ body, dueAt }) => body.kind === "erase" && machines.isOf(body, session) && dueAt <= world.now());
  if (message === undefined) return "";
  const first = await machines.startConsumer(world, [message]);
  const told = [tell(first, await letComeTo(world, first, `directory.remove ${session.ref.session}`))];
  if (!first.isDone) {
    const second = await machines.startConsumer(world, [queues.duplicate(message)]);
    told.push(tell(second, await machines.letProceed(world, second, ALL_CALLS, 0)));
    world.passTime(-aside.below(LONGEST_PAUSE_MS));
    told.push(await append(world, session));
    told.push(tell(first, await machines.letProceed(world, first, ALL_CALLS, 0)));
  }
  return `; erase ${session.label} twice: ${told.join("; ")}`;
}

/**
 * A user is erased. A request that creates one of the user's sessions and a delivery that has done a step of the erasure are held up, and
 * continue later, perhaps once the erasure is complete.
 */
async function eraseUserLate(world: World): Promise<string> {
  const { aside } = world;
  const living = world.spaces.filter(
    (one) => isUser(one) && sessionsOf(world, one).some(({ model }) => model !== null),
  );
  const space = aside.pick(living);
  if (space === undefined) return "";
  const { tenant, owner } = space;
  const request = await users.beginLate(world, space);
  const call = await ask(world, `erase the user ${tenant}/${owner}`, { tenant, owner: "-" }, (by) =>
    world.system.eraseUser(by, owner),
  );
  const told = [`${tenant}/${owner} → ${describeEnd(call.ended)}`];
  const isSoon = aside.chance(0.5);
  let delivery: Consumer | null = null;
  for (let round = 0; round < ERASURE_ROUNDS; round += 1) {
    await ringSoon(world, space);
    const due = world.queues.waiting().filter(({ body, dueAt }) => isErasureIn(space, body) && dueAt <= world.now());
    for (const message of due) {
      if (message.body.kind === "erase-user" && delivery === null) {
        const twin = await machines.startConsumer(world, [world.queues.duplicate(message)]);
        const gate = aside.of("directory.noteWiped", "directory.noteLooked");
        told.push(tell(twin, await letComeTo(world, twin, gate)));
        if (!twin.isDone) delivery = twin;
      }
      const consumer = await machines.startConsumer(world, [message]);
      told.push(tell(consumer, await machines.letProceed(world, consumer, ALL_CALLS, 0)));
    }
    if (request !== null && isSoon && due.length > 0) await goOn(world, request);
  }
  if (request !== null) {
    await goOn(world, request);
    told.push(`${request.name} → ${describeEnd(request.ended)}`);
  }
  if (delivery !== null) told.push(tell(delivery, await machines.letProceed(world, delivery, ALL_CALLS, 0)));
  return `; ${told.join("; ")}`;
}

function sessionsOf(world: World, space: Space): SimulatedSession[] {
  return world.sessions.filter((session) => session.space === space);
}

function isErasureIn({ tenant, owner }: Space, body: QueuedMessage["body"]): boolean {
  return (body.kind === "erase" || body.kind === "erase-user") && body.tenant === tenant && body.owner === owner;
}

/** Rings the alarms of a user's objects that are due soon. */
async function ringSoon(world: World, space: Space): Promise<void> {
  const directories = world.directories().filter((directory) => directory.space === space);
  const objects = [
    ...sessionsOf(world, space).map((session) => ({ object: session.object, session })),
    ...directories.map(({ object }) => ({ object, session: null })),
  ];
  const soon = world.now() + LONGEST_PAUSE_MS;
  for (const each of objects) {
    const at = each.object.disk.alarm;
    if (at === null || at > soon) continue;
    world.setNow(Math.max(world.now(), at));
    await machines.ring(world, each, false);
  }
}
