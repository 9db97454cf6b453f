import { checkSession } from "./check-session.ts";
import * as clients from "./client-steps.ts";
import * as lineage from "./lineage-steps.ts";
import * as machines from "./machine-steps.ts";
import { randomSettings } from "./random-settings.ts";
import { Random } from "./random.ts";
import { settle } from "./settle.ts";
import type { SimulatedArchive } from "./simulated-archive.ts";
import { inSurroundings } from "./surroundings.ts";
import type { System } from "./system.ts";
import { changeTenant } from "./tenant.ts";
import { transfer } from "./transfer-steps.ts";
import { Violation } from "./violation.ts";
import { World } from "./world.ts";

const STEPS = {
  append: { weight: 30, run: clients.append },
  appendAgain: { weight: 5, run: clients.appendAgain },
  appendTwiceAtOnce: { weight: 3, run: clients.appendTwiceAtOnce },
  edit: { weight: 5, run: clients.editMessage },
  erase: { weight: 5, run: clients.eraseMessage },
  eraseSession: { weight: 1.5, run: clients.eraseSession },
  update: { weight: 3, run: clients.update },
  summarize: { weight: 4, run: clients.summarizeByHand },
  read: { weight: 6, run: clients.read },
  fork: { weight: 5, run: lineage.fork },
  continueFrom: { weight: 3.5, run: lineage.continueFrom },
  transfer: { weight: 1.5, run: transfer },
  changeTenant: { weight: 1, run: changeTenant },
  alarm: { weight: 16, run: machines.alarm },
  alarmsWithoutQueue: { weight: 0.7, run: machines.alarmsWithoutQueue },
  deliver: { weight: 24, run: machines.deliver },
  proceed: { weight: 10, run: machines.proceed },
  killConsumer: { weight: 2, run: machines.killConsumer },
  duplicate: { weight: 3, run: machines.duplicate },
  lose: { weight: 1.5, run: machines.lose },
  passTime: { weight: 6, run: machines.passTime },
  fallSilent: { weight: 1.2, run: machines.fallSilent },
  jumpClock: { weight: 1.5, run: machines.jumpClock },
  evict: { weight: 3, run: machines.evict },
  outage: { weight: 1.5, run: machines.outage },
  heal: { weight: 2.5, run: machines.heal },
  backUp: { weight: 1, run: machines.backUp },
  restore: { weight: 0.7, run: machines.restore },
  settle: { weight: 0.8, run: settle },
} as const satisfies Record<string, { weight: number; run: (world: World) => Promise<string> }>;

export type StepKind = keyof typeof STEPS;

/** A step carries all chance that it needs: dropping others changes what it finds, not what it tries. */
export interface Step {
  readonly kind: StepKind;
  readonly seed: number;
}

export interface Script {
  /** Decides about the sessions that there are; where it is even, a makeshift serves while the model is away. */
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
  /** What each step did, as far as it came. */
  readonly trace: readonly string[];
  readonly violation: Violation | null;
}

/** Runs a script from nothing, and checks every promise after every step. */
export async function runScript(system: System, archive: SimulatedArchive, script: Script): Promise<Run> {
  await archive.clear();
  const random = new Random(script.seed);
  const world = new World(system, archive, random, script.seed % 2 === 0);
  const trace: string[] = [];
  const run = async (): Promise<Violation | null> => {
    const sessions = random.of(1, 2, 3, 3, 4);
    for (let made = 1; made <= sessions; made += 1) world.addSession(`chat-${made}`, randomSettings(random));
    for (const step of script.steps) {
      world.surroundings.random = new Random(step.seed);
      world.surroundings.now += world.random.below(500);
      try {
        trace.push(`${step.kind} ${await STEPS[step.kind].run(world)}`);
        for (const session of world.sessions) await checkSession(world, session);
      } catch (error) {
        if (trace.length <= script.steps.indexOf(step)) trace.push(step.kind);
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
