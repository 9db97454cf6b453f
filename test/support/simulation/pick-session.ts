import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

export function pickSession(world: World): SimulatedSession {
  const session = world.random.pick(world.sessions);
  if (session === undefined) throw new Violation(0, "there is no session");
  return session;
}

/** A session to make another one of: mostly one that is there. */
export function pickSource(world: World): SimulatedSession {
  const there = world.sessions.filter(({ model }) => model !== null);
  return world.random.chance(0.95) ? (world.random.pick(there) ?? pickSession(world)) : pickSession(world);
}

/** A session to make of another one: mostly one that is not there. */
export function pickTarget(world: World, source: SimulatedSession): SimulatedSession | undefined {
  const others = world.sessions.filter((session) => session !== source);
  const free = others.filter(({ model }) => model === null);
  return world.random.chance(0.9) ? (world.random.pick(free) ?? world.random.pick(others)) : world.random.pick(others);
}
