#!/usr/bin/env node
// Starts a program of this folder, or of tools/ in a clone, on a Node that can run TypeScript: `node scripts/run.mjs
// start --port 9000`, or, if npm installed the package, `npx threadkeep start --port 9000`.
// Plain JavaScript on purpose: any Node must be able to run it, to be able to say what is missing.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, realpathSync } from "node:fs";
import * as nodeModule from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { isInstalled, layOut } from "./program/installed.mjs";

// The first versions that strip types without a flag.
const OLDEST = "22.18";
const OLDEST_MINOR = new Map([
  [22, 18],
  [23, 6],
]);

/** The exit code for wrong arguments: see scripts/program/run-program.ts. */
const USAGE = 64;

const packageDirectory = fileURLToPath(new URL("..", import.meta.url));
/** The programs, with their audience and a line of help. The npm package contains none for developers. */
const programs = JSON.parse(readFileSync(new URL("program/programs.json", import.meta.url), "utf8"));
const program = process.argv[2] ?? "";
const call = isInstalled(packageDirectory) ? "npx threadkeep" : "node scripts/run.mjs";
if (["--help", "-h", "help"].includes(program)) {
  console.log(describePrograms());
  process.exit(0);
}
const isKnown = Object.values(programs).some((some) => Object.hasOwn(some, program));
const folder = isKnown ? findFolder(program) : undefined;
if (folder === undefined) {
  const fault = program === "" ? "Name a program." : `There is no program ${JSON.stringify(program)}.`;
  console.error(`${fault} For help: ${call} --help`);
  process.exit(USAGE);
}

let scriptsDirectory = new URL(".", import.meta.url);
if (isInstalled(packageDirectory)) {
  // The service's files and the copied programs are in the folder where the command was run.
  process.env.TK_HOME ??= process.cwd();
  const laidOut = path.join(process.env.TK_HOME, ".threadkeep-program");
  layOut(packageDirectory, laidOut);
  scriptsDirectory = pathToFileURL(path.join(laidOut, "scripts/"));
}
const file = fileURLToPath(new URL(`../${folder}/${program}.ts`, scriptsDirectory));

if (!existsSync(fileURLToPath(new URL("../node_modules", scriptsDirectory)))) {
  console.error("The packages are not installed yet. Run: npm ci");
  process.exit(1);
}

// Half of a program's start is compiling what it loads. Node caches the result, also for the programs that it starts.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL("../node_modules/.cache/threadkeep", scriptsDirectory));

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const isNewEnough = major >= 24 || minor >= (OLDEST_MINOR.get(major) ?? Infinity);

if (isNewEnough) {
  nodeModule.enableCompileCache(process.env.NODE_COMPILE_CACHE);
  process.argv.splice(1, 2, file);
  await import(pathToFileURL(file).href);
} else {
  const bundled = findBundledNode();
  if (bundled === undefined) {
    console.error(
      `Threadkeep needs Node ${OLDEST} or later; this is ${process.versions.node}, and npm has none for ` +
        `${process.platform}-${process.arch}.\nInstall Node 24 (https://nodejs.org/en/download), then run the command again.`,
    );
    process.exit(1);
  }
  const child = spawn(bundled, [file, ...process.argv.slice(3)], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => child.kill(signal));
  }
  child.on("exit", (code, signal) => process.exit(code ?? (signal === null ? 1 : 128)));
}

/** The Node that npm installed with the project (an optional dependency), unless it is the running one. */
function findBundledNode() {
  for (const name of ["node", "node.exe"]) {
    const found = fileURLToPath(new URL(`../node_modules/.bin/${name}`, scriptsDirectory));
    if (existsSync(found) && realpathSync(found) !== realpathSync(process.execPath)) {
      return found;
    }
  }
  return undefined;
}

/** Programs for users and operators are in scripts/, those for developers in tools/, which the package leaves out. */
function findFolder(name) {
  return ["scripts", "tools"].find((one) => existsSync(path.join(packageDirectory, one, `${name}.ts`)));
}

function describePrograms() {
  const table = (some) =>
    Object.entries(some)
      .filter(([name]) => findFolder(name) !== undefined)
      .map(([name, about]) => `  ${name.padEnd(18)} ${about}\n`)
      .join("");
  const ofDevelopers = table(programs.developers);
  return `Usage: ${call} PROGRAM [options]

${table(programs.users)}${ofDevelopers === "" ? "" : `\nFor developers:\n${ofDevelopers}`}
${call} PROGRAM --help explains one of them.`;
}
