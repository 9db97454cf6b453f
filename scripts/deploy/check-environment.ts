// Checks one environment of wrangler.toml as a deployment would upload it.
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

/** The goal is 700; a larger Worker takes unnecessarily long to start. */
const MAX_GZIP_KIB = 1024;

export interface EnvironmentReport {
  /** An empty string for the top level of wrangler.toml. */
  readonly environment: string;
  readonly faults: readonly string[];
  /** What prevents a deployment although the repository is in order. */
  readonly notes: readonly string[];
  readonly gzipKiB: number;
  /** The folder with the modules of its bundle. */
  readonly modules: string;
  /** Equal for identical bundles. */
  readonly digest: string;
}

/** The environments of wrangler.toml, first the top level, an empty string. */
export function listEnvironments(): string[] {
  return ["", ...(readConfig({ config: wranglerToml }, { hideWarnings: true }).definedEnvironments ?? [])];
}

/** @param directory an empty folder for its bundle */
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
  // Locally, the AI binding would require a Cloudflare account.
  const wanted = environment === "" ? typed.filter((name) => name !== "AI") : typed;
  const faults = [
    ...missingBindings(wanted, available, environment),
    ...checkVariables(config.vars, config.ai !== undefined),
    ...(gzipKiB > MAX_GZIP_KIB
      ? [`The bundle has ${gzipKiB} KiB gzip, over ${MAX_GZIP_KIB}: npm run bench names what takes it`]
      : []),
  ];
  const notes = [...config.hyperdrive, ...config.kv_namespaces]
    .filter(({ id }) => environment !== "" && hasNoId(id))
    .map(({ binding }) => `${binding} has no id yet: npm run provision -- --env ${environment} writes it`);
  const digest = createHash("sha256")
    .update(readFileSync(path.join(modules, "worker.js")))
    .digest("hex");
  return { environment, faults, notes, gzipKiB, modules, digest };
}
