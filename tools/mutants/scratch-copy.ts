import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { projectRoot } from "../../scripts/dev/paths.ts";

/** Left out of the copy: data of running services, what can be built again, and the packages, which are linked. */
const LEFT_OUT = new Set([".git", ".threadkeep", ".wrangler", "node_modules", "dist", "coverage"]);

/**
 * A copy of the project to plant bugs in, so that the real source is never touched. It is inside the project's own data directory, so that
 * Node finds the packages in a directory above it.
 */
export class ScratchCopy {
  readonly directory: string;

  constructor() {
    const parent = path.join(projectRoot, ".threadkeep");
    mkdirSync(parent, { recursive: true });
    this.directory = mkdtempSync(path.join(parent, "mutants-"));
    for (const name of readdirSync(projectRoot)) {
      if (LEFT_OUT.has(name)) continue;
      const isCopied = (source: string): boolean => !LEFT_OUT.has(path.basename(source));
      cpSync(path.join(projectRoot, name), path.join(this.directory, name), { recursive: true, filter: isCopied });
    }
    this.#linkPackages();
  }

  /** The packages are linked one by one, because the client has to be the copy's own. */
  #linkPackages(): void {
    const packages = path.join(this.directory, "node_modules");
    mkdirSync(packages);
    for (const name of readdirSync(path.join(projectRoot, "node_modules"))) {
      const target = name === "threadkeep-client" ? "../client" : path.join(projectRoot, "node_modules", name);
      if (!name.startsWith(".") || name === ".bin") symlinkSync(target, path.join(packages, name), "dir");
    }
  }

  read(file: string): string {
    return readFileSync(path.join(this.directory, file), "utf8");
  }

  write(file: string, text: string): void {
    writeFileSync(path.join(this.directory, file), text);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
