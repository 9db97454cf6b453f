import type { Outcome } from "../../../src/contracts/errors.ts";
import { change, expectCode } from "./change.ts";
import { copyHalfway, ringAtOnce } from "./machine-steps.ts";
import { bornOf, type ModelSession, refusalOf } from "./model.ts";
import { pickSource, pickTarget } from "./pick-session.ts";
import { originsOf } from "./rows.ts";
import type { Birth, ForkSource, Life } from "./system.ts";
import { tenantAsSeen } from "./tenant.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** Sessions that are made of others: forks and continuations. Each is begun at its source, and created after that. */

/** The answer of a call that changes nothing that clients see; null if a fault came between. */
async function ask<Value>(
  world: World,
  session: SimulatedSession,
  expected: string,
  what: string,
  call: Parameters<typeof change<string, Outcome<Value>>>[3],
): Promise<Value | null> {
  const given: Value[] = [];
  await change(world, session, { after: session.model, answer: expected, retired: [] }, call, (outcome, code) => {
    expectCode(outcome, code, what);
    if (outcome.ok) given.push(outcome.value);
  });
  return given[0] ?? null;
}

// Forks

export async function fork(world: World): Promise<string> {
  const { random } = world;
  const open = world.begunForks.length > 0 && random.chance(0.4);
  if (open) {
    const [begun] = world.begunForks.splice(random.below(world.begunForks.length), 1);
    return begun === undefined ? "nothing is begun" : createFork(world, begun.target, begun.source);
  }
  const source = pickSource(world);
  const target = pickTarget(world, source);
  if (target === undefined) return "there is no other session";
  const headSeq = source.model?.log.length ?? 0;
  const throughSeq = random.chance(0.5) ? undefined : random.between(1, headSeq + 1);
  const isPast = throughSeq !== undefined && throughSeq > headSeq;
  const code = refusalOf(source.model) ?? (isPast ? "validation_failed" : "ok");
  const begun = await ask(world, source, code, "the beginning of a fork", (instance) =>
    instance.beginFork(target.ref.session, throughSeq),
  );
  const told = `${source.ref.session} through ${throughSeq ?? "its end"} as ${target.ref.session} → ${code}`;
  if (begun === null) return told;
  if (begun.throughSeq !== (throughSeq ?? headSeq)) {
    throw new Violation(1, `a fork of ${headSeq} messages goes through ${begun.throughSeq}`);
  }
  if (random.chance(0.4)) {
    world.begunForks.push({ target, source: begun });
    return `${told}; to be created later`;
  }
  return `${told}; ${await createFork(world, target, begun)}`;
}

async function createFork(world: World, target: SimulatedSession, source: ForkSource): Promise<string> {
  const birth = birthOf(world, target, source);
  const tenant = tenantAsSeen(world);
  const before = target.model;
  const code = before === null ? "ok" : isForkOf(target, source) ? refusalForState(before) : "session_exists";
  const born: ModelSession = { ...bornOf(birth), status: "copying" };
  if (before === null) beginAnew(target);
  const told = await change(
    world,
    target,
    { after: before ?? born, answer: code, retired: [] },
    (instance) => instance.createFork(birth, source, 0, tenant),
    (given, expected) => expectCode(given, expected, "the creation of a fork"),
  );
  await ringAtOnce(world, target);
  await copyHalfway(world, target);
  // Whoever heard nothing asks again, perhaps much later.
  if (world.random.chance(0.2)) world.begunForks.push({ target, source });
  return `${target.ref.session} created as a fork of ${source.session} → ${code}${told}`;
}

function isForkOf(target: SimulatedSession, source: ForkSource): boolean {
  const origin = originsOf(target.object).find(({ kind }) => kind === "fork");
  return (
    origin?.incarnation === source.incarnation && (source.isNewest === true || origin.throughSeq === source.throughSeq)
  );
}

/** The state of a session is told while it is copied. */
function refusalForState(session: ModelSession): string {
  return session.status === "copying" ? "ok" : (refusalOf(session) ?? "ok");
}

function birthOf(world: World, session: SimulatedSession, { metadata, settings }: Partial<ForkSource>): Birth {
  return {
    ref: session.ref,
    createdAt: world.directory.register(session),
    metadata: metadata ?? {},
    settings: settings ?? session.birthSettings,
  };
}

/** What was said in earlier lives may rightly come back with what is copied. */
export function beginAnew(session: SimulatedSession): void {
  session.retired = [];
  session.paid.clear();
}

// Continuations

export async function continueFrom(world: World): Promise<string> {
  const { random } = world;
  const source = pickSource(world);
  const target = pickTarget(world, source);
  if (target === undefined) return "there is no other session";
  const code = source.model?.status === "expired" ? "ok" : (refusalOf(source.model) ?? "ok");
  const begun = await ask(world, source, code, "the beginning of a continuation", (instance) =>
    instance.beginContinuation(target.ref.session),
  );
  const told = `${target.ref.session} from ${source.ref.session} → ${code}`;
  if (begun === null || random.chance(0.1)) return `${told}; nothing is created`;
  return `${told}; ${await create(world, target, begun)}`;
}

async function create(world: World, target: SimulatedSession, continued: Life): Promise<string> {
  const birth = birthOf(world, target, {});
  const tenant = tenantAsSeen(world);
  const before = target.model;
  const code = before === null ? "ok" : (refusalOf(before) ?? "ok");
  if (before === null) beginAnew(target);
  const told = await change(
    world,
    target,
    { after: before ?? bornOf(birth), answer: code, retired: [] },
    (instance) => instance.create(birth, tenant, continued),
    (given, expected) => {
      expectCode(given, expected, "a creation");
      if (given.ok && given.value.created !== (before === null)) throw new Violation(2, "a session is created twice");
    },
  );
  await ringAtOnce(world, target);
  return `created → ${code}${told}`;
}
