// Brings a new version to an environment by parts of its traffic, and takes it back when it is not well.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { StartError } from "../dev/start-error.ts";
import { type RunWrangler, wranglerFault } from "./account.ts";
import type { VersionHealth } from "./ask-version.ts";

export interface RollOutOptions {
  environment: string;
  /** Parts of the traffic in percent, each looked at before the next; 100 follows. */
  steps: readonly number[];
  run: RunWrangler;
  ask: (version: string) => Promise<VersionHealth>;
  /** Between a step and the look at it. */
  pause: () => Promise<void>;
  print: (line: string) => void;
}

/**
 * Uploads a version, asks it by itself while no traffic goes to it, and then gives it more and more.
 *
 * @throws StartError if it is not well; all traffic goes to the version before it then
 */
export async function rollOut(options: RollOutOptions): Promise<void> {
  const { environment, run, print } = options;
  const old = await currentVersion(options);
  const version = await upload(options, ["versions", "upload", "--env", environment]);
  print(`uploaded version ${version}; all traffic goes to ${old}`);
  try {
    for (const percentage of [0, ...options.steps, 100]) {
      await split(options, old, version, percentage);
      if (percentage > 0) await options.pause();
      await expectReady(options, version);
      print(`${percentage} % of the traffic: well`);
    }
  } catch (error) {
    await takeBack(options, old, error);
  }
  // Crons, routes, consumers of queues and workflows belong to no version.
  const { code, output } = await run(["triggers", "deploy", "--env", environment]);
  if (code !== 0) throw wranglerFault(["triggers", "deploy", "--env", environment], output);
  print(`${environment} runs version ${version}`);
}

/**
 * Deploys to all traffic at once: the first version, and one that changes the classes of objects, which Cloudflare takes in no other way.
 *
 * @throws StartError if it is not well; the version before it is put back, if there was one
 */
export async function deployAtOnce(options: RollOutOptions): Promise<void> {
  const old = await currentVersion(options).catch(() => null);
  const version = await upload(options, ["deploy", "--env", options.environment]);
  try {
    await expectReady(options, version);
  } catch (error) {
    if (old === null) throw error;
    await takeBack(options, old, error);
  }
  options.print(`${options.environment} runs version ${version}`);
}

async function currentVersion({ environment, run }: RollOutOptions): Promise<string> {
  const args = ["deployments", "status", "--json", "--env", environment];
  const { code, output } = await run(args);
  if (code !== 0) {
    throw new StartError(
      `${wranglerFault(args, output).message}\nWas it never deployed? The first time: npm run deploy -- --env ${environment} --at-once`,
    );
  }
  const versions = [...output.matchAll(/"version_id":\s*"([\w-]+)"[^}]*?"percentage":\s*(\d+)/g)];
  const all = versions.find(([, , percentage]) => percentage === "100");
  const others = versions.filter(([, , percentage]) => percentage !== "100" && percentage !== "0");
  if (all?.[1] === undefined || others.length > 0) {
    throw new StartError(
      `A rollout of ${environment} is under way. Look at npx wrangler deployments status --env ${environment}, and end it first: ` +
        `npx wrangler versions deploy VERSION@100% --env ${environment}`,
    );
  }
  return all[1];
}

/** Returns the new version's id, which wrangler writes to a file for programs. */
async function upload({ run }: RollOutOptions, args: readonly string[]): Promise<string> {
  const directory = mkdtempSync(path.join(tmpdir(), "threadkeep-deploy-"));
  const file = path.join(directory, "output.ndjson");
  try {
    const { code, output } = await run(args, { env: { WRANGLER_OUTPUT_FILE_PATH: file } });
    if (code !== 0) throw wranglerFault(args, output);
    const version = /"version_id":\s*"([\w-]+)"/.exec(readFileSync(file, "utf8"))?.[1];
    if (version === undefined) throw new StartError(`wrangler ${args.join(" ")} told no version:\n${output.trim()}`);
    return version;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function split({ environment, run }: RollOutOptions, old: string, version: string, part: number): Promise<void> {
  const versions = part === 100 ? [`${version}@100%`] : [`${old}@${100 - part}%`, `${version}@${part}%`];
  const args = ["versions", "deploy", ...versions, "--yes", "--env", environment];
  const { code, output } = await run(args);
  if (code !== 0) throw wranglerFault(args, output);
}

async function expectReady({ ask, print }: RollOutOptions, version: string): Promise<void> {
  const { isReady, faults } = await ask(version);
  const list = faults.map((fault) => `- ${fault}`).join("\n");
  if (isReady === true) {
    if (faults.length > 0) print(`it serves, and lacks:\n${list}`);
    return;
  }
  throw new StartError(`Version ${version} is not ready:\n${list}`);
}

async function takeBack({ environment, run }: RollOutOptions, old: string, error: unknown): Promise<never> {
  const reason = error instanceof Error ? error.message : String(error);
  const args = ["versions", "deploy", `${old}@100%`, "--yes", "--env", environment];
  const { code } = await run(args);
  throw new StartError(
    code === 0
      ? `${reason}\nAll traffic goes to version ${old} again.`
      : `${reason}\nThe version before it could NOT be put back. Do it now: npx wrangler ${args.join(" ")}`,
    { cause: error },
  );
}
