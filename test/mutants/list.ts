import type { Mutant } from "../../scripts/mutants/mutant.ts";
import { MEMORY_MUTANTS } from "./memory.ts";
import { SESSION_MUTANTS } from "./session.ts";

/** Bugs that tests must notice, a file for each room of the source. `npm run mutants` plants them one at a time. */
export const MUTANTS: readonly Mutant[] = [...MEMORY_MUTANTS, ...SESSION_MUTANTS];
