import type { Mutant } from "../../scripts/mutants/mutant.ts";
import { ACCESS_MUTANTS } from "./access.ts";
import { ARCHIVE_MUTANTS } from "./archive.ts";
import { JOB_MUTANTS } from "./jobs.ts";
import { MEMORY_MUTANTS } from "./memory.ts";
import { SESSION_MUTANTS } from "./session.ts";
import { SUMMARIZER_MUTANTS } from "./summarizer.ts";
import { TELEMETRY_MUTANTS } from "./telemetry.ts";

/** Bugs that tests must notice, a file for each room of the source. `npm run mutants` plants them one at a time. */
export const MUTANTS: readonly Mutant[] = [
  ...ACCESS_MUTANTS,
  ...ARCHIVE_MUTANTS,
  ...JOB_MUTANTS,
  ...MEMORY_MUTANTS,
  ...SESSION_MUTANTS,
  ...SUMMARIZER_MUTANTS,
  ...TELEMETRY_MUTANTS,
];
