import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
} from "node:fs";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { projectRoot } from "../../scripts/dev/paths.ts";
import { waitUntilGone } from "../../scripts/dev/processes.ts";
import { call } from "../support/service.ts";
import { type CommandOptions, runStart } from "../support/start-command.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

const isRoot = process.getuid?.() === 0;

/** The files of a clone, including changes that are not committed yet. */
function listFiles(): string[] {
  const output = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
    cwd: projectRoot,
    encoding: "utf8",
  });
  return output.split("\0").filter((name) => name !== "" && existsSync(path.join(projectRoot, name)));
}

/**
 * A folder on the disk of the packages, open to all, if there is one: linking the packages takes a second or two, and copying them to the
 * in-memory folder of other tests takes much longer, and a gigabyte.
 */
function makeFolderBesidePackages(): string {
  const { dev } = statSync(path.join(projectRoot, "node_modules"));
  const near = ["/tmp", "/var/tmp"].find((folder) => existsSync(folder) && statSync(folder).dev === dev);
  return makeTemporaryDirectory(near);
}

/** Puts the content of `from` there, without copying if both are on the same disk. */
function linkTree(from: string, to: string): void {
  mkdirSync(to);
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    if (entry.isDirectory()) linkTree(source, target);
    else if (entry.isFile()) linkOrCopy(source, target);
    else symlinkSync(readlinkSync(source), target);
  }
}

function linkOrCopy(source: string, target: string): void {
  try {
    linkSync(source, target);
  } catch {
    cpSync(source, target); // The copy is on another disk.
  }
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
  // The signal goes to npm itself, as from a process manager; npm at most passes it on to a shell.
  const processes = start.processes();
  start.child.kill("SIGTERM");
  for (const identity of processes) expect(await waitUntilGone(identity, 15_000), `process ${identity.pid}`).toBe(true);
}

describe.skipIf(!existsSync(path.join(projectRoot, ".git")))("a fresh clone with packages that ran no script", () => {
  it("is what npm ci makes", () => {
    expect(readFileSync(path.join(projectRoot, ".npmrc"), "utf8")).toMatch(/^ignore-scripts=true$/m);
  });

  it("starts, for an ordinary user too", async () => {
    const parent = makeFolderBesidePackages();
    onTestFinished(() => removeDirectory(parent), 180_000);
    const checkout = path.join(parent, "threadkeep");
    for (const name of listFiles()) {
      mkdirSync(path.dirname(path.join(checkout, name)), { recursive: true });
      cpSync(path.join(projectRoot, name), path.join(checkout, name));
    }
    const own = readdirSync(checkout).map((name) => path.join(checkout, name));
    // The packages as npm ci installed them here. Installing them again takes a minute and gives the same.
    linkTree(path.join(projectRoot, "node_modules"), path.join(checkout, "node_modules"));

    if (!isRoot) {
      await expectNpmStartWorks(checkout);
      return;
    }
    // All other tests start the service as root, if they run as root.
    // The user nobody has no home directory to write to and owns no package, so it is the most ordinary user there is.
    const [uid, gid] = [Number(execFileSync("id", ["-u", "nobody"])), Number(execFileSync("id", ["-g", "nobody"]))];
    execFileSync("chown", [`${uid}:${gid}`, parent, checkout]);
    execFileSync("chown", ["-R", `${uid}:${gid}`, ...own]);
    await expectNpmStartWorks(checkout, { uid, gid, env: { HOME: parent } });
  }, 300_000);
});
