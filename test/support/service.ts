import { inject, onTestFinished } from "vitest";
import { type Service, type ServiceOptions, startService } from "../../scripts/dev/service.ts";
import { copyState } from "./copy-state.ts";
import type { ProvidedService } from "./provided.ts";
import { makeTemporaryDirectory, removeDirectory } from "./temporary-directory.ts";

/** Runs something when a test is over. */
export type FinishHook = (body: () => Promise<void> | void) => void;

/** The service that all system tests share. Tests that stop or kill something use `startOwnService`. */
export function sharedService(): ProvidedService {
  return inject("service");
}

/** A data directory for services that a test starts one after the other; whoever creates it removes it. */
export function makeStateDirectory(): string {
  return copyState(inject("preparedState"));
}

/**
 * A service of the test's own, on a free port, with its own state, stopped and removed when the test ends. Given `stateDir`, it
 * continues on that one's data, and whoever made the folder removes it. Call it inside a test, not in a hook; a test that runs
 * beside others gives the hook of its own context.
 */
export async function startOwnService(
  options: Partial<ServiceOptions> = {},
  onFinished: FinishHook = onTestFinished,
): Promise<Service> {
  const makeDirectory = options.databaseUrl === undefined ? makeStateDirectory : makeTemporaryDirectory;
  const stateDir = options.stateDir ?? makeDirectory();
  if (options.stateDir === undefined) onFinished(() => removeDirectory(stateDir));
  const service = await startService({ bundleDir: inject("bundleDir"), ...options, stateDir });
  onFinished(() => service.stop());
  return service;
}

export interface Answer<Body> {
  status: number;
  headers: Headers;
  /** The parsed body, or null if it is empty or not JSON. Its type is what the test expects; nothing checks it here. */
  body: Body;
  /** The body as it came. */
  text: string;
}

export interface CallOptions {
  /** Sent as JSON, except a string or bytes, which are sent unchanged. */
  body?: unknown;
  headers?: Record<string, string>;
  /** Default: the service's API key. Null: no Authorization header. */
  key?: string | null;
}

/** One HTTP request to a running service, from the outside: `await call(service, "GET", "/v1/sessions")`. */
export async function call<Body = unknown>(
  service: Pick<ProvidedService, "url" | "apiKey">,
  method: string,
  pathAndQuery: string,
  { body, headers = {}, key = service.apiKey }: CallOptions = {},
): Promise<Answer<Body>> {
  const isRaw = typeof body === "string" || body instanceof Uint8Array;
  const response = await fetch(`${service.url}${pathAndQuery}`, {
    method,
    redirect: "manual",
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: isRaw ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: parseJson(text) as Body };
}

/** Checks are often requests, and many tests wait at once, so the pauses between checks grow. */
const FIRST_PAUSE_MS = 25;
const LONGEST_PAUSE_MS = 300;

/** Repeats `check` until it returns something other than undefined; fails with `what` after `timeoutMs`. */
export async function eventually<Result>(
  what: string,
  check: () => Promise<Result | undefined> | Result | undefined,
  timeoutMs = 60_000,
): Promise<Result> {
  const deadline = Date.now() + timeoutMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 1.3, LONGEST_PAUSE_MS)) {
    const result = await check();
    if (result !== undefined) return result;
    if (Date.now() > deadline) throw new Error(`Waited ${timeoutMs} ms in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // Some answers are text.
  }
}
