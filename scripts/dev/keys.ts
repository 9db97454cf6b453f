import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readJsonFile, writePrivateFile } from "./files.ts";
import { StartError } from "./start-error.ts";

/** The tenant of the local keys. */
export const LOCAL_TENANT = "local";

export interface LocalKeys {
  apiKey: string;
  adminKey: string;
  postgresPassword: string;
  workerPassword: string;
}

/** Generated once and kept, so that they remain valid after a restart. */
export function loadKeys(file: string): LocalKeys {
  const existing = readJsonFile(file);
  if (isKeys(existing)) return existing;
  if (existsSync(file)) {
    throw new StartError(`${file} is damaged. Delete its folder to begin anew, or put the file back from a copy.`);
  }
  const keys: LocalKeys = {
    apiKey: `tk_local_${randomSecret()}`,
    adminKey: `tk_admin_${randomSecret()}`,
    postgresPassword: randomSecret(),
    workerPassword: randomSecret(),
  };
  writePrivateFile(file, `${JSON.stringify(keys, null, 2)}\n`);
  return keys;
}

function randomSecret(): string {
  return randomBytes(24).toString("base64url");
}

function isKeys(value: unknown): value is LocalKeys {
  const names = ["apiKey", "adminKey", "postgresPassword", "workerPassword"];
  return (
    typeof value === "object" &&
    value !== null &&
    names.every((name) => name in value && typeof Object.entries(value).find(([key]) => key === name)?.[1] === "string")
  );
}
