import { applyMigrations, createDatabase } from "../../../scripts/dev/database.ts";
import { statePaths } from "../../../scripts/dev/paths.ts";
import { postgresUrl, startPostgres } from "../../../scripts/dev/postgres.ts";
import { makeTemporaryDirectory, removeDirectory } from "../temporary-directory.ts";
import { SOUND } from "./planted-bugs.ts";
import { shrink } from "./shrink.ts";
import { SimulatedArchive } from "./simulated-archive.ts";
import { type Run, runScript, type Script, scriptOf } from "./simulation.ts";
import { loadSystem } from "./system.ts";

const PASSWORD = "simulation";
const DATABASE = "simulation";
/** Dead rows of this many seeds are cut off at once. */
const SEEDS_PER_COMPACTION = 100;

export interface SeedRange {
  readonly from: number;
  readonly count: number;
  readonly steps: number;
  /** A planted bug; none by default. */
  readonly bug?: string | undefined;
}

export interface Failure {
  readonly script: Script;
  readonly run: Run;
}

/** How far a search came, and what it found first. */
export interface Search {
  readonly seeds: number;
  readonly failure: Failure | null;
}

/** A PostgreSQL of the simulation's own, and the seeds that run on it. */
export class TestBench {
  readonly #archive: SimulatedArchive;
  readonly #close: () => Promise<void>;
  #sinceCompaction = 0;

  private constructor(archive: SimulatedArchive, close: () => Promise<void>) {
    this.#archive = archive;
    this.#close = close;
  }

  static async open(): Promise<TestBench> {
    const directory = makeTemporaryDirectory();
    const server = await startPostgres(statePaths(directory), PASSWORD);
    const stop = async (): Promise<void> => {
      await server.stop();
      removeDirectory(directory);
    };
    try {
      const url = postgresUrl(server.port, PASSWORD, DATABASE);
      await createDatabase(postgresUrl(server.port, PASSWORD, "postgres"), DATABASE);
      await applyMigrations(url);
      const archive = await SimulatedArchive.open(url);
      return new TestBench(archive, async () => {
        await archive.close();
        await stop();
      });
    } catch (error) {
      await stop();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#close();
  }

  async run(script: Script, bug: string = SOUND): Promise<Run> {
    this.#sinceCompaction += 1;
    if (this.#sinceCompaction >= SEEDS_PER_COMPACTION) {
      this.#sinceCompaction = 0;
      await this.#archive.compact();
    }
    return runScript(await loadSystem(bug), this.#archive, script);
  }

  /** Runs seed after seed until one breaks a promise, `onSeed` says to stop, or all are run. */
  async search(range: SeedRange, onSeed: (done: number) => boolean = () => true): Promise<Search> {
    for (let done = 0; done < range.count; done += 1) {
      const script = scriptOf(range.from + done, range.steps);
      const run = await this.run(script, range.bug);
      if (run.violation !== null) return { seeds: done + 1, failure: { script, run } };
      if (!onSeed(done + 1)) return { seeds: done + 1, failure: null };
    }
    return { seeds: range.count, failure: null };
  }

  async shrink({ script, run }: Failure, bug: string = SOUND): Promise<Failure> {
    return shrink(await loadSystem(bug), this.#archive, script, run);
  }
}

/** A failure as text: what broke, the steps that lead to it, and how to see it again. */
export function describeFailure(failure: Failure, range: Pick<SeedRange, "steps" | "bug">): string {
  const { script, run } = failure;
  const options = `${range.steps === 200 ? "" : ` --steps ${range.steps}`}${range.bug === undefined ? "" : ` --bug ${range.bug}`}`;
  return [
    `Seed ${script.seed} breaks ${run.violation?.message ?? "nothing"}`,
    "",
    ...run.trace.map((line, index) => `${String(index + 1).padStart(4)}  ${line}`),
    "",
    `Replay: npm run fuzz -- --seed ${script.seed}${options}`,
  ].join("\n");
}
