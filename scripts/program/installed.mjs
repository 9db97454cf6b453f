// Threadkeep as an npm package. Node does not strip types from files under node_modules, so the programs are copied
// elsewhere, once per version. Plain JavaScript like run.mjs, because it runs before a Node is chosen that understands
// TypeScript.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";

/** File that identifies what a copy was made from: the package's version, and the installed packages. */
const MARK = "laid-out-from";

/** Whether the package was installed with npm, in contrast to a clone. */
export function isInstalled(packageDirectory) {
  return path.resolve(packageDirectory).split(path.sep).includes("node_modules");
}

/**
 * Copies the package into `directory`, with links to the packages that it needs, unless it is there already.
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
  // A package inside this one has another version than the one beside it, and takes precedence.
  const packages = path.join(directory, "node_modules");
  for (const folder of [path.join(source, "node_modules"), hoisted]) linkPackages(folder, packages);
  // Written last, so that an interrupted copy is made again.
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
    // On Windows everybody may create junctions, but not symbolic links.
    else if (!existsSync(path.join(to, name)) && !name.startsWith(".package-lock")) {
      symlinkSync(path.join(from, name), path.join(to, name), "junction");
    }
  }
}
