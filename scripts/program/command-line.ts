// The command lines of all programs. Commander parses them and writes the help; this file changes some of its defaults.
import { accessSync, constants, statSync } from "node:fs";
import path from "node:path";
import {
  Command,
  CommanderError,
  type CommandUnknownOpts,
  Help,
  InvalidArgumentError,
  Option,
} from "@commander-js/extra-typings";

/** Wide enough for a table of options, and narrow enough to read. */
const MAX_HELP_WIDTH = 120;

/** Invalid arguments that Commander cannot detect: the message says what is wrong. */
export class UsageFault extends Error {
  override readonly name = "UsageFault";
}

/** `call` is how a clone starts the program, such as `npm run keys --`. */
export function createProgram(call: string, about: string): Command {
  return (
    new Command(callHere(call))
      .description(about)
      // Does not mention that a switch is off by default.
      .configureHelp({
        optionDescription: (option) => (option.isBoolean() ? option.description : new Help().optionDescription(option)),
      })
      .configureOutput({
        writeErr: () => undefined, // A fault is told once, by runProgram.
        getOutHelpWidth: () => Math.min(process.stdout.columns ?? MAX_HELP_WIDTH, MAX_HELP_WIDTH),
      })
      .exitOverride()
  );
}

/** If the package was installed with npm, there are no npm scripts: see scripts/run.mjs. */
function callHere(call: string): string {
  if (process.env["TK_HOME"] === undefined) return call;
  return call.replace(/^(?:npm (?:run )?(?:--silent )?|node scripts\/run\.mjs )(\S+)(?: --)?$/, "npx threadkeep $1");
}

export type Outcome = "done" | "helped" | { readonly fault: string; readonly helpCall: string };

/** Runs the program. If help is requested, only the help is printed, whatever the other arguments are. */
export async function carryOut(program: CommandUnknownOpts, args: readonly string[]): Promise<Outcome> {
  const command = program.commands.find((one) => one.name() === args[0]) ?? program;
  const end = args.indexOf("--");
  if (args.slice(0, end === -1 ? undefined : end).some((arg) => arg === "--help" || arg === "-h")) {
    command.outputHelp();
    return "helped";
  }
  try {
    await program.parseAsync(args, { from: "user" });
    return "done";
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return "helped";
    if (!(error instanceof CommanderError || error instanceof UsageFault)) throw error;
    const fault = describeFault(error, program, command);
    const sentence = fault.replace(/^error: /, "").replaceAll(/\s*\n\s*/g, " ");
    const helpCall = command === program ? program.name() : `${program.name()} ${command.name()}`;
    return { fault: sentence.charAt(0).toUpperCase() + sentence.slice(1), helpCall: `${helpCall} --help` };
  }
}

function describeFault(error: Error, program: CommandUnknownOpts, command: CommandUnknownOpts): string {
  if (!(error instanceof CommanderError)) return error.message;
  // Commander would print the whole help for one, and count arguments for the other.
  if (error.code === "commander.help") return `name a command: ${program.commands.map((one) => one.name()).join(", ")}`;
  if (error.code !== "commander.excessArguments") return error.message;
  return `unknown argument ${JSON.stringify(command.args[command.registeredArguments.length])}`;
}

// Parsers for options and arguments. Commander puts the option's name before their messages.

export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}

/** A number that may have a fraction. */
export function decimal(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = text.trim() === "" ? Number.NaN : Number(text);
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(
      max === Infinity ? `It must be a number, at least ${min}.` : `It must be a number from ${min} to ${max}.`,
    );
  };
}

/** Comma-separated values. */
export function listOf<T>(parse: (text: string) => T, most = Infinity): (text: string) => T[] {
  return (text) => {
    const parts = text.split(",");
    if (parts.length > most) throw new InvalidArgumentError(`It takes at most ${most} values.`);
    return parts.map((part) => parse(part.trim()));
  };
}

/** Comma-separated names from a list; the option may be repeated. */
export function namesOf<T extends string>(known: readonly T[]): (text: string, before?: readonly T[]) => T[] {
  return (text, before = []) => {
    const named = text.split(",").map((name) => {
      const found = known.find((one) => one === name);
      if (found === undefined)
        throw new InvalidArgumentError(`${JSON.stringify(name)} is none of ${known.join(", ")}.`);
      return found;
    });
    return [...before, ...named];
  };
}

/**
 * The absolute path of a folder.
 * @internal Tests parse folders without a program around them.
 */
export function folder(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("It must name a folder, and is empty.");
  return path.resolve(text);
}

/** The option `--state`, with its default folder. */
export function stateOption(about: string, usual: string, usualName = ".threadkeep") {
  return new Option("--state <dir>", about).argParser(folder).default(usual, usualName);
}

/** A file to read. */
export function inputFile(text: string): string {
  const found = statSync(text, { throwIfNoEntry: false });
  if (found?.isFile() === true) return text;
  throw new InvalidArgumentError(`It is ${found === undefined ? "not there" : "no file"}: name a file to read.`);
}

/** The absolute path of a file to write at the end; an invalid one is refused at once instead of after all the work. */
export function outputFile(text: string): string {
  if (text.trim() === "") throw new InvalidArgumentError("It must name a file, and is empty.");
  const file = path.resolve(text);
  const directory = path.dirname(file);
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory() === true) {
    throw new InvalidArgumentError("It must name a file, and this is a folder.");
  }
  try {
    accessSync(directory, constants.W_OK | constants.X_OK);
    if (!statSync(directory).isDirectory()) throw new Error("a file stands there");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new InvalidArgumentError(`It cannot be written in ${directory} (${why}).`);
  }
  return file;
}

export function serviceUrl(text: string): string {
  if (/^https?:\/\/./.test(text) && URL.canParse(text)) return text;
  throw new InvalidArgumentError("It must be the address of a service, such as http://127.0.0.1:8787.");
}

/** JSON that matches a schema. */
export function json<T>(schema: JsonSchema<T>): (text: string) => T {
  return (text) => {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw new InvalidArgumentError("It must be JSON.");
    }
    const read = schema.safeParse(value);
    if (read.success) return read.data;
    const [issue] = read.error.issues;
    throw new InvalidArgumentError([issue?.path.join("."), issue?.message].filter(Boolean).join(" "));
  };
}

interface JsonSchema<T> {
  safeParse(
    value: unknown,
  ):
    | { success: true; data: T }
    | { success: false; error: { issues: readonly { path: PropertyKey[]; message: string }[] } };
}

/** Parses an environment variable. */
export function readVariable<T>(name: string, text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new UsageFault(`${name} '${text}' is invalid. ${error.message}`);
  }
}
