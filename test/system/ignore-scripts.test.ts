import { execFile, execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { projectRoot } from "../../scripts/dev/paths.ts";
import { waitUntilGone } from "../../scripts/dev/processes.ts";
import { call } from "../support/service.ts";
import { cleanEnvironment, type CommandOptions, runStart } from "../support/start-command.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

const isRoot = process.getuid?.() === 0;

/** What a clone would hold, with the changes that are not committed yet. */
function listFiles(): string[] {
  const output = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: projectRoot,
    encoding: "utf8",
  });
  return output.split("\0").filter((name) => name !== "" && existsSync(path.join(projectRoot, name)));
}

async function expectNpmStartWorks(checkout: string, options: CommandOptions = {}): Promise<void> {
  const start = runStart(path.join(checkout, ".threadkeep"), [], {
    command: ["npm", "start", "--"],
    cwd: checkout,
    ...options,
  });
  const service = await start.ready();
  const ready = await call(service, "GET", "/readyz", { key: null });
  expect(ready.status, ready.text).toBe(200);
  // To npm itself, as a process manager does: npm passes it on to a shell at best.
  const processes = start.processes();
  start.child.kill("SIGTERM");
  for (const identity of processes) expect(await waitUntilGone(identity, 15_000), `process ${identity.pid}`).toBe(true);
}

describe.skipIf(!existsSync(path.join(projectRoot, ".git")))(
  "a fresh clone installed with npm ci, which runs no script of a package",
  () => {
    it("starts, for an ordinary user too", async () => {
      const parent = makeTemporaryDirectory();
      // Hundreds of megabytes of packages go, on a disk that others use too.
      onTestFinished(() => removeDirectory(parent), 180_000);
      const checkout = path.join(parent, "threadkeep");
      for (const name of listFiles()) {
        mkdirSync(path.dirname(path.join(checkout, name)), { recursive: true });
        cpSync(path.join(projectRoot, name), path.join(checkout, name));
      }
      const options = { cwd: checkout, env: cleanEnvironment() };
      await promisify(execFile)("npm", ["ci", "--prefer-offline"], options);

      if (!isRoot) {
        await expectNpmStartWorks(checkout);
        return;
      }
      // What root starts, all other tests start.
      // Nobody has no home to write to, which is as ordinary as a user can be.
      const [uid, gid] = [Number(execFileSync("id", ["-u", "nobody"])), Number(execFileSync("id", ["-g", "nobody"]))];
      execFileSync("chown", ["-R", `${uid}:${gid}`, parent]);
      await expectNpmStartWorks(checkout, { uid, gid, env: { HOME: parent } });
    }, 300_000);
  },
);
