import { describeEnd } from "./client-call.ts";
import { ask } from "./clients.ts";
import { copyHalfway, ringAtOnce } from "./machine-steps.ts";
import { pickSource, pickTarget } from "./pick-session.ts";
import { sessionOf } from "./rows.ts";
import { isUser, type SimulatedSession, type World } from "./world.ts";

/** Sessions that are made of others: forks and continuations. */

export async function fork(world: World): Promise<string> {
  const { random } = world;
  const source = pickSource(world);
  const target = (random.chance(0.15) ? pickCopy(world, source) : undefined) ?? pickTarget(world, source);
  if (target === undefined) return "there is no other session";
  const headSeq = source.model?.log.length ?? 0;
  const throughSeq = random.chance(0.5) ? undefined : random.between(1, headSeq + 1);
  const request = { id: target.ref.session, ...(throughSeq === undefined ? {} : { throughSeq }) };
  const call = await ask(world, `fork ${source.label} as ${target.label}`, source.space, (by) =>
    world.system.forkSession(by, source.ref.session, request),
  );
  await ringAtOnce(world, target);
  await copyHalfway(world, target);
  return `${source.label} through ${throughSeq ?? "its end"} as ${target.label} → ${describeEnd(call.ended)}`;
}

/** A client that got no answer asks for the same fork again, perhaps much later. */
function pickCopy(world: World, source: SimulatedSession): SimulatedSession | undefined {
  const epoch = sessionOf(source.object)?.epoch;
  // What is not there was never forked: sessions of everybody are copies of nothing.
  if (epoch === undefined) return undefined;
  const copies = world.sessions.filter(
    ({ object }) => world.epochs.forkedFrom(sessionOf(object)?.epoch ?? "")?.epoch === epoch,
  );
  return world.random.pick(copies);
}

export async function continueFrom(world: World): Promise<string> {
  const { random } = world;
  const source = pickContinued(world);
  const target = pickTarget(world, source);
  if (target === undefined) return "there is no other session";
  // All sessions of a user, of which one is a copy of another, come to the new one by several ways.
  const isSeeded = isUser(source.space) && random.chance(isMadeOfOthers(world, source) ? 0.7 : 0.35);
  const input = {
    id: target.ref.session,
    ...(isSeeded ? { seedFromUser: true as const } : { continueFrom: source.ref.session }),
    ...(random.chance(0.7) ? { settings: target.creationSettings } : {}),
  };
  const from = isSeeded ? "all sessions of the user" : source.label;
  const call = await ask(world, `continue ${from} as ${target.label}`, source.space, (by) =>
    world.system.createSession(by, input),
  );
  await ringAtOnce(world, target);
  return `${target.label} from ${from} → ${describeEnd(call.ended)}`;
}

/** What to go on from: now and then what is itself made of others, so that an id comes back in its own lineage. */
function pickContinued(world: World): SimulatedSession {
  const made = world.sessions.filter((session) => session.model !== null && isMadeOfOthers(world, session));
  return (world.random.chance(0.4) ? world.random.pick(made) : undefined) ?? pickSource(world);
}

function isMadeOfOthers(world: World, { object }: SimulatedSession): boolean {
  return (world.epochs.get(sessionOf(object)?.epoch ?? "")?.sources.length ?? 0) > 0;
}
