// Finds the service that the bridge connects to, and the key for it.
import path from "node:path";
import { z } from "zod";
import { readJsonFile } from "../dev/files.ts";
import { UsageFault } from "../program/command-line.ts";

export interface BridgeTarget {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

interface Named {
  /** Address of the service, or of its `/mcp`. */
  readonly url: string | undefined;
  readonly user: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** State directory of the service that `npm start` runs here. */
  readonly stateDirectory: string;
}

const localSchema = z.object({ url: z.string(), apiKey: z.string() });

/** The local key is sent only to the local service. */
export function bridgeTarget({ url: named, user, env, stateDirectory }: Named): BridgeTarget {
  const parsed = localSchema.safeParse(readJsonFile(path.join(stateDirectory, "dev.json")));
  const local = parsed.success ? parsed.data : null;
  const text = named ?? env["THREADKEEP_URL"] ?? local?.url;
  if (text === undefined)
    throw new UsageFault("No service is known. Run npm start here first, or name one with --url.");
  if (!/^https?:\/\/./.test(text) || !URL.canParse(text)) {
    throw new UsageFault(
      `${JSON.stringify(text)} is no address of a service. Give one such as https://memory.example.`,
    );
  }
  const url = new URL(text);
  if (url.pathname === "/") url.pathname = "/mcp";
  const isLocal = local !== null && url.origin === new URL(local.url).origin;
  const key = env["THREADKEEP_API_KEY"] || (isLocal ? local.apiKey : undefined);
  if (key === undefined) throw new UsageFault(`The API key of ${url.origin} is missing. Set THREADKEEP_API_KEY.`);
  const speaksFor = user === undefined ? {} : { "threadkeep-user": user };
  return { url, headers: { authorization: `Bearer ${key}`, ...speaksFor } };
}
