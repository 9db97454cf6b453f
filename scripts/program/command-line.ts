// How the programs of this folder read what they are called with.
import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";
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

/** The whole path of a folder that an option names. */
export function readFolder(name: string, text: string): string {
  if (text.trim() === "") throw new UsageFault(`${name} must name a folder, and is empty`);
  return path.resolve(text);
}

/** A file that is to be read. */
export function readInputFile(text: string): string {
  const found = statSync(text, { throwIfNoEntry: false });
  if (found?.isFile() === true) return text;
  throw new UsageFault(
    `${JSON.stringify(text)} is ${found === undefined ? "not there" : "no file"}: name a file to read`,
  );
}

/** The whole path of a file that an option names, and that is to be written in the end: told now, and not after all the work. */
export function readOutputFile(name: string, text: string): string {
  if (text.trim() === "") throw new UsageFault(`${name} must name a file, and is empty`);
  const file = path.resolve(text);
  const folder = path.dirname(file);
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new UsageFault(`${name} must name a file, and ${file} is a folder`);
  }
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    if (!statSync(folder).isDirectory()) throw new Error("a file stands there");
  } catch (error) {
    throw new UsageFault(
      `${name} cannot be written in ${folder} (${error instanceof Error ? error.message : String(error)})`,
    );
  }
  return file;
}

/** The address of a service that an option or variable names. */
export function readServiceUrl(name: string, text: string): string {
  if (/^https?:\/\/./.test(text) && URL.canParse(text)) return text;
  throw new UsageFault(
    `${name} must be the address of a service, such as http://127.0.0.1:8787, not ${JSON.stringify(text)}`,
  );
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
