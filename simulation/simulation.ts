import { type ChatHabits, PLAIN } from "./chat-content.ts";
import { checkSession } from "./check-session.ts";
import { checkSpaces } from "./check-spaces.ts";
import * as clients from "./client-steps.ts";
import * as lineage from "./lineage-steps.ts";
import * as machines from "./machine-steps.ts";
import * as overtaken from "./overtaken-steps.ts";
import { randomSettings } from "./random-settings.ts";
import { Random } from "./random.ts";
import { settle } from "./settle.ts";
import type { SimulatedArchive } from "./simulated-archive.ts";
import { whileBusy, inSurroundings } from "./surroundings.ts";
import type { System } from "./system-types.ts";
import { changeTenant, setTenant } from "./tenant-steps.ts";
import { exportSession, importSession } from "./transfer-steps.ts";
import { Endless, Violation } from "./violation.ts";
import { type Space, World } from "./world.ts";

const STEPS = {
  append: { weight: 30, run: clients.append },
  appendAgain: { weight: 4, run: clients.appendAgain },
  appendTwiceAtOnce: { weight: 2.5, run: clients.appendTwiceAtOnce },
  createSession: { weight: 3, run: clients.createSession },
  edit: { weight: 6, run: clients.editMessage },
  erase: { weight: 6, run: clients.eraseMessage },
  eraseSession: { weight: 1.5, run: overtaken.eraseSession },
  eraseUser: { weight: 0.25, run: overtaken.eraseUser },
  update: { weight: 2.5, run: clients.update },
  switchBranch: { weight: 3, run: clients.switchBranch },
  summarize: { weight: 4, run: clients.summarizeByHand },
  rebuild: { weight: 0.7, run: clients.rebuild },
  read: { weight: 4, run: clients.read },
  search: { weight: 3, run: clients.search },
  fork: { weight: 5, run: lineage.fork },
  continueFrom: { weight: 4, run: lineage.continueFrom },
  exportSession: { weight: 1, run: exportSession },
  importSession: { weight: 2, run: importSession },
  proceedCall: { weight: 4, run: clients.proceedCall },
  dropCall: { weight: 0.6, run: clients.dropCall },
  changeTenant: { weight: 1, run: changeTenant },
  alarm: { weight: 16, run: machines.alarm },
  alarmsWithoutQueue: { weight: 0.7, run: machines.alarmsWithoutQueue },
  deliver: { weight: 24, run: overtaken.deliver },
  proceed: { weight: 10, run: machines.proceed },
  killConsumer: { weight: 2, run: machines.killConsumer },
  duplicate: { weight: 3, run: machines.duplicate },
  lose: { weight: 1.5, run: machines.lose },
  passTime: { weight: 6, run: machines.passTime },
  fallSilent: { weight: 1.2, run: machines.fallSilent },
  jumpClock: { weight: 1.5, run: machines.jumpClock },
  evict: { weight: 3, run: machines.evict },
  outage: { weight: 2, run: machines.outage },
  heal: { weight: 2.5, run: machines.heal },
  backUp: { weight: 1, run: machines.backUp },
  restore: { weight: 0.7, run: machines.restore },
  settle: { weight: 0.8, run: settle },
} as const satisfies Record<string, { weight: number; run: (world: World) => Promise<string> }>;

/** Makes another seed of a seed. */
const ASIDE = 0x5bd1_e995;

type StepKind = keyof typeof STEPS;

/** A step contains all random choices that it needs: leaving out other steps changes what it finds, not what it tries. */
export interface Step {
  readonly kind: StepKind;
  readonly seed: number;
}

export interface Script {
  /** Decides about what exists before the first step. */
  readonly seed: number;
  readonly steps: readonly Step[];
}

