import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { statePaths } from "../../scripts/dev/paths.ts";
import { makeTemporaryDirectory } from "./temporary-directory.ts";

/** What the copy of a state has: the rest is of the service that ran on it. */
const KEPT = ["keys", "bundle", "postgresData"] as const;

/** A state directory of its own for a service that is to start, as if it had been started before, and nobody had said anything. */
export function copyState(preparedState: string): string {
  const directory = makeTemporaryDirectory();
  const from = statePaths(preparedState);
  // Where PostgreSQL keeps its data elsewhere, it makes it anew.
  const kept = KEPT.map((name) => from[name]).filter((file) => existsSync(file));
  // With their owners: where the tests run as root, PostgreSQL runs as another user.
  execFileSync("cp", ["-a", ...kept, directory]);
  return directory;
}
