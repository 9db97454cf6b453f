import type { Readiness } from "../api/health.ts";
import { TENANT_OWNER } from "../api/session.ts";
import { type CountedQueues, readWholeBacklog } from "../telemetry/backlog.ts";
import { checkReadiness, type HealthProbes, withoutDetails } from "./health.ts";
import type { Deps } from "./request-context.ts";
import { cacheSingleFlight } from "./single-flight-cache.ts";

/** An object that is never written to: reading it leaves no trace. The name cannot be that of a tenant. */
const CANARY = { tenant: "", owner: TENANT_OWNER, session: "readyz" };
/** A probe every second by several watchers costs one look in this time. */
const KEPT_MS = 3_000;
/** An agent on another host is asked by every isolate. */
const AGENT_KEPT_MS = 30_000;
/** One that was away is asked sooner, so that it is not taken for away for long after it is back. */
const AWAY_AGENT_KEPT_MS = 5_000;
/** A ping that takes longer is given up. */
const PING_TIMEOUT_MS = 2_000;

/** `C`: what an invocation reaches the agent within this Worker by. */
export interface ReadinessDeps<C> {
  readonly parts: Pick<Deps, "sessions" | "operations" | "pingArchive">;
  readonly queues: CountedQueues;
  readonly pingSummarizer: (timeoutMs: number, context: C) => Promise<void>;
  readonly isSummarizerResting: () => boolean;
  readonly isAdmin: (request: Request) => Promise<boolean>;
  readonly keepAlive: (work: Promise<unknown>) => void;
}

export interface ReadinessCheck<C> {
  /** What may be told to whoever sends a request. Never rejects. */
  answer(request: Request, context: C): Promise<Readiness>;
  /** Looks anew. */
  check(context: C): Promise<Readiness>;
}

/** Reads the health of the deployment, one look at a time, however many ask. */
export function createReadiness<C>(options: ReadinessDeps<C>): ReadinessCheck<C> {
  const { parts, queues, keepAlive, isAdmin } = options;
  const pingNow = (context: C): Promise<boolean> =>
    options.pingSummarizer(PING_TIMEOUT_MS, context).then(
      () => true,
      () => false,
    );
  const pingSeldom = cacheSingleFlight(pingNow, {
    keepMs: (isThere) => (isThere ? AGENT_KEPT_MS : AWAY_AGENT_KEPT_MS),
    keepAlive,
  });
  const probesOf = (isAgentThere: typeof pingNow, context: C): HealthProbes => ({
    readCanary: () => parts.sessions.get(CANARY).state(),
    readOperations: () => parts.operations.readHealth(),
    pingArchive: parts.pingArchive,
    readQueues: () => readWholeBacklog(queues),
    pingSummarizer: async () => {
      if (!(await isAgentThere(context))) throw new Error("the agent did not answer");
    },
    isSummarizerResting: options.isSummarizerResting,
  });
  const checkSeldom = (context: C): Promise<Readiness> => checkReadiness(probesOf(pingSeldom, context));
  // What cannot serve is looked at each time: the first moment it can again is worth more than a look.
  const kept = cacheSingleFlight(checkSeldom, { keepMs: ({ status }) => (status === "down" ? 0 : KEPT_MS), keepAlive });
  return {
    check: (context) => checkReadiness(probesOf(pingNow, context)),
    async answer(request, context) {
      const readiness = await kept(context);
      return (await isAdmin(request)) ? readiness : withoutDetails(readiness);
    },
  };
}
