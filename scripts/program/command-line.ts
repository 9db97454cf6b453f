// How the programs of this folder read what they are called with.
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";

/** A command line that asks for nothing sensible: the message says what is wrong with it. */
export class UsageFault extends Error {
  override readonly name = "UsageFault";
}

export type CommandLine<T> = { readonly options: T } | { readonly help: true } | { readonly fault: string };

/** Every program takes it. */
const HELP = { help: { type: "boolean", short: "h" } } as const;

interface Config<O extends ParseArgsOptionsConfig> {
  args: string[];
  allowPositionals: true;
  tokens: true;
  options: O;
}

export type Values<O extends ParseArgsOptionsConfig> = ReturnType<typeof parseArgs<Config<O>>>["values"];

/** `read` says what is asked for, or "help", and throws a UsageFault where nobody can say. */
export function readCommandLine<O extends ParseArgsOptionsConfig, T extends object>(
  args: readonly string[],
  options: O,
  read: (values: Values<O>, positionals: readonly string[]) => T | "help",
): CommandLine<T> {
  try {
    const { values, positionals, tokens } = parseArgs<Config<O>>({
      args: [...args],
      allowPositionals: true,
      tokens: true,
      options: { ...options, ...HELP },
    });
    if (tokens.some((token) => token.kind === "option" && token.name === "help")) return { help: true };
    const wanted = read(values, positionals);
    return wanted === "help" ? { help: true } : { options: wanted };
  } catch (error) {
    if (error instanceof UsageFault || isParseArgsError(error)) return { fault: error.message };
    throw error;
  }
}

/** The one argument that is wanted. */
export function oneOf(positionals: readonly string[], fault: string): string {
  const [first, ...more] = positionals;
  if (first === undefined) throw new UsageFault(fault);
  noneOf(more);
  return first;
}

export function noneOf(positionals: readonly string[]): void {
  if (positionals.length > 0) throw new UsageFault(`unknown argument ${JSON.stringify(positionals[0])}`);
}

/** @param max at most nine digits */
export function readNumber(name: string, text: string, min: number, max: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new UsageFault(`${name} must be a whole number from ${min} to ${max}, not ${JSON.stringify(text)}`);
}

function isParseArgsError(error: unknown): error is Error {
  return (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    error.code.startsWith("ERR_PARSE_ARGS")
  );
}
