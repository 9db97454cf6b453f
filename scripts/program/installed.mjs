// Threadkeep as a package from npm. Node strips no types from files under node_modules, so the programs are laid out beside it, once for each version.
// Plain JavaScript, like run.mjs: this runs before a Node is chosen that can read TypeScript.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";

/** What tells one layout from the next: the package's version, and what else is installed. */
const MARK = "laid-out-from";

/** Is the package one that npm installed, and no clone? */
export function isInstalled(packageDirectory) {
  return path.resolve(packageDirectory).split(path.sep).includes("node_modules");
}

/**
 * Lays the package out in `directory`, with links to the packages that it needs, and leaves it alone if it is there already.
 * @param packageDirectory …/node_modules/threadkeep
 */
export function layOut(packageDirectory, directory) {
  const source = path.resolve(packageDirectory);
  const hoisted = source.slice(0, source.lastIndexOf(`${path.sep}node_modules${path.sep}`) + "/node_modules".length);
  const mark = describe(source, hoisted);
  const markFile = path.join(directory, MARK);
  if (existsSync(markFile) && readFileSync(markFile, "utf8") === mark) return;
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const name of readdirSync(source)) {
    if (name !== "node_modules") cpSync(path.join(source, name), path.join(directory, name), { recursive: true });
  }
  // A package that stands under this one is another version than the one beside it, and goes before it.
  const packages = path.join(directory, "node_modules");
  for (const folder of [path.join(source, "node_modules"), hoisted]) linkPackages(folder, packages);
  // Last, so that a layout that was broken off is made anew.
  writeFileSync(markFile, mark);
}

function describe(source, hoisted) {
  const { version } = JSON.parse(readFileSync(path.join(source, "package.json"), "utf8"));
  const lock = path.join(hoisted, ".package-lock.json");
  return `${version} ${source}\n${existsSync(lock) ? readFileSync(lock, "utf8") : ""}`;
}

function linkPackages(from, to) {
  if (!existsSync(from)) return;
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) {
    if (name.startsWith("@")) linkPackages(path.join(from, name), path.join(to, name));
    // Windows lets everyone make a junction, and not a link.
    else if (!existsSync(path.join(to, name)) && !name.startsWith(".package-lock")) {
      symlinkSync(path.join(from, name), path.join(to, name), "junction");
    }
  }
}
