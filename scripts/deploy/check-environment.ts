// One environment of wrangler.toml, as a deploy would upload it.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { type Unstable_Config as Config, unstable_readConfig as readConfig } from "wrangler";
import { projectRoot } from "../dev/paths.ts";
import { listedBindings, missingBindings, typedBindings } from "./binding-names.ts";
import { sizeOf } from "./bundle-size.ts";
import { checkVariables } from "./check-variables.ts";
import { hasNoId } from "./resources.ts";
import { runPinnedWrangler } from "./run-wrangler.ts";

export const wranglerToml = path.join(projectRoot, "wrangler.toml");

/** The goal is 700; past this a start takes longer than it need. */
const MAX_GZIP_KIB = 1024;

export interface EnvironmentReport {
  /** "" for what stands at the top of wrangler.toml. */
  readonly environment: string;
  readonly faults: readonly string[];
  /** What is no fault of the repository, and stops a deploy all the same. */
  readonly notes: readonly string[];
  readonly gzipKiB: number;
  /** Where the modules of its bundle lie. */
  readonly modules: string;
  /** The same for bundles that are the same. */
  readonly digest: string;
}

/** The environments of wrangler.toml; the first is the top level, "". */
export function listEnvironments(): string[] {
  return ["", ...(readConfig({ config: wranglerToml }, { hideWarnings: true }).definedEnvironments ?? [])];
}

/** @param directory empty, for its bundle */
export async function checkEnvironment(environment: string, directory: string): Promise<EnvironmentReport> {
  const modules = path.join(directory, "modules");
  const config: Config = readConfig({ config: wranglerToml, env: environment }, { hideWarnings: true });
  const dryRun = ["deploy", "--dry-run", "--env", environment, "--outdir", modules];
  const { code, output } = await runPinnedWrangler(dryRun, directory);
  if (code !== 0) {
    const faults = [`wrangler ${dryRun.slice(0, 4).join(" ")} failed:\n${output.trim()}`];
    return { environment, faults, notes: [], gzipKiB: 0, modules, digest: "" };
  }
  const { gzipKiB } = sizeOf(modules);
  const typed = typedBindings(readFileSync(path.join(projectRoot, "src/worker-configuration.d.ts"), "utf8"));
  const available = [...listedBindings(output), ...(config.secrets?.required ?? [])];
  // On a laptop the binding would ask for an account.
  const wanted = environment === "" ? typed.filter((name) => name !== "AI") : typed;
  const faults = [
    ...missingBindings(wanted, available, environment),
    ...checkVariables(config.vars, config.ai !== undefined),
    ...(gzipKiB > MAX_GZIP_KIB
      ? [`The bundle has ${gzipKiB} KiB gzip, over ${MAX_GZIP_KIB}: npm run bench names what takes it`]
      : []),
  ];
  const notes = config.hyperdrive
    .filter(({ id }) => environment !== "" && hasNoId(id))
    .map(({ binding }) => `${binding} has no id yet: npm run provision -- --env ${environment} writes it`);
  const digest = createHash("sha256")
    .update(readFileSync(path.join(modules, "worker.js")))
    .digest("hex");
  return { environment, faults, notes, gzipKiB, modules, digest };
}
