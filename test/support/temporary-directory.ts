import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** Open to all: if the tests run as root, PostgreSQL runs as another user and needs access. */
export function makeTemporaryDirectory(within = tmpdir()): string {
  const directory = mkdtempSync(path.join(within, "threadkeep-test-"));
  chmodSync(directory, 0o755);
  return directory;
}

export function removeDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
}
