// Brings a new version to an environment gradually, and rolls back if it is not well.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { StartError } from "../dev/start-error.ts";
import { type RunWrangler, wranglerFault } from "./account.ts";
import type { VersionHealth } from "./ask-version.ts";
import { fieldOf, parseJson } from "./wrangler-json.ts";

export interface RollOutOptions {
  environment: string;
  /** Percentages of traffic, each followed by a check; 100 follows by itself. */
  steps: readonly number[];
  run: RunWrangler;
  ask: (version: string) => Promise<VersionHealth>;
  /** Waits between a step and its check. */
  pause: () => Promise<void>;
  print: (line: string) => void;
}

/**
 * Uploads a version, checks it while it gets no traffic, and then gives it more and more.
 *
 * @throws {StartError} if it is not well; all traffic then goes to the previous version
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
  // Cron triggers, routes, queue consumers and workflows do not belong to a version.
  const { code, output } = await run(["triggers", "deploy", "--env", environment]);
  if (code !== 0) throw wranglerFault(["triggers", "deploy", "--env", environment], output);
  print(`${environment} runs version ${version}`);
}

/**
 * Deploys to all traffic at once: for the first version, and for one that changes the classes of Durable Objects, which
 * Cloudflare accepts in no other way.
 *
 * @throws {StartError} if it is not well; the previous version is restored, if there was one
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
  const versions = fieldOf(parseJson(output), "versions");
  const serving = (Array.isArray(versions) ? versions : []).filter((each) => fieldOf(each, "percentage") !== 0);
  const [only] = serving;
  const version = fieldOf(only, "version_id");
  if (serving.length !== 1 || fieldOf(only, "percentage") !== 100 || typeof version !== "string") {
    throw new StartError(
      `A rollout of ${environment} is under way. Look at npx wrangler deployments status --env ${environment}, and end it first: ` +
        `npx wrangler versions deploy VERSION@100% --env ${environment}`,
    );
  }
  return version;
}

/** Returns the id of the new version, which wrangler writes to a file for programs. */
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
