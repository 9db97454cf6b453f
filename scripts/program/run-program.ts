// How the programs of this folder begin and end.
import { StartError } from "../dev/start-error.ts";
import { type CommandLine, UsageFault } from "./command-line.ts";

/** `usage` is EX_USAGE of sysexits(3); `interrupted` is what shells give for SIGINT. */
export const EXIT = { ok: 0, failed: 1, usage: 64, interrupted: 130 } as const;

export interface Program<T> {
  readonly help: string;
  /** Follows what is wrong with a command line. */
  readonly hint: string;
  /** Returns the exit code. */
  run(options: T): Promise<number>;
  /** Besides a StartError: what to tell of an error that a person at the keyboard can mend; null of any other. */
  describe?(error: unknown): string | null;
}

/** Sets the exit code of this process. Never rejects. */
export async function runProgram<T>(commandLine: CommandLine<T>, program: Program<T>): Promise<void> {
  if ("help" in commandLine) console.log(program.help);
  else if ("fault" in commandLine) refuse(commandLine.fault, program.hint);
  else {
    try {
      process.exitCode = await program.run(commandLine.options);
    } catch (error) {
      if (error instanceof UsageFault) refuse(error.message, program.hint);
      else {
        // Anything that is not expected is a fault of ours, and its stack tells where.
        const text = error instanceof StartError ? error.message : (program.describe?.(error) ?? null);
        console.error(text === null ? error : `\n${text}`);
        process.exitCode = EXIT.failed;
      }
    }
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

function refuse(fault: string, hint: string): void {
  console.error(`${fault}\n${hint}`);
  process.exitCode = EXIT.usage;
}
