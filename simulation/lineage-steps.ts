import { newMessage, secretsOf } from "./chat-content.ts";
import { describeEnd } from "./client-call.ts";
import { makeRoom } from "./client-steps.ts";
import { ask } from "./clients.ts";
import { copyHalfway, ringAtOnce, tellCopies, whileHealthy, workOff } from "./machine-steps.ts";
import type { ModelMessage } from "./model.ts";
import { logOf, pickSource, pickTarget } from "./pick-session.ts";
import { awaitsCarryOver, ownItemTexts, sessionOf } from "./rows.ts";
import { isUser, type SimulatedSession, type World } from "./world.ts";

/** Sessions that are made of others: forks and continuations. */

/** The share of sessions that are seeded from all of their user's sessions and then get back what they said themselves. */
const ROUND_SHARE = 0.4;
/** Enough messages for a summary, which leaves the last four out. */
const ROUND_MESSAGES = 8;
/** The share of continuations whose source has enough to carry over, and of those that get it before anything else happens. */
const RICH_SHARE = 0.6;
const AT_ONCE_SHARE = 0.4;
const RICH_MESSAGES = 6;
/** The share of rounds in which the other session puts into its own words what it took. */
const REWORDED_SHARE = 0.7;
/** The share of continuations that are forked while they ask their source again. */
const STALE_SHARE = 0.3;

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

/** A client that got no answer requests the same fork again, perhaps much later. */
function pickCopy(world: World, source: SimulatedSession): SimulatedSession | undefined {
  const epoch = sessionOf(source.object)?.epoch;
  // Without a source nothing was forked: sessions of the whole user are copies of nothing.
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
  // If one session of a user is a copy of another, their items reach the new session in several ways.
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
  const round =
    isSeeded && world.aside.chance(ROUND_SHARE) ? await whileHealthy(world, () => goRound(world, target)) : "";
  if (world.aside.chance(AT_ONCE_SHARE)) await workOff(world, [source, target]);
  const isForked = !isSeeded && world.aside.chance(STALE_SHARE);
  const forked = isForked ? await whileHealthy(world, () => forkWhileStale(world, source, target)) : "";
  return `${target.label} from ${from} → ${describeEnd(call.ended)}${round}${forked}`;
}

/**
 * What a session said comes back to it: another session continues from it while its own job waits, which then takes that session's items.
 * It is forked, so that it is the fork's source twice, and one of its messages is erased.
 */
async function goRound(world: World, session: SimulatedSession): Promise<string> {
  const { aside, system } = world;
  const { ref, space } = session;
  const others = world.sessions.filter((one) => one !== session && one.space === space);
  if (others.length < 2) return "";
  const told = [];
  // The id was taken: its session began differently.
  if (!awaitsCarryOver(session.object)) {
    told.push(await makeRoom(world, session));
    await ask(world, `continue the user as ${session.label}`, space, (by) =>
      system.createSession(by, { id: ref.session, seedFromUser: true }),
    );
  }
  const messages = Array.from({ length: ROUND_MESSAGES }, () => newMessage(world.random, world.habits));
  await ask(world, `append ${session.label}`, space, (by) => system.appendMessages(by, ref.session, { messages }));
  const [next, copy] = others.toSorted((a, b) => Number(a.model !== null) - Number(b.model !== null));
  if (next === undefined || copy === undefined) return "";
  for (const taken of [next, copy]) if (taken.model !== null) told.push(await makeRoom(world, taken));
  const input = { id: next.ref.session, continueFrom: ref.session };
  const continued = await ask(world, `continue ${session.label} as ${next.label}`, space, (by) =>
    system.createSession(by, input),
  );
  told.push(`${next.label} from ${session.label} → ${describeEnd(continued.ended)}`);
  const isHeldUp = (one: SimulatedSession, kind: string): boolean => one === session && kind === "restore";
  await workOff(world, [session, next], isHeldUp);
  if (aside.chance(REWORDED_SHARE)) {
    await talk(world, next);
    await workOff(world, [session, next], isHeldUp);
  }
  await workOff(world, [session]);
  const forked = await ask(world, `fork ${session.label} as ${copy.label}`, space, (by) =>
    system.forkSession(by, ref.session, { id: copy.ref.session }),
  );
  told.push(`${session.label} as ${copy.label} → ${describeEnd(forked.ended)}`);
  await workOff(world, [copy]);
  const said = pickReworded(world, session, next);
  if (said !== undefined) {
    const erased = await ask(world, `erase ${session.label}`, space, (by) =>
      system.eraseMessage(by, ref.session, said.id),
    );
    told.push(`erase ${session.label}: ${said.id} → ${describeEnd(erased.ended)}`);
  }
  return `; ${told.join("; ")}`;
}

