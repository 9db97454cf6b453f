import { createCircuitBreaker } from "../provider/circuit-breaker.ts";
import type { Log } from "../telemetry/log.ts";
import { createSummarizerClient, type SummarizerClient, type SummarizerClientOptions } from "./client.ts";
import { extractive } from "./extractive.ts";
import { createModel, type ModelSettings } from "./models.ts";
import { pingSummarizer } from "./ping.ts";
import { createSummarizerHandler, IN_PROCESS_SUMMARIZER_URL } from "./server.ts";

/** The summarizer's part of the deployment's settings. */
export interface AgentSettings {
  /** The model behind the built-in agent. */
  readonly model: ModelSettings;
  /** Another MCP server that summarizes; null for the built-in one. */
  readonly summarizer: Pick<SummarizerClientOptions, "url" | "token" | "fetch"> | null;
  /** Time limit for one call of the summarizer, built-in or not. */
  readonly summarizerTimeoutMs: number;
}

type Handler = ReturnType<typeof createSummarizerHandler>;
type HandlerEnv = Parameters<Handler>[1];
type HandlerContext = Parameters<Handler>[2];

/** The summarizer agents, ready to be called within one invocation. */
interface AgentClients {
  readonly summarizer: SummarizerClient;
  /**
   * Makes summaries while the summarizer is unavailable; null if the summarizer is itself the extractive one, so there
   * is nothing simpler.
   */
  readonly fallback: SummarizerClient | null;
  /**
   * Rejects if the summarizer does not answer.
   * @param timeoutMs for the whole check
   */
  ping(timeoutMs: number): Promise<void>;
}

export interface Agents {
  /** The built-in agent's request handler, for the router. */
  readonly builtIn: Handler;
  clientsOf(env: HandlerEnv, ctx: HandlerContext): AgentClients;
  /** Whether the circuit breaker is open: after repeated failures the summarizer is not called for a while. */
  isResting(): boolean;
}

const NAME = "threadkeep";

export function createAgents(settings: AgentSettings, log: Log): Agents {
  const { model, summarizer: foreign, summarizerTimeoutMs: timeoutMs } = settings;
  const builtIn = createSummarizerHandler(createModel(model, timeoutMs), log);
  const fallback = createSummarizerHandler(extractive, log);
  const breaker = createCircuitBreaker({ name: "the summarizer" });
  const isExtractive = foreign === null && model.provider === "extractive";
  return {
    builtIn,
    isResting: () => breaker.isOpen(),
    clientsOf(env, ctx) {
      const within = (handler: Handler): Pick<SummarizerClientOptions, "url" | "fetch"> => ({
        url: IN_PROCESS_SUMMARIZER_URL,
        fetch: async (request) => handler(request, env, ctx),
      });
      const asked = { name: NAME, ...(foreign ?? within(builtIn)) };
      const client = createSummarizerClient({ ...asked, timeoutMs });
      return {
        summarizer: {
          summarize: (request, signal, trace) => breaker.run(() => client.summarize(request, signal, trace), signal),
        },
        fallback: isExtractive ? null : createSummarizerClient({ name: NAME, timeoutMs, ...within(fallback) }),
        ping: (pingTimeoutMs) => pingSummarizer({ ...asked, timeoutMs: pingTimeoutMs }),
      };
    },
  };
}
