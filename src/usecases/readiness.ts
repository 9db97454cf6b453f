import type { Readiness } from "../api/health.ts";
import { TENANT_OWNER } from "../api/session.ts";
import { type CountedQueues, readWholeBacklog } from "../telemetry/backlog.ts";
import { checkReadiness, type HealthProbes, withoutDetails } from "./health.ts";
import type { Deps } from "./request-context.ts";
import { cacheSingleFlight } from "./single-flight-cache.ts";

/**
 * A session object that is never written to, so reading it leaves nothing behind. No tenant can have an empty name.
 */
const CANARY = { tenant: "", owner: TENANT_OWNER, session: "readyz" };
/** How long a result is reused, in ms, so that several monitors that ask every second cause one check. */
const KEPT_MS = 3_000;
/**
 * How long the result of pinging the summarizer is reused, in ms: it may be on another host, and every isolate pings
 * it.
 */
const AGENT_KEPT_MS = 30_000;
/** The same for an unreachable summarizer: shorter, so that its recovery is noticed soon. */
const AWAY_AGENT_KEPT_MS = 5_000;
/** The timeout of a ping, in ms. */
const PING_TIMEOUT_MS = 2_000;

/** `C`: the context of an invocation, through which the built-in summarizer is reached. */
export interface ReadinessDeps<C> {
  readonly parts: Pick<Deps, "sessions" | "operations" | "pingArchive">;
  readonly queues: CountedQueues;
  readonly pingSummarizer: (timeoutMs: number, context: C) => Promise<void>;
  readonly isSummarizerResting: () => boolean;
  readonly isAdmin: (request: Request) => Promise<boolean>;
  readonly keepAlive: (work: Promise<unknown>) => void;
}

export interface ReadinessCheck<C> {
  /** The last result, without the details that the sender of this request may not see. Never rejects. */
  answer(request: Request, context: C): Promise<Readiness>;
  /** Checks all components now. */
  check(context: C): Promise<Readiness>;
}

/** Creates the health checks of the deployment. Only one check runs at a time, however many ask. */
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
  // A result `down` is not reused: reporting the recovery without delay is worth another check.
  const kept = cacheSingleFlight(checkSeldom, { keepMs: ({ status }) => (status === "down" ? 0 : KEPT_MS), keepAlive });
  return {
    check: (context) => checkReadiness(probesOf(pingNow, context)),
    async answer(request, context) {
      const readiness = await kept(context);
      return (await isAdmin(request)) ? readiness : withoutDetails(readiness);
    },
  };
}
