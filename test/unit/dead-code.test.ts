import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { projectRoot } from "../../scripts/dev/paths.ts";

const SOURCES = {
  "package.json": JSON.stringify({ name: "planted", type: "module", dependencies: { "left-over": "1.0.0" } }),
  "scripts/start.ts": 'import { used } from "../src/parts.ts";\nconsole.log(used());\n',
  "src/parts.ts": "export const inner = 1;\nexport const used = (): number => inner;\n",
  "src/forgotten.ts": "console.log(1);\n",
};

it("the check reports dead code by name: an export that only its own file uses, an unused file and an unused package", () => {
  const directory = mkdtempSync(path.join(tmpdir(), "threadkeep-dead-code-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  copyFileSync(path.join(projectRoot, "knip.jsonc"), path.join(directory, "knip.jsonc"));
  for (const [file, text] of Object.entries(SOURCES)) {
    mkdirSync(path.dirname(path.join(directory, file)), { recursive: true });
    writeFileSync(path.join(directory, file), text);
  }
  const program = path.join(projectRoot, "node_modules/knip/bin/knip.js");
  const options = ["--directory", directory, "--no-progress", "--no-config-hints", "--reporter", "json"];
  const { status, stdout } = spawnSync(process.execPath, [program, ...options], { encoding: "utf8" });
  const { issues }: { issues: Record<string, { name: string }[]>[] } = JSON.parse(stdout);
  const named = (kind: string): string[] => issues.flatMap((issue) => (issue[kind] ?? []).map(({ name }) => name));
  expect(named("exports")).toEqual(["inner"]);
  expect(named("files")).toEqual(["src/forgotten.ts"]);
  expect(named("dependencies")).toEqual(["left-over"]);
  expect(status).toBe(1);
});
