import { Worker } from "node:worker_threads";
import { applyMigrations, createDatabase, withClient } from "../scripts/dev/database.ts";
import { statePaths } from "../scripts/dev/paths.ts";
import { postgresUrl, startPostgres } from "../scripts/dev/postgres.ts";
import { makeTemporaryDirectory, removeDirectory } from "../test/support/temporary-directory.ts";
import type { Answered, Asked, SeedTask } from "./seed-worker.ts";
import { Endless } from "./violation.ts";

const PASSWORD = "simulation";
const SEED_WORKER = new URL("seed-worker.ts", import.meta.url);
const DEFAULT_STEPS = 200;

/**
 * An environment variable: the address of a database that the tests have created, of which each of their simulations gets a copy.
 * @internal A test names its own database by it.
 */
export const TEMPLATE_DATABASE = "THREADKEEP_SIMULATION_TEMPLATE";

/**
 * Processor time, so that a busy machine breaks no seed: a seed takes a second or two, and one that is not done by then does not end.
 * A step that waits for something that never comes is reported by the step itself.
 */
export const SEED_DEADLINE_MS = 180_000;
/** Processor time. A failure that is not reduced by then is printed with all of its steps. */
const SHRINK_DEADLINE_MS = 600_000;
const LOOK_EVERY_MS = 500;

export interface SeedRange {
  readonly seeds: readonly number[];
  readonly steps: number;
  /** A planted bug; none by default. */
  readonly bug?: string | undefined;
  /** The processor time after which a seed that has not ended counts as broken. */
  readonly deadlineMs?: number;
}

/** A seed that broke a promise, and which one. */
export interface Failure {
  readonly seed: number;
  readonly violation: string;
  /** It does not end, so shorter scripts are not tried, because they may not end either. */
  readonly isEndless: boolean;
  /** What each step did; nothing if the seed's thread had to be ended. */
  readonly trace: readonly string[];
}

/** How far a search came, and the first seed in which it found something. */
export interface Search {
  /** All of the first so many seeds were run. */
  readonly done: number;
  readonly failure: Failure | null;
}

/** Where databases of the simulation are created. */
interface Databases {
  /** Creates a database with the migrations applied. Returns its address. */
  make(number: number): Promise<string>;
  close(): Promise<void>;
}

/** A PostgreSQL of the simulation's own. */
async function startDatabases(): Promise<Databases> {
  const directory = makeTemporaryDirectory();
  const server = await startPostgres(statePaths(directory), PASSWORD);
  return {
    async make(number) {
      const database = `simulation_${number}`;
      const url = postgresUrl(server.port, PASSWORD, database);
      await createDatabase(postgresUrl(server.port, PASSWORD, "postgres"), database);
      await applyMigrations(url);
      return url;
    },
    async close() {
      await server.stop();
      removeDirectory(directory);
    },
  };
}

/** Copies of a database with the migrations: starting a server and migrating takes longer than a seed. */
function copyDatabase(template: string): Databases {
  const addressOf = (database: string): string => Object.assign(new URL(template), { pathname: `/${database}` }).href;
  const made: string[] = [];
  return {
    async make(number) {
      const database = `simulation_${process.pid}_${number}`;
      const from = new URL(template).pathname.slice(1);
      await withClient(addressOf("postgres"), (client) =>
        client.query(`create database ${client.escapeIdentifier(database)} template ${client.escapeIdentifier(from)}`),
      );
      made.push(database);
      return addressOf(database);
    },
    async close() {
      await withClient(addressOf("postgres"), async (client) => {
        for (const database of made) {
          await client.query(`drop database ${client.escapeIdentifier(database)} with (force)`);
        }
      });
    },
  };
}

/** A PostgreSQL, and the threads that run seeds on it, each in its own database. */
export class TestBench {
  readonly #workers: readonly SeedWorker[];
  readonly #databases: Databases;

  private constructor(workers: readonly SeedWorker[], databases: Databases) {
    this.#workers = workers;
    this.#databases = databases;
  }