/** Each seed has its own habits: some things it does often, some never. That reaches states that an even mix does not. */
export function scriptOf(seed: number, length: number): Script {
  const random = new Random(seed);
  const kinds = Object.keys(STEPS) as StepKind[];
  const weights = Object.fromEntries(
    kinds.map((kind) => [kind, STEPS[kind].weight * (random.chance(0.4) ? random.of(0.1, 0.4, 2, 4) : 1)]),
  ) as Record<StepKind, number>;
  const steps = Array.from({ length }, () => ({ kind: random.weighted(weights), seed: random.seed() }));
  return { seed, steps: [...steps, { kind: "settle", seed: random.seed() }] };
}

export interface Run {
  /** What each step did, as far as the run came. */
  readonly trace: readonly string[];
  readonly violation: Violation | null;
}

/** Runs a script from an empty world, and checks every promise after every step. */
export async function runScript(system: System, archive: SimulatedArchive, script: Script): Promise<Run> {
  await archive.clear();
  system.forgetTenantDays();
  const random = new Random(script.seed);
  const world = new World(system, archive, random, {
    hasFallback: random.chance(0.9),
    hasEmbedder: hasEmbedder(script.seed),
    isEventful: isEventful(script.seed),
    summarizerState: random.chance(0.3) ? "down" : "up",
    habits: habitsOf(random),
  });
  const trace: string[] = [];
  const run = async (): Promise<Violation | null> => {
    await setUp(world);
    for (const [index, step] of script.steps.entries()) {
      world.surroundings.random = new Random(step.seed);
      world.aside = new Random(step.seed ^ ASIDE);
      world.passTime(world.random.below(500));
      try {
        const stuck = (): Error => new Endless(0, `this waits for what never comes: ${step.kind}`);
        await whileBusy(stuck, async () => {
          trace.push(`${step.kind} ${await STEPS[step.kind].run(world)}`);
          for (const session of world.sessions) await checkSession(world, session);
          await checkSpaces(world);
        });
      } catch (error) {
        if (trace.length <= index) trace.push(step.kind);
        if (error instanceof Violation) return error;
        return new Violation(0, error instanceof Error ? (error.stack ?? error.message) : String(error));
      }
    }
    return null;
  };
  try {
    return { violation: await inSurroundings(world.surroundings, run), trace };
  } finally {
    world.close();
  }
}

/** Decided by the seed's number alone: this uses no random number of other seeds, so that known seeds do the same as before. */
function hasEmbedder(seed: number): boolean {
  return seed % 7 === 3 || seed % 11 === 2;
}

/** Chosen so that the seeds which were known before do the same as before. */
const EVENTFUL = 0xb634;

/** Half of the seeds. */
function isEventful(seed: number): boolean {
  return new Random(seed ^ EVENTFUL).chance(0.5);
}

/** Chats of long messages, and of files, are rare, because they cost time. */
function habitsOf(random: Random): ChatHabits {
  if (!random.chance(0.1)) return PLAIN;
  return { largeShare: random.of(0.05, 0.2), fileShare: random.of(0.05, 0.3) };
}

const HERE = "harbour";
const THERE = "market";

/** Tenants, users and sessions: most in one place, and some elsewhere with the same names. */
async function setUp(world: World): Promise<void> {
  const { random } = world;
  for (let made = 0; made < 2; made += 1) world.isolates.push(world.newIsolate());
  const first: Space = { tenant: HERE, owner: random.of("-", "auth0|ada") };
  const sessions = random.of(1, 2, 3, 3, 4);
  for (let made = 1; made <= sessions; made += 1) world.addSession(first, `chat-${made}`, randomSettings(random));
  const others = [
    { tenant: HERE, owner: first.owner === "-" ? "auth0|ada" : random.of("-", "bo/-") },
    { tenant: THERE, owner: first.owner },
  ].filter(() => random.chance(0.35));
  for (const space of others) {
    for (let made = 1; made <= random.of(1, 1, 2); made += 1) {
      world.addSession(space, `chat-${made}`, randomSettings(random));
    }
  }
  for (const tenant of new Set(world.spaces.map((space) => space.tenant))) {
    await setTenant(world, tenant, { settings: randomSettings(random) });
  }
}
