import { newMessage } from "./chat-content.ts";
import { type ClientCall, describeEnd } from "./client-call.ts";
import { ask, begin, goOn } from "./clients.ts";
import { letProceed, ring, startConsumer } from "./machine-steps.ts";
import { isUser, type Space, type World } from "./world.ts";

/** Users who are to be forgotten. */

/** Enough for the directory's word that a session may be created, and too few for the session. */
const CALLS_TO_A_GRANT = [1, 2] as const;
/** Enough for an erasure that has to wait for nothing. */
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
  if (late === null) return told;
  await eraseAtOnce(world, space);
  await goOn(world, late);
  return `${told}; meanwhile ${late.name} → ${describeEnd(late.ended)}`;
}

/** Somebody begins a session of the user, and is held up on the way. */
async function beginLate(world: World, space: Space): Promise<ClientCall | null> {
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

/** What an erasure does at once where nothing holds it up. */
async function eraseAtOnce(world: World, space: Space): Promise<void> {
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
    if (erasures.length === 0) return;
    for (const message of erasures) await letProceed(world, await startConsumer(world, [message]), MAX_CALLS, 0);
  }
}
