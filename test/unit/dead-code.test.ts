import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { projectRoot } from "../../scripts/dev/paths.ts";
import { FOR_TESTS_ALONE } from "../../tools/check/steps.ts";

const SOURCES = {
  "package.json": JSON.stringify({ name: "planted", type: "module", dependencies: { "left-over": "1.0.0" } }),
  "scripts/start.ts":
    'import { used } from "../src/parts.ts";\nimport { shown } from "../src/tested.ts";\nconsole.log(used(), shown);\n',
  "src/parts.ts": "export const inner = 1;\nexport const used = (): number => inner;\n",
  "src/forgotten.ts": "console.log(1);\n",
  "src/tested.ts":
    "export const probed = 1;\n/** @internal It says why. */\nexport const tagged = 2;\nexport const shown = 3;\n",
  "test/parts.test.ts": 'import { probed, tagged } from "../src/tested.ts";\nconsole.log(probed, tagged);\n',
};

function findDead(options: readonly string[]): { status: number | null; named(kind: string): string[] } {
  const directory = mkdtempSync(path.join(tmpdir(), "threadkeep-dead-code-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  copyFileSync(path.join(projectRoot, "knip.jsonc"), path.join(directory, "knip.jsonc"));
  for (const [file, text] of Object.entries(SOURCES)) {
    mkdirSync(path.dirname(path.join(directory, file)), { recursive: true });
    writeFileSync(path.join(directory, file), text);
  }
  const program = path.join(projectRoot, "node_modules/knip/bin/knip.js");
  const given = ["--directory", directory, "--no-progress", "--no-config-hints", "--reporter", "json", ...options];
  const { status, stdout } = spawnSync(process.execPath, [program, ...given], { encoding: "utf8" });
  const { issues }: { issues: Record<string, { name: string }[]>[] } = JSON.parse(stdout);
  return { status, named: (kind) => issues.flatMap((issue) => (issue[kind] ?? []).map(({ name }) => name)) };
}

it("the check reports dead code by name: an export that only its own file uses, an unused file and an unused package", () => {
  const { status, named } = findDead([]);
  expect(named("exports")).toEqual(["inner"]);
  expect(named("files")).toEqual(["src/forgotten.ts"]);
  expect(named("dependencies")).toEqual(["left-over"]);
  expect(status).toBe(1);
});

it("an export that nothing but a test imports fails the check, unless a tag says why", () => {
  const { status, named } = findDead(FOR_TESTS_ALONE);
  expect(named("exports").toSorted()).toEqual(["inner", "probed"]);
  expect(status).toBe(1);
});
