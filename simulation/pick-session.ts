import type { ModelMessage } from "./model.ts";
import { sessionOf } from "./rows.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

export function logOf(session: SimulatedSession): readonly ModelMessage[] {
  return session.model?.log ?? [];
}

export function pickSession(world: World): SimulatedSession {
  const session = world.random.pick(world.sessions);
  if (session === undefined) throw new Violation(0, "there is no session");
  return session;
}

/** A session to make another one of: mostly an existing one. */
export function pickSource(world: World): SimulatedSession {
  const there = world.sessions.filter(({ model }) => model !== null);
  return world.random.chance(0.95) ? (world.random.pick(there) ?? pickSession(world)) : pickSession(world);
}

/** A session of the same owner to make of another one: mostly one that does not exist. */
export function pickTarget(world: World, source: SimulatedSession): SimulatedSession | undefined {
  const others = world.sessions.filter((session) => session !== source && session.space === source.space);
  const free = others.filter(({ model }) => model === null);
  return world.random.chance(0.9) ? (world.random.pick(free) ?? world.random.pick(others)) : world.random.pick(others);
}

/** Whether a fork of the session is in progress. */
export function isCopied(world: World, { object }: SimulatedSession): boolean {
  const epoch = sessionOf(object)?.epoch;
  return world.sessions.some(({ model, object: other }) => {
    if (model?.status !== "copying") return false;
    return world.epochs.forkedFrom(sessionOf(other)?.epoch ?? "")?.epoch === epoch;
  });
}

/** A session in which to change a message: often one that is just being copied. */
export function pickChanged(world: World): SimulatedSession {
  const copied = world.random.pick(world.sessions.filter((session) => isCopied(world, session)));
  return copied !== undefined && world.random.chance(0.6) ? copied : pickSession(world);
}
