import { spawnSync } from "node:child_process";
import path from "node:path";
import { inject } from "vitest";
import { projectRoot } from "../../scripts/dev/paths.ts";
import "./provided.ts";
import { TEMPLATE_DATABASE } from "../../simulation/test-bench.ts";

/**
 * Runs `npm run fuzz` with options, as a process of its own: the code under test is loaded by Node itself, with stand-ins and patches, which
 * vitest's loader would not let through.
 */
export function fuzz(...options: readonly string[]): { readonly output: string; readonly code: number | null } {
  const program = path.join(projectRoot, "tools/fuzz.ts");
  const { stdout, stderr, status } = spawnSync(process.execPath, ["--no-warnings", program, ...options], {
    encoding: "utf8",
    env: { ...process.env, [TEMPLATE_DATABASE]: inject("databaseUrl") },
  });
  return { output: `${stdout}${stderr}`, code: status };
}
