import { secretsOf } from "./chat-content.ts";
import type { ModelSession, Transition } from "./model.ts";
import { heldIn, sessionOf } from "./rows.ts";
import type { SimulatedSession, World } from "./world.ts";

/** The session is something else from here on: what the model says of it, what must be gone, and what copies of it are held to. */
export function become(
  world: World,
  session: SimulatedSession,
  after: ModelSession | null,
  retired: Transition<unknown>["retired"],
  incarnation: string,
): void {
  const before = session.model;
  session.model = after;
  // The same text may have been appended twice, and stand in another message rightly.
  const left = new Set(secretsOf(after?.log.map(({ content, metadata }) => [content, metadata])));
  session.retired.push(
    ...retired.filter(({ secret }) => !left.has(secret)).map((entry) => ({ ...entry, incarnation })),
  );
  if (before !== null && after === null) {
    session.erasedLives.add(incarnation);
    session.pastIds.push(...before.log.map(({ id }) => id));
    world.lives.end(incarnation);
  }
  noteHeld(session);
  const row = sessionOf(session.object);
  if (after !== null && row !== null) world.lives.note(session.name, row.incarnation, after);
}

/** Remembers what the object holds: what is gone later cannot be read any more. */
export function noteHeld(session: SimulatedSession): void {
  session.heldBefore = heldIn(session.object) ?? session.heldBefore;
}
