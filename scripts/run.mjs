#!/usr/bin/env node
// Starts a program of this folder, or of tools/ in a clone, on a Node that can run TypeScript: `node scripts/run.mjs start --port 9000`, or, where npm installed the
// package, `npx threadkeep start --port 9000`.
// Plain JavaScript on purpose: whatever Node the machine has must be able to read it, or nobody could say what is missing.
import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
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

/** The exit code of every program that was called wrongly: see scripts/program/run-program.ts. */
const USAGE = 64;

const packageDirectory = fileURLToPath(new URL("..", import.meta.url));
const program = process.argv[2] ?? "";
// What users and operators run stands in scripts/, what developers run in tools/, which the package leaves out.
const folder = ["scripts", "tools"].find((name) => existsSync(path.join(packageDirectory, name, `${program}.ts`)));
if (!/^[a-z-]+$/.test(program) || folder === undefined) {
  const isAsked = program === "" || program === "--help";
  if (!isAsked) console.error(`There is no program "${program}".`);
  (isAsked ? console.log : console.error)(describePrograms());
  process.exit(program === "--help" ? 0 : USAGE);
}

let scriptsDirectory = new URL(".", import.meta.url);
if (isInstalled(packageDirectory)) {
  // What a service keeps, and the programs, stand where the command was typed.
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

// Half of what a program takes to start is compiling what it loads: Node keeps that, and the programs that it starts share it.
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

/** The Node that npm installed with the project (optional dependencies), unless it is the one that runs already. */
function findBundledNode() {
  for (const name of ["node", "node.exe"]) {
    const found = fileURLToPath(new URL(`../node_modules/.bin/${name}`, scriptsDirectory));
    if (existsSync(found) && realpathSync(found) !== realpathSync(process.execPath)) {
      return found;
    }
  }
  return undefined;
}

function describePrograms() {
  return `npx threadkeep PROGRAM [OPTION…]     each tells its options with --help

  start        the service on this machine, with a database of its own; its files stand in .threadkeep
  inspect      a link that opens the inspector of the service on this machine, signed in
  demo         plays a chat into it, and shows what a model would get
  import       loads chats from files: exports of ChatGPT and claude.ai, LangGraph, Letta, JSON Lines …
  token        a token of a user, for pages and MCP clients
  mcp          a pipe to /mcp for clients that speak stdio alone
  keys         API keys of tenants
  jobs         failed jobs: what failed, and again
  ops          operations over many sessions
  bill         what a day of users costs on Cloudflare

A clone has more, such as example, deploy and test: \`npm run\` lists them.`;
}
