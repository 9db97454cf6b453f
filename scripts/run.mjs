#!/usr/bin/env node
// Starts a program of this folder on a Node that can run TypeScript: `node scripts/run.mjs start --port 9000`.
// Plain JavaScript on purpose: whatever Node the machine has must be able to read it, or nobody could say what is missing.
import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import * as nodeModule from "node:module";
import { fileURLToPath } from "node:url";

// The first versions that strip types without a flag.
const OLDEST = "22.18";
const OLDEST_MINOR = new Map([
  [22, 18],
  [23, 6],
]);

const scriptsDirectory = new URL(".", import.meta.url);
const program = process.argv[2] ?? "";
const file = fileURLToPath(new URL(`./${program}.ts`, scriptsDirectory));
if (!/^[a-z-]+$/.test(program) || !existsSync(file)) {
  const isAsked = program === "" || program === "--help";
  if (!isAsked) console.error(`There is no program "${program}".`);
  (isAsked ? console.log : console.error)(
    "npx threadkeep PROGRAM [OPTION…]     in a clone: start, demo, example, token, import, mcp, keys, ops, jobs, bill, bench, test …\n" +
      "Each tells its options with --help. `npm run` lists all of them.",
  );
  process.exit(program === "--help" ? 0 : 2);
}

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
  await import(`./${program}.ts`);
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
    const path = fileURLToPath(new URL(`../node_modules/.bin/${name}`, scriptsDirectory));
    if (existsSync(path) && realpathSync(path) !== realpathSync(process.execPath)) {
      return path;
    }
  }
  return undefined;
}
