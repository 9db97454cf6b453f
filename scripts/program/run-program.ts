// How the programs of this folder begin and end.
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { StartError } from "../dev/start-error.ts";
import { carryOut } from "./command-line.ts";

/** `usage` is EX_USAGE of sysexits(3); `interrupted` is what shells give for SIGINT. */
export const EXIT = { ok: 0, failed: 1, usage: 64, interrupted: 130 } as const;

/**
 * Does what this process was called for, and sets its exit code. Never rejects.
 * @param describe besides a StartError: what to tell of an error that a person at the keyboard can mend; null of any other
 */
export async function runProgram(
  program: CommandUnknownOpts,
  describe: (error: unknown) => string | null = () => null,
): Promise<void> {
  try {
    const outcome = await carryOut(program, process.argv.slice(2));
    if (typeof outcome === "string") return;
    const { fault, helpCall } = outcome;
    console.error(`${fault}${/[.?!]$/.test(fault) ? "" : "."} For help: ${helpCall}`);
    process.exitCode = EXIT.usage;
  } catch (error) {
    // Anything that is not expected is a fault of ours, and its stack tells where.
    const text = error instanceof StartError ? error.message : describe(error);
    console.error(text === null ? error : `\n${text}`);
    process.exitCode = EXIT.failed;
  }
}

/** Ends early at Ctrl-C and the like; what it broke off with is not told then. */
export async function untilInterrupted(run: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const interruption = new AbortController();
  const { signal } = interruption;
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => interruption.abort());
  try {
    const code = await run(signal);
    return signal.aborted ? EXIT.interrupted : code;
  } catch (error) {
    if (!signal.aborted) throw error;
    return EXIT.interrupted;
  }
}
