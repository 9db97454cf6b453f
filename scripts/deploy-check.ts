// npm run deploy:check: checks whether each environment of wrangler.toml would start on Cloudflare. Uploads nothing,
// and needs no account.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { unstable_readConfig as readConfig } from "wrangler";
import {
  checkEnvironment,
  type EnvironmentReport,
  listEnvironments,
  wranglerToml,
} from "./deploy/check-environment.ts";
import { findDestruction } from "./deploy/find-destruction.ts";
import { measureStartup, STARTUP_LIMIT_MS } from "./deploy/measure-startup.ts";
import { runPinnedWrangler } from "./deploy/run-wrangler.ts";
import { createProgram, UsageFault } from "./program/command-line.ts";
import { EXIT, runProgram } from "./program/run-program.ts";

const program = createProgram(
  "npm run deploy:check --",
  "Checks that the environments of wrangler.toml could be deployed. Nothing is uploaded.",
)
  .option("--env <name>", "check only this environment, which must also be provisioned")
  .addHelpText(
    "after",
    `
It checks that each bundles and stays small, that its bindings are complete, that its variables are sound, that the
generated types are current, that the migrations only add, and how long the Worker takes to start.

Examples:
  npm run deploy:check
  npm run deploy:check -- --env production`,
  )
  .action(async ({ env: only = null }) => {
    const known = listEnvironments();
    if (only !== null && !known.includes(only)) {
      throw new UsageFault(`wrangler.toml has no environment "${only}"; it has ${known.slice(1).join(" and ")}`);
    }
    const directory = mkdtempSync(path.join(tmpdir(), "threadkeep-deploy-"));
    try {
      process.exitCode = (await check(directory, only)) ? EXIT.ok : EXIT.failed;
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

await runProgram(program);

/** Returns whether everything is in order. */
async function check(directory: string, only: string | null): Promise<boolean> {
  const typesAreCurrent = checkTypes(directory);
  const reports: EnvironmentReport[] = [];
  // One after the other, because other checks of npm test run at the same time, and each needs a core.
  for (const environment of only === null ? listEnvironments() : [only]) {
    const own = path.join(directory, environment === "" ? "top-level" : environment);
    mkdirSync(own);
    reports.push(await checkEnvironment(environment, own));
  }
  const faults = [...(await typesAreCurrent), ...findDestruction(), ...(await checkStartup(reports))];
  for (const fault of faults) console.log(`FAULT  ${fault}`);
  // Whoever names an environment is about to deploy it, so its notes count as faults. Other environments may be
  // incomplete.
  const ends = reports.map((report) => tell(only === null ? report : withNotesAsFaults(report)));
  return faults.length === 0 && ends.every((isWell) => isWell);
}

function withNotesAsFaults({ faults, notes, ...report }: EnvironmentReport): EnvironmentReport {
  return { ...report, faults: [...faults, ...notes], notes: [] };
}

/** Prints a report. Returns whether it has no faults. */
function tell({ environment, faults, notes, gzipKiB }: EnvironmentReport): boolean {
  const name = environment === "" ? "top level" : environment;
  console.log(`${faults.length === 0 ? "ok    " : "FAULT "} ${name}: ${gzipKiB} KiB gzip`);
  for (const fault of faults) console.log(`  - ${fault}`);
  for (const note of notes) console.log(`  note: ${note}`);
  return faults.length === 0;
}

async function checkTypes(directory: string): Promise<string[]> {
  const args = ["types", "src/worker-configuration.d.ts", "--include-runtime=false", "--check"];
  const { code, output } = await runPinnedWrangler(args, directory);
  return code === 0 ? [] : [`The generated types of the bindings are not current: npm run types\n${output.trim()}`];
}

/** Environments differ in bindings, but rarely in code; each distinct bundle is loaded once. */
async function checkStartup(reports: readonly EnvironmentReport[]): Promise<string[]> {
  const bundles = new Map(
    reports.filter(({ digest }) => digest !== "").map(({ digest, modules }) => [digest, modules]),
  );
  const date = readConfig({ config: wranglerToml }, { hideWarnings: true }).compatibility_date ?? "";
  const faults: string[] = [];
  for (const modules of bundles.values()) {
    const startup = await measureStartup(modules, date);
    if (startup === null) {
      console.log("note: how long a start takes is measured on Linux alone; Cloudflare refuses an upload over 1 s");
      continue;
    }
    const { cpuMs, limitMs } = startup;
    const stretched = limitMs === STARTUP_LIMIT_MS ? "" : `, here ${limitMs} ms, as this machine is slow`;
    const text = `a start takes ${cpuMs} ms of CPU; Cloudflare's limit is ${STARTUP_LIMIT_MS} ms${stretched}`;
    if (cpuMs > limitMs) faults.push(`${text}: look where it goes with npx wrangler check startup`);
    else console.log(`ok     ${text}`);
  }
  return faults;
}
