import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { StartError } from "./start-error.ts";

/** PostgreSQL refuses to run as root, so root runs it as another user; everybody else runs it as themselves. */
export interface PostgresUser {
  uid: number;
  gid: number;
}

/** Null: run it as the current user. */
export function choosePostgresUser(dataDirectory: string, projectDirectory: string): PostgresUser | null {
  if (process.getuid?.() !== 0) return null;
  // The owner of the data must run it; and the owner of the checkout can certainly read it.
  for (const place of [dataDirectory, projectDirectory]) {
    const owner = existsSync(place) ? statSync(place) : null;
    if (owner !== null && owner.uid !== 0 && hasAccount(String(owner.uid))) return { uid: owner.uid, gid: owner.gid };
  }
  for (const name of ["postgres", "_postgres", "nobody"]) {
    if (hasAccount(name)) return { uid: idOf("-u", name), gid: idOf("-g", name) };
  }
  throw new StartError(
    "PostgreSQL does not run as root, and this machine has neither a user postgres nor nobody to run it as.\n" +
      "Make one (useradd --system postgres), run npm start as an ordinary user, or pass DATABASE_URL=postgres://…",
  );
}

/** Whether that user may enter the folders, or the nearest existing parents, and execute the files. */
export function canReach(user: PostgresUser, directories: string[], files: string[]): boolean {
  const places = [...directories.map(nearestExisting), ...files];
  const test = spawnSync("/bin/sh", ["-c", 'for place; do test -x "$place" || exit 1; done', "sh", ...places], {
    uid: user.uid,
    gid: user.gid,
    cwd: "/",
    stdio: "ignore",
  });
  return test.status === 0;
}

function nearestExisting(directory: string): string {
  return existsSync(directory) ? directory : nearestExisting(path.dirname(directory));
}

function hasAccount(name: string): boolean {
  return spawnSync("id", ["-u", name], { stdio: "ignore" }).status === 0;
}

function idOf(flag: "-u" | "-g", name: string): number {
  return Number(execFileSync("id", [flag, name], { encoding: "utf8" }).trim());
}
