import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { vi } from "vitest";
import { carryOut } from "../../scripts/program/command-line.ts";

type Read<T> = { readonly options: T } | { readonly help: string } | { readonly fault: string };

/** What a program would do with a command line, or what it would say about it. */
export async function readCommandLine<T>(
  makeProgram: (run: (options: T) => Promise<number>) => CommandUnknownOpts,
  args: readonly string[],
): Promise<Read<T>> {
  let told = "";
  const stdout = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    told += String(text);
    return true;
  });
  const codeBefore = process.exitCode;
  const run = vi.fn<(options: T) => Promise<number>>(async () => 0);
  try {
    const outcome = await carryOut(makeProgram(run), args);
    if (typeof outcome === "object") return { fault: outcome.fault };
    const [called] = run.mock.calls;
    return called === undefined ? { help: told } : { options: called[0] };
  } finally {
    process.exitCode = codeBefore;
    stdout.mockRestore();
  }
}
