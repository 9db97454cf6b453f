import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { projectRoot } from "../../scripts/dev/paths.ts";
import { ensureInspector } from "../../scripts/inspector/ensure.ts";
import { VARIABLES, variableRows } from "../../src/config/variables.ts";
import { cleanEnvironment } from "../support/start-command.ts";
import { makeTemporaryDirectory, removeDirectory } from "../support/temporary-directory.ts";

const run = promisify(execFile);
const read = (file: string): string => readFileSync(path.join(projectRoot, file), "utf8");

interface Manifest {
  readonly version: string;
  readonly license: string;
  readonly dependencies: Record<string, string>;
  readonly cloudflare: { readonly bindings: Record<string, { readonly description: string }> };
}
const manifest: Manifest = JSON.parse(read("package.json"));
const client: Manifest = JSON.parse(read("client/package.json"));

describe("the version", () => {
  it("is the same in both packages, in the registry's entry and at the top of the changelog", () => {
    const server: { version: string } = JSON.parse(read("server.json"));
    expect([client.version, server.version]).toEqual([manifest.version, manifest.version]);
    expect(/^## (\S+)/m.exec(read("CHANGELOG.md"))?.[1]).toBe(manifest.version);
  });

  it("comes with one licence", () => {
    expect(client.license).toBe(manifest.license);
    expect(read("LICENSE")).toContain("Apache License");
    expect(read("client/LICENSE")).toBe(read("LICENSE"));
  });
});

describe("what a deploy button asks for", () => {
  const named = [...read(".dev.vars.example").matchAll(/^([A-Z_]+)=$/gm)].map(([, name]) => name);
  const { bindings } = manifest.cloudflare;

  it("is every secret, without a value, with a description", () => {
    const secrets = variableRows().filter(({ isSecret }) => isSecret === true);
    expect(named.toSorted()).toEqual(secrets.map(({ name }) => name).toSorted());
    for (const name of named) expect(bindings).toHaveProperty(name ?? "");
  });

  it("is nothing that does not exist", () => {
    for (const [name, { description }] of Object.entries(bindings)) {
      expect(Object.hasOwn(VARIABLES, name) || read("wrangler.toml").includes(`binding = "${name}"`), name).toBe(true);
      expect(description).toMatch(/^[A-Z].+\.$/);
    }
  });
});

/** The files that npm packs, laid out as npm installs them, next to the packages that it depends on. */
async function install(): Promise<{ project: string; files: string[]; size: number }> {
  const project = makeTemporaryDirectory();
  onTestFinished(() => removeDirectory(project));
  await ensureInspector();
  const { stdout } = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", project], {
    cwd: projectRoot,
    env: cleanEnvironment(),
    maxBuffer: 16 * 1024 * 1024,
  });
  const [packed]: { filename: string; size: number; files: { path: string }[] }[] = JSON.parse(stdout);
  if (packed === undefined) throw new Error("npm packed nothing");
  const packages = path.join(project, "node_modules");
  mkdirSync(path.join(packages, "threadkeep"), { recursive: true });
  await run("tar", ["-xzf", path.join(project, packed.filename), "--strip-components=1"], {
    cwd: path.join(packages, "threadkeep"),
  });
  const lock: { packages: Record<string, { dev?: boolean; devOptional?: boolean }> } = JSON.parse(
    read("package-lock.json"),
  );
  for (const [place, { dev, devOptional }] of Object.entries(lock.packages)) {
    const name = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(place)?.[1];
    if (name === undefined || dev === true || devOptional === true) continue;
    if (!existsSync(path.join(projectRoot, place))) continue;
    mkdirSync(path.dirname(path.join(packages, name)), { recursive: true });
    symlinkSync(path.join(projectRoot, place), path.join(packages, name), "junction");
  }
  return { project, files: packed.files.map((file) => file.path), size: packed.size };
}

const IMPORTS =
  /(?:^|\n)\s*(?:import|export)\s+(?!type\s)[^;]*?from\s+"([^"]+)"|(?:^|\n)import\s+"([^"]+)"|import\(\s*"([^"]+)"/g;

describe("the packed project", () => {
  it("lists its programs and imports in an empty folder, with only the dependencies of its package.json", async () => {
    const { project, files, size } = await install();
    expect(size).toBeLessThan(2_000_000);
    const faults: string[] = [];
    for (const file of files.filter((name) => /\.(ts|mjs)$/.test(name) && !name.endsWith(".d.ts"))) {
      for (const [, ...found] of read(file).matchAll(IMPORTS)) {
        const specifier = found.find((one) => one !== undefined) ?? "";
        const own = path.posix.join(path.posix.dirname(file), specifier);
        const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? "";
        const isThere = specifier.startsWith(".")
          ? files.includes(own)
          : /^(node|cloudflare):/.test(specifier) || Object.hasOwn(manifest.dependencies, name);
        if (!isThere) faults.push(`${file}: ${specifier}`);
      }
    }
    // The client's adapters are a separate package, whose users install its peer dependencies.
    expect(faults.filter((fault) => !/^client\/src\/[a-z-]+\//.test(fault))).toEqual([]);

    const threadkeep = (...args: string[]): Promise<{ stdout: string }> =>
      run(process.execPath, ["node_modules/threadkeep/scripts/run.mjs", ...args], {
        cwd: project,
        env: cleanEnvironment(),
      });
    const help = await threadkeep("--help");
    for (const [, program] of help.stdout.matchAll(/^ {2}([a-z]+) {2,}/gm)) {
      expect(files).toContain(`scripts/${program}.ts`);
    }
    await expect(threadkeep("improt")).rejects.toMatchObject({ code: 64 });
    writeFileSync(path.join(project, "chat.jsonl"), '{"session":"s","role":"user","content":"Is Baixa flat?"}\n');
    const { stdout } = await threadkeep("import", "--dry-run", "chat.jsonl");
    expect(stdout).toMatch(/messages\s+1 read and checked/);
    expect(existsSync(path.join(project, ".threadkeep-program"))).toBe(true);
    // Nothing is written into the package's own folder, because the next version replaces it.
    expect(readdirSync(path.join(project, "node_modules/threadkeep"))).not.toContain(".threadkeep");
  }, 60_000);
});
