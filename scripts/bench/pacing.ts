// When a request of a load is due, and on which session.
// The schedule is fixed beforehand and waits for nobody: latency is counted from the intended start, so that a service that
// stalls is charged for every request that it held up ("coordinated omission", Gil Tene, "How NOT to Measure Latency").

export type LoadKind = "append" | "context";

export interface LoadPlan {
  readonly sessions: number;
  readonly seconds: number;
  /** Requests a second, over all sessions. */
  readonly rate: number;
}

export interface PlannedRequest {
  readonly dueMs: number;
  readonly session: number;
  readonly kind: LoadKind;
}

export function plannedCount({ seconds, rate }: LoadPlan): number {
  return Math.floor(seconds * rate);
}

/**
 * The request at `index`: even gaps, sessions in turn. Each session appends and reads its context in turn; every second one
 * begins with a read, so that both kinds run side by side all the time.
 */
export function plannedRequest(plan: LoadPlan, index: number): PlannedRequest {
  const session = index % plan.sessions;
  const turn = Math.floor(index / plan.sessions);
  return {
    dueMs: (index * 1_000) / plan.rate,
    session,
    kind: (turn + session) % 2 === 0 ? "append" : "context",
  };
}

/** How many of the requests are due at `elapsedMs` after the start. */
export function dueCount(plan: LoadPlan, elapsedMs: number): number {
  if (elapsedMs < 0) return 0;
  return Math.min(plannedCount(plan), Math.floor((elapsedMs * plan.rate) / 1_000) + 1);
}
