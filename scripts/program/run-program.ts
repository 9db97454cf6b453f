// How the programs of this folder start and end.
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { StartError } from "../dev/start-error.ts";
import { carryOut } from "./command-line.ts";

/** `usage` is EX_USAGE of sysexits(3); `interrupted` is the exit code of shells for SIGINT. */
export const EXIT = { ok: 0, failed: 1, usage: 64, interrupted: 130 } as const;

/**
 * Runs the program of this process, and sets its exit code. Never rejects.
 * @param describe the message for an error other than a StartError that the person can fix; null for any other error
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
    // An unexpected error is a bug, so its stack trace is shown.
    const text = error instanceof StartError ? error.message : describe(error);
    console.error(text === null ? error : `\n${text}`);
    process.exitCode = EXIT.failed;
  }
}

/** Ends early at Ctrl-C and similar signals; the resulting error is not shown. */
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
