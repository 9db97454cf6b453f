// The measured service: either one that the benchmark starts, with data that it deletes afterwards, or one that is running already.
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { z } from "zod";
import { signUserToken } from "../../scripts/dev/issuer.ts";
import { LOCAL_TENANT } from "../../scripts/dev/keys.ts";
import { statePaths } from "../../scripts/dev/paths.ts";
import { type ServiceOptions, startService } from "../../scripts/dev/service.ts";
import { bundleWorker } from "../../scripts/dev/worker-bundle.ts";
import type { BenchClient, Target } from "./client.ts";
import type { NamedTarget } from "./options.ts";

export interface Host extends Target {
  readonly isOwn: boolean;
  /** Null if no key can be created there. */
  readonly adminKey: string | null;
  /** A token of a user that the service accepts; null if none can be signed for it. */
  readonly userToken: string | null;
  /** The tenant that the API key belongs to. */
  readonly tenant: string;
  /** Undefined if the service was not started here, so that its process cannot be looked into. */
  readonly databaseUrl: string | undefined;
  /** The file with the key that signs tokens for its users. */
  readonly issuerKey: string | undefined;
  readonly runtimePid: number | undefined;
  /** Resolves with the reason if the service ends before it is told to. */
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

/** A folder for this run alone. It is open to all: if this program runs as root, PostgreSQL runs as another user and needs access. */
export function makeRunDirectory(): string {
  const directory = mkdtempSync(path.join(tmpdir(), "threadkeep-bench-"));
  chmodSync(directory, 0o755);
  return directory;
}

export function removeRunDirectory(directory: string): void {
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
}

export async function makeBundle(directory: string, signal: AbortSignal): Promise<string> {
  const bundleDirectory = path.join(directory, "bundle");
  await bundleWorker(bundleDirectory, { signal });
  return bundleDirectory;
}

/**
 * @param env variables for the Worker; they override those of wrangler.toml
 * @param more how much memory the service may use, and which PostgreSQL it uses instead of its own
 */
export async function startOwnHost(
  directory: string,
  bundleDir: string,
  signal: AbortSignal,
  env: Record<string, string> = {},
  more: Pick<ServiceOptions, "heapMiB" | "databaseUrl"> = {},
): Promise<Host> {
  const stateDir = mkdtempSync(path.join(directory, "state-"));
  const service = await startService({ stateDir, bundleDir, env, signal, ...more });
  const { url, apiKey, adminKey, databaseUrl, failed, pids } = service;
  const runtimePid = pids["runtime"];
  const stop = (): Promise<void> => service.stop();
  const tenant = LOCAL_TENANT;
  const { issuerKey } = statePaths(stateDir);
  const userToken = await signUserToken(issuerKey, { user: "bench" });
  return {
    url,
    apiKey,
    adminKey,
    userToken,
    tenant,
    isOwn: true,
    databaseUrl,
    issuerKey,
    runtimePid,
    failed,
    stop,
  };
}

export function namedHost(target: NamedTarget): Host {
  return {
    ...target,
    isOwn: false,
    userToken: null,
    databaseUrl: undefined,
    issuerKey: undefined,
    runtimePid: undefined,
    failed: new Promise(() => undefined),
    stop: async () => undefined,
  };
}

const schemaSchema = z.object({
  $ref: z.string().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
});

const documentSchema = z.object({
  paths: z.record(
    z.string(),
    z.object({
      post: z
        .object({
          requestBody: z.object({ content: z.record(z.string(), z.object({ schema: schemaSchema })) }).optional(),
        })
        .optional(),
    }),
  ),
  components: z.object({ schemas: z.record(z.string(), schemaSchema) }),
});

const SCHEMAS = "#/components/schemas/";

/** Whether contexts of this service take a query, according to its OpenAPI document. */
export async function takesQuery(client: BenchClient): Promise<boolean> {
  const { body } = await client.send("GET", "/openapi.json", null, [200]);
  return describesQuery(JSON.parse(body.toString("utf8")));
}

/**
 * Whether the body of `POST …/context` has a `query` in this OpenAPI document.
 * @internal Documents of earlier versions are given to it by a test.
 */
export function describesQuery(document: unknown): boolean {
  const { paths, components } = documentSchema.parse(document);
  const content = paths["/v1/sessions/{sessionId}/context"]?.post?.requestBody?.content ?? {};
  const schema = content["application/json"]?.schema;
  const named = schema?.$ref === undefined ? schema : components.schemas[schema.$ref.replace(SCHEMAS, "")];
  return named?.properties?.["query"] !== undefined;
}
