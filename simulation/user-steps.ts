import { newMessage } from "./chat-content.ts";
import { type ClientCall, describeEnd } from "./client-call.ts";
import { ask, begin, goOn } from "./clients.ts";
import type { Consumer } from "./consumer.ts";
import { letProceed, ring, startConsumer } from "./machine-steps.ts";
import type { QueuedMessage } from "./simulated-queue.ts";
import { isUser, type Space, type World } from "./world.ts";

/** Erasures of users. */

/** Enough calls for the directory to grant the creation, and too few to create the session. */
const CALLS_TO_A_GRANT = [1, 2] as const;
/** Enough calls for an erasure that waits for nothing. */
const MAX_ROUNDS = 6;
const MAX_CALLS = 400;

export async function eraseUser(world: World): Promise<string> {
  const { random } = world;
  const space = random.pick(world.spaces.filter(isUser));
  if (space === undefined) return "there is no user";
  const { tenant, owner } = space;
  const late = random.chance(0.6) ? await beginLate(world, space) : null;
  const call = await ask(world, `erase the user ${tenant}/${owner}`, { tenant, owner: "-" }, (by) =>
    world.system.eraseUser(by, owner),
  );
  const told = `${tenant}/${owner} → ${describeEnd(call.ended)}`;
  if (late === null && random.chance(0.3)) return told;
  const twins = await eraseAtOnce(world, space);
  if (late !== null) await goOn(world, late);
  for (const twin of twins) await letProceed(world, twin, MAX_CALLS, 0.3);
  const meanwhile = late === null ? "" : `; meanwhile ${late.name} → ${describeEnd(late.ended)}`;
  return `${told}${meanwhile}${twins.length === 0 ? "" : `; ${twins.length} held up, who find it done`}`;
}

/** Creates a session of the user, and is held up on the way. */
export async function beginLate(world: World, space: Space): Promise<ClientCall | null> {
  const { random } = world;
  const absent = random.pick(world.sessions.filter((session) => session.space === space && session.model === null));
  if (absent === undefined) return null;
  const request = { messages: [newMessage(random, world.habits)] };
  const call = await begin(world, `append ${absent.label}`, space, (by) =>
    world.system.appendMessages(by, absent.ref.session, request),
  );
  await goOn(world, call, random.of(...CALLS_TO_A_GRANT));
  return call;
}

/** What an erasure does at once if nothing delays it. Returns consumers of the same job, which are held up. */
async function eraseAtOnce(world: World, space: Space): Promise<Consumer[]> {
  const twins: Consumer[] = [];
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    for (const { object } of world.directories().filter((directory) => directory.space === space)) {
      await ring(world, { object, session: null }, false);
    }
    for (const session of world.sessions.filter((one) => one.space === space)) {
      await ring(world, { object: session.object, session }, false);
    }
    const due = world.queues
      .waiting()
      .filter(({ body, dueAt }) => dueAt <= world.now() && body.tenant === space.tenant && body.owner === space.owner);
    const erasures = due.filter(({ body }) => body.kind === "erase" || body.kind === "erase-user");
    if (erasures.length === 0) return twins;
    for (const message of erasures) {
      if (message.body.kind === "erase-user" && world.random.chance(0.4)) twins.push(await startTwin(world, message));
      await letProceed(world, await startConsumer(world, [message]), MAX_CALLS, 0);
    }
  }
  return twins;
}

/** A second delivery of the same job, which comes as far as some calls. */
async function startTwin(world: World, message: QueuedMessage): Promise<Consumer> {
  const before = new Set(world.queues.waiting().map(({ id }) => id));
  world.queues.duplicate(message);
  const twin = await startConsumer(
    world,
    world.queues.waiting().filter(({ id }) => !before.has(id)),
  );
  await letProceed(world, twin, world.random.between(1, 3), 0);
  return twin;
}
