// Finds the service that a program of a tenant talks to, and the API key for it.
import { userIdSchema } from "../../src/api/session.ts";
import { readLocalService } from "../api.ts";
import { UsageFault } from "./command-line.ts";

export const SERVICE_URL_HELP = "the service (default: THREADKEEP_URL, else the one that npm start runs here)";
export const SERVICE_KEY_HELP =
  "an API key; else THREADKEEP_API_KEY, else that of .threadkeep/dev.json. Other users of the machine can read a command line: prefer the variable";

/** What the command line names. */
export interface NamedService {
  readonly url: string | undefined;
  readonly key: string | undefined;
  readonly user: string | undefined;
}

export interface ServiceEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where npm start of this checkout writes dev.json. */
  readonly stateDirectory: string;
}

export interface Service {
  readonly url: string;
  readonly key: string;
}

/** @throws {UsageFault} if no service or no key is known, or if one of them or the user's id is invalid */
export function findService(named: NamedService, { env, stateDirectory }: ServiceEnvironment): Service {
  const local = readLocalService(stateDirectory);
  const url = named.url ?? env["THREADKEEP_URL"] ?? local?.url;
  // The local service's key is sent only to the local service.
  const localKey = url === local?.url ? local?.apiKey : undefined;
  const key = named.key ?? env["THREADKEEP_API_KEY"] ?? localKey;
  if (url === undefined) {
    throw new UsageFault(
      "No service is running here: start one with npm start, or name one with --url and THREADKEEP_API_KEY",
    );
  }
  if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) throw new UsageFault(`${url} is not an http or https URL`);
  if (key === undefined) throw new UsageFault(`No API key for ${url}: set THREADKEEP_API_KEY, or give --key`);
  // A header cannot contain such characters, and the error would look like one of the network.
  if (!/^[\u0020-\u007e]+$/.test(key)) throw new UsageFault("The API key holds characters that no key has");
  const user = userIdSchema.optional().safeParse(named.user);
  if (!user.success) throw new UsageFault(`--user ${user.error.issues[0]?.message ?? "is not valid"}`);
  return { url, key };
}
