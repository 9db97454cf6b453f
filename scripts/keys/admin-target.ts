// Finds the service that an operator's program talks to, and the key for it.
import path from "node:path";
import { z } from "zod";
import { readJsonFile } from "../dev/files.ts";
import { LOCAL_TENANT } from "../dev/keys.ts";
import { AdminFault, type AdminTarget } from "./admin-api.ts";

/** Help text of every program that needs the admin key. */
export const ADMIN_KEY_HELP = `The admin key is read from THREADKEEP_ADMIN_KEY, else, for the service that npm start runs here, from
.threadkeep/dev.json: other users of the machine can read a command line.`;
export const JSON_HELP = "the service's answer as JSON on standard output";
export const URL_HELP = "the service; else THREADKEEP_URL, else the one that npm start runs here";

export interface TargetEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** State directory of the service that `npm start` runs here. */
  readonly stateDirectory: string;
}

const localSchema = z.object({ url: z.string(), adminKey: z.string() });

export interface NamedTarget extends AdminTarget {
  /** The tenant if no other is named; null if unknown. */
  readonly tenant: string | null;
}

/** The local admin key is sent only to the local service. */
export function adminTargetOf(named: string | undefined, { env, stateDirectory }: TargetEnvironment): NamedTarget {
  const file = path.join(stateDirectory, "dev.json");
  const parsed = localSchema.safeParse(readJsonFile(file));
  const local = parsed.success ? parsed.data : null;
  const url = named ?? env["THREADKEEP_URL"] ?? local?.url;
  if (url === undefined) {
    throw new AdminFault(
      "No service is known. Run npm start here first, or name one with --url and THREADKEEP_ADMIN_KEY.",
    );
  }
  if (!/^https?:\/\/./.test(url) || !URL.canParse(url)) {
    throw new AdminFault(
      `${url === "" ? '""' : url} is no address of a service. Give one such as https://memory.example.com.`,
    );
  }
  const isLocal = local !== null && new URL(url).origin === new URL(local.url).origin;
  const adminKey = env["THREADKEEP_ADMIN_KEY"] ?? (isLocal ? local.adminKey : undefined);
  if (adminKey === undefined || adminKey === "") {
    throw new AdminFault(
      `The admin key of ${url} is missing. Set THREADKEEP_ADMIN_KEY to the secret of that deployment.`,
    );
  }
  return { url, adminKey, tenant: env["THREADKEEP_API_TENANT"] ?? (isLocal ? LOCAL_TENANT : null) };
}
