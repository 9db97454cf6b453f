import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { statePaths } from "../../scripts/dev/paths.ts";
import { makeTemporaryDirectory } from "./temporary-directory.ts";

/** What is copied of a data directory: the rest belongs to the service that ran on it. */
const KEPT = ["keys", "bundle", "postgresData"] as const;

/** A data directory for a service that is to start, as if it had been started before and never used. */
export function copyState(preparedState: string): string {
  const directory = makeTemporaryDirectory();
  const from = statePaths(preparedState);
  // If PostgreSQL's data is elsewhere, it is created anew.
  const kept = KEPT.map((name) => from[name]).filter((file) => existsSync(file));
  // With their owners, because PostgreSQL runs as another user if the tests run as root.
  execFileSync("cp", ["-a", ...kept, directory]);
  return directory;
}
