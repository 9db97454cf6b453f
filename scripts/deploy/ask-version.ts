// Asks one version of a deployed Worker whether it is ready, whichever version gets the traffic.
import { setTimeout as sleep } from "node:timers/promises";

const VERSION_HEADER = "threadkeep-version";
const TIMEOUT_MS = 10_000;
const PAUSE_MS = 2_000;

export interface VersionHealth {
  /** Null if another version answered, or none. */
  readonly isReady: boolean | null;
  /** What is wrong, one line each; if `isReady`, what it can do without for a while. */
  readonly faults: readonly string[];
}

/**
 * It takes Cloudflare a few seconds to distribute a version, so it is asked repeatedly until it answers itself or the
 * time is up.
 *
 * @param url address of the deployment
 * @param worker name of the Worker, by which Cloudflare finds the version
 * @param patienceMs how long to wait while another version answers, or none
 */
export async function askVersion(
  url: string,
  worker: string,
  version: string,
  patienceMs = 90_000,
): Promise<VersionHealth> {
  const deadline = Date.now() + patienceMs;
  let health = await askOnce(url, worker, version);
  while (health.isReady === null && Date.now() < deadline) {
    await sleep(Math.min(PAUSE_MS, patienceMs));
    health = await askOnce(url, worker, version);
  }
  return health;
}

async function askOnce(url: string, worker: string, version: string): Promise<VersionHealth> {
  try {
    const answer = await fetch(new URL("/readyz", url), {
      headers: { "cloudflare-workers-version-overrides": `${worker}="${version}"` },
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const text = await answer.text();
    const answering = answer.headers.get(VERSION_HEADER);
    if (answering !== version) {
      const who = answering === null ? "something that tells no version" : `version ${answering}`;
      return { isReady: null, faults: [`${url} is answered by ${who} (status ${answer.status})`] };
    }
    return { isReady: answer.ok, faults: faultsOf(text) };
  } catch (error) {
    return {
      isReady: null,
      faults: [`${url} does not answer: ${error instanceof Error ? error.message : String(error)}`],
    };
  }
}

/** Faults of its configuration, and components that are not well. */
function faultsOf(text: string): string[] {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return [`it answers with no JSON: ${text.slice(0, 200)}`];
  }
  if (typeof answer !== "object" || answer === null) return [];
  const faults = "faults" in answer && Array.isArray(answer.faults) ? answer.faults.map(String) : [];
  const components = "components" in answer && typeof answer.components === "object" ? answer.components : null;
  const unwell = Object.entries(components ?? {}).flatMap(([name, component]) => {
    const status: unknown = typeof component === "object" && component !== null ? component.status : component;
    return status === "ok" ? [] : [`${name} is ${String(status)}`];
  });
  return [...faults, ...unwell];
}