/** Says something in a session and has it summarized, so that the model can put carried items into items of this session. */
async function talk(world: World, { label, ref, space }: SimulatedSession): Promise<void> {
  const { aside, habits, system } = world;
  const messages = Array.from({ length: ROUND_MESSAGES }, () => newMessage(aside, habits));
  await ask(world, `append ${label}`, space, (by) => system.appendMessages(by, ref.session, { messages }));
  await ask(world, `summarize ${label}`, space, (by) =>
    system.summarizeByHand(by, ref.session, { keepRecentTokens: 0 }),
  );
}

/** A message of a session, if possible one that another session put into items of its own. */
function pickReworded({ aside }: World, session: SimulatedSession, other: SimulatedSession): ModelMessage | undefined {
  const said = logOf(session).filter(({ content }) => content !== null && content !== "");
  const reworded = new Set(secretsOf(ownItemTexts(other.object)));
  return (
    aside.pick(said.filter(({ content }) => secretsOf(content).some((secret) => reworded.has(secret)))) ??
    aside.pick(said)
  );
}

/**
 * A continuation is forked while it asks its source again for its items, because a message was erased there: what it said since it has
 * them may say in other words what was erased.
 */
async function forkWhileStale(world: World, source: SimulatedSession, session: SimulatedSession): Promise<string> {
  const { system } = world;
  const { space } = session;
  const copy = world.sessions.find((one) => one !== source && one !== session && one.space === space);
  if (copy === undefined || session.model?.status !== "active") return "";
  const told = copy.model === null ? [] : [await makeRoom(world, copy)];
  await talk(world, source);
  await workOff(world, [source, session]);
  await talk(world, session);
  await workOff(world, [session]);
  const forked = await ask(world, `fork ${session.label} as ${copy.label}`, space, (by) =>
    system.forkSession(by, session.ref.session, { id: copy.ref.session }),
  );
  told.push(`${session.label} as ${copy.label} → ${describeEnd(forked.ended)}`);
  const said = pickReworded(world, source, session);
  if (said === undefined) return `; ${told.join("; ")}`;
  const erased = await ask(world, `erase ${source.label}`, space, (by) =>
    system.eraseMessage(by, source.ref.session, said.id),
  );
  told.push(`erase ${source.label}: ${said.id} → ${describeEnd(erased.ended)}`);
  await tellCopies(world, source);
  await workOff(world, [copy]);
  return `; ${told.join("; ")}`;
}

/** What to continue from: sometimes a session that is itself made of others, so that an id comes back in its own lineage. */
function pickContinued(world: World): SimulatedSession {
  const made = world.sessions.filter((session) => session.model !== null && isMadeOfOthers(world, session));
  const any = (world.random.chance(0.4) ? world.random.pick(made) : undefined) ?? pickSource(world);
  const rich = world.sessions.filter((session) => logOf(session).length >= RICH_MESSAGES);
  return (world.aside.chance(RICH_SHARE) ? world.aside.pick(rich) : undefined) ?? any;
}

function isMadeOfOthers(world: World, { object }: SimulatedSession): boolean {
  return (world.epochs.get(sessionOf(object)?.epoch ?? "")?.sources.length ?? 0) > 0;
}
