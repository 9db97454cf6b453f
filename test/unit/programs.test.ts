// Every program that package.json names, in this process: its help, and its answer to a wrong command line.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import { afterAll, afterEach, beforeEach, expect, it, vi } from "vitest";
import { projectRoot } from "../../scripts/dev/paths.ts";
import { EXIT } from "../../scripts/program/run-program.ts";

const { scripts }: { scripts: Record<string, string> } = JSON.parse(readFileSync("package.json", "utf8"));
const programs: Record<"users" | "developers", Record<string, string>> = JSON.parse(
  readFileSync("scripts/program/programs.json", "utf8"),
);
const names = Object.keys({ ...programs.users, ...programs.developers });

// They take seconds to load, and no program uses them before it starts to work.
vi.mock("wrangler", () => ({}));
vi.mock("miniflare", () => ({}));
vi.mock("playwright-core", () => ({}));

const before = { argv: process.argv, code: process.exitCode };
let stdout = "";
let stderr = "";

beforeEach(() => {
  [stdout, stderr] = ["", ""];
  process.exitCode = EXIT.ok;
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    stdout += String(text);
    return true;
  });
  vi.spyOn(console, "error").mockImplementation((text) => {
    stderr += `${String(text)}\n`;
  });
});

afterEach(() => {
  process.argv = before.argv;
  process.exitCode = before.code;
  vi.restoreAllMocks();
});

// Files share their modules: without this, the next one would find programs that were loaded with these stand-ins.
afterAll(() => vi.resetModules());

/** The file is loaded anew for each `args`; its imports are not. */
async function call(name: string, args: readonly string[]): Promise<void> {
  const file = ["scripts", "tools"]
    .map((folder) => path.join(projectRoot, folder, `${name}.ts`))
    .find((one) => existsSync(one));
  if (file === undefined) throw new Error(`There is no file of ${name}`);
  process.argv = [process.execPath, file, ...args];
  await import(/* @vite-ignore */ `${pathToFileURL(file).href}?${args.join("-")}`);
}

it("package.json only starts programs that run.mjs knows", () => {
  const started = Object.values(scripts).flatMap((script) => /^node scripts\/run\.mjs (\S+)$/.exec(script)?.[1] ?? []);
  expect(names).toEqual(expect.arrayContaining(started));
  expect(started.length).toBeGreaterThan(30);
});

it.each(names)("%s explains itself and every option, and refuses an unknown option in one line", async (name) => {
  const help = vi.spyOn(Command.prototype, "outputHelp");
  await call(name, ["--nonsense", "--help"]);
  expect({ stderr, code: process.exitCode }).toEqual({ stderr: "", code: EXIT.ok });
  const program = help.mock.contexts[0] as CommandUnknownOpts;
  expect(stdout).toMatch(new RegExp(`^Usage: (npm|node scripts/run\\.mjs) .*${name.replace("-", ".")}`));
  expect(program.description()).not.toBe("");
  for (const option of program.options) expect(stdout).toContain(option.flags);
  for (const command of program.commands) {
    expect(stdout).toContain(command.name());
    for (const option of command.options) expect(command.helpInformation()).toContain(option.flags);
  }
  if (name === "test") return; // Unknown options are passed to vitest.

  stdout = "";
  const needed = program.options.filter((option) => option.mandatory).flatMap(({ long }) => [long ?? "", "x"]);
  await call(name, [...needed, "--nonsense"]);
  expect({ stdout, code: process.exitCode }).toEqual({ stdout: "", code: EXIT.usage });
  expect(stderr).toMatch(/^[^\n]*nonsense[^\n]* For help: [^\n]* --help\n$/);
});
