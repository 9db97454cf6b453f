import { execFile } from "node:child_process";
import path from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { projectRoot } from "../../scripts/dev/paths.ts";
import { makeStateDirectory, sharedService } from "../support/service.ts";
import { removeDirectory } from "../support/temporary-directory.ts";

const LAST_LINE = /^[\d,]+-token chat → [\d,]+-token context, 0 gaps, [1-9]\d* items cited, read in [\d.]+ ms$/;

interface Ended {
  exitCode: number | null;
  stdout: string;
  stderr: string;
}

function runDemo(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const { THREADKEEP_URL: _url, THREADKEEP_API_KEY: _key, ...inherited } = process.env;
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [path.join(projectRoot, "scripts", "demo.ts"), ...args],
      { env: { ...inherited, ...env } },
      (_error, stdout, stderr) => resolve({ exitCode: child.exitCode, stdout, stderr }),
    );
  });
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}

it("the demo kills its own service midway, loses nothing, still knows an early turn, and ends with a line of measurements", async () => {
  // The data is that of a stopped service. The tests of npm start cover a first start.
  const state = makeStateDirectory();
  onTestFinished(() => removeDirectory(state));
  const { exitCode, stdout, stderr } = await runDemo(["--own", "--state", state]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(lastLine(stdout)).toMatch(LAST_LINE);
  expect(stdout).toMatch(/Killed: .* \d+ turns were acknowledged/);
  expect(stdout.match(/✓ .* exactly once/g)).toHaveLength(2);
  expect(stdout).toMatch(/✓ It still knows the allergy, and cites turn 3/);
  expect(stdout).not.toContain("✗");
  // Output to a file has no colours and no moving lines.
  expect(stdout).not.toContain("\u001b");
}, 240_000);

it("the demo leaves a service running that it did not start", async () => {
  const service = sharedService();
  const { exitCode, stdout } = await runDemo([], { THREADKEEP_URL: service.url, THREADKEEP_API_KEY: service.apiKey });
  expect(exitCode).toBe(0);
  expect(stdout).toContain("Left out: this service was running before the demo");
  expect(stdout).not.toContain("Killed");
  expect(lastLine(stdout)).toMatch(LAST_LINE);
  expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
});

it("the demo says what is wrong if a service does not answer", async () => {
  const { exitCode, stderr } = await runDemo([], { THREADKEEP_URL: "http://127.0.0.1:1", THREADKEEP_API_KEY: "x" });
  expect(exitCode).toBe(1);
  expect(stderr.trim()).toBe(
    "http://127.0.0.1:1 (THREADKEEP_URL) is not ready. Without that variable the demo starts its own.",
  );
});