  static async open(workers = 1): Promise<TestBench> {
    const template = process.env[TEMPLATE_DATABASE];
    const databases = template === undefined ? await startDatabases() : copyDatabase(template);
    try {
      const opened: SeedWorker[] = [];
      for (let made = 1; made <= workers; made += 1) opened.push(new SeedWorker(await databases.make(made)));
      return new TestBench(opened, databases);
    } catch (error) {
      await databases.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.close()));
    await this.#databases.close();
  }

  /**
   * Runs seeds until one breaks a promise, `onSeed` says to stop, or all are run.
   * @param onSeed is called with how many seeds are done, and how many of the first ones without a gap
   */
  async search(
    { seeds, steps, bug, deadlineMs = SEED_DEADLINE_MS }: SeedRange,
    onSeed: (done: number, sure: number) => boolean,
  ): Promise<Search> {
    const failures: (Failure & { readonly index: number })[] = [];
    const running = new Set<number>();
    let next = 0;
    let done = 0;
    let isStopped = false;
    await Promise.all(
      this.#workers.map(async (worker) => {
        for (;;) {
          const index = next;
          const seed = seeds[index];
          if (isStopped || seed === undefined) return;
          next += 1;
          running.add(index);
          const answered = await worker.ask({ what: "run", seed, steps, bug }, deadlineMs * this.#workers.length);
          const { violation, isEndless, trace } = answered ?? endlessAfter(deadlineMs);
          running.delete(index);
          done += 1;
          if (violation !== null) failures.push({ index, seed, violation, isEndless, trace });
          if (violation !== null || !onSeed(done, Math.min(next, ...running))) isStopped = true;
        }
      }),
    );
    return { done: next, failure: failures.toSorted((a, b) => a.index - b.index)[0] ?? null };
  }

  /** A failure as text: what broke, the steps that lead to it, and how to repeat it. */
  async describe(failure: Failure, { steps, bug }: Omit<SeedRange, "seeds">): Promise<string> {
    const { seed, violation, isEndless, trace } = failure;
    const asked = { what: "shrink", seed, steps, bug } as const;
    const shrunk = isEndless ? null : ((await this.#workers[0]?.ask(asked, SHRINK_DEADLINE_MS)) ?? null);
    const holds = shrunk !== null && shrunk.violation === null;
    const broken = holds
      ? `${violation}\nIn a second run it holds: something in it does not depend on the seed alone.`
      : (shrunk?.violation ?? violation);
    const options = `${steps === DEFAULT_STEPS ? "" : ` --steps ${steps}`}${bug === undefined ? "" : ` --bug ${bug}`}`;
    return [
      `Seed ${seed} breaks ${broken}`,
      "",
      ...(holds || shrunk === null ? trace : shrunk.trace).map(
        (line, index) => `${String(index + 1).padStart(4)}  ${line}`,
      ),
      "",
      `Replay: npm run fuzz -- --seed ${seed}${options}`,
    ].join("\n");
  }
}

/** What is known of a seed whose thread did not answer. */
function endlessAfter(ms: number): Pick<Answered, "violation" | "isEndless" | "trace"> {
  return {
    violation: new Endless(0, `it has not ended after ${ms / 1_000} s of processor time`).message,
    isEndless: true,
    trace: [],
  };
}

/** One thread, which is given one task at a time. */
class SeedWorker {
  readonly #databaseUrl: string;
  #thread: Worker;

  constructor(databaseUrl: string) {
    this.#databaseUrl = databaseUrl;
    this.#thread = this.#start();
  }

  #start(): Worker {
    return new Worker(SEED_WORKER, { workerData: this.#databaseUrl });
  }

  /**
   * Null if there was no answer in time: then another thread replaces this one.
   * @param deadlineMs processor time of all threads together
   */
  async ask(asked: { readonly what: Asked["what"] } & SeedTask, deadlineMs: number): Promise<Answered | null> {
    const thread = this.#thread;
    const answered = await new Promise<Answered | null>((resolve, reject) => {
      const before = process.cpuUsage();
      const deadline = setInterval(() => {
        const { user, system } = process.cpuUsage(before);
        if ((user + system) / 1_000 > deadlineMs) settle(() => resolve(null));
      }, LOOK_EVERY_MS);
      const settle = (end: () => void): void => {
        clearInterval(deadline);
        thread.off("message", onMessage);
        thread.off("error", onError);
        thread.off("exit", onExit);
        end();
      };
      const onMessage = (answer: Answered): void => settle(() => resolve(answer));
      const onError = (error: Error): void => settle(() => reject(error));
      const onExit = (): void => settle(() => reject(new Error(`the thread ended in seed ${asked.seed}`)));
      thread.on("message", onMessage);
      thread.on("error", onError);
      thread.on("exit", onExit);
      // The rule mistakes the thread for a window.
      // oxlint-disable-next-line unicorn/require-post-message-target-origin
      thread.postMessage(asked);
    });
    if (answered === null) {
      await thread.terminate();
      this.#thread = this.#start();
    }
    if (answered?.fault !== undefined) throw new Error(answered.fault);
    return answered;
  }

  async close(): Promise<void> {
    await this.#thread.terminate();
  }
}
