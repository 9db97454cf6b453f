import { TENANT_OWNER } from "../contracts/session.ts";
import type { Parts } from "./call.ts";

export interface ComponentHealth {
  readonly status: "ok" | "degraded" | "down";
  readonly latencyMs: number;
  readonly detail?: string;
}

export interface Readiness {
  /** `degraded`: appends and contexts are served, something behind them is not. `down`: they are not. */
  readonly status: "ok" | "degraded" | "down";
  readonly components: Readonly<Record<string, ComponentHealth>>;
}

/** A component that takes longer counts as away. */
const CHECK_TIMEOUT_MS = 2_000;
/** An object that is never written to: reading it leaves no trace. The name cannot be that of a tenant. */
const CANARY = { tenant: "", owner: TENANT_OWNER, session: "readyz" };

async function check(body: () => Promise<unknown>, whenAway: "degraded" | "down"): Promise<ComponentHealth> {
  const startedAt = Date.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await Promise.race([
      body(),
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`)), CHECK_TIMEOUT_MS);
      }),
    ]);
    return { status: "ok", latencyMs: Date.now() - startedAt };
  } catch (error) {
    const detail = error instanceof Error && error.message.startsWith("no answer") ? error.message : "unreachable";
    return { status: whenAway, latencyMs: Date.now() - startedAt, detail };
  } finally {
    clearTimeout(timer);
  }
}

/** Looks at each component the service is made of. Without PostgreSQL the hot memory serves on, so that is `degraded`. */
export async function readiness(parts: Parts): Promise<Readiness> {
  const [sessions, operations, postgres] = await Promise.all([
    check(() => parts.sessions.get(CANARY).state(), "down"),
    check(() => parts.operations.count(), "degraded"),
    check(parts.pingArchive, "degraded"),
  ]);
  const components = { sessions, operations, postgres };
  const statuses = new Set(Object.values(components).map((component) => component.status));
  const status = statuses.has("down") ? "down" : statuses.has("degraded") ? "degraded" : "ok";
  return { status, components };
}
