import type { Log } from "../telemetry/log.ts";
import { createCircuitBreaker } from "./circuit-breaker.ts";
import { createSummarizerClient, type SummarizerClient, type SummarizerClientOptions } from "./client.ts";
import { extractive } from "./extractive.ts";
import { createModel, type ModelSettings } from "./models.ts";
import { pingSummarizer } from "./ping.ts";
import { createSummarizerHandler, IN_PROCESS_SUMMARIZER_URL } from "./server.ts";

/** What the deployment is set to. */
export interface AgentSettings {
  /** Behind the built-in agent. */
  readonly model: ModelSettings;
  /** Another MCP server that summarizes; null for the built-in one. */
  readonly summarizer: Pick<SummarizerClientOptions, "url" | "token" | "fetch"> | null;
  /** For one call of a summarizer, whichever it is. */
  readonly summarizerTimeoutMs: number;
}

type Handler = ReturnType<typeof createSummarizerHandler>;
type HandlerEnv = Parameters<Handler>[1];
type HandlerContext = Parameters<Handler>[2];

/** The agents that summarize, as an invocation reaches them. */
export interface AgentClients {
  readonly summarizer: SummarizerClient;
  /** Serves where the summarizer is away; null where nothing less would be left. */
  readonly fallback: SummarizerClient | null;
  /** Rejects if the summarizer is away. @param timeoutMs for all of it */
  ping(timeoutMs: number): Promise<void>;
}

export interface Agents {
  /** The built-in one, for whoever routes to it. */
  readonly builtIn: Handler;
  clientsOf(env: HandlerEnv, ctx: HandlerContext): AgentClients;
  /** Whether the summarizer is left alone after failures. */
  isResting(): boolean;
}

const NAME = "threadkeep";

export function createAgents(settings: AgentSettings, log: Log): Agents {
  const { model, summarizer: foreign, summarizerTimeoutMs: timeoutMs } = settings;
  const builtIn = createSummarizerHandler(createModel(model, timeoutMs), log);
  const fallback = createSummarizerHandler(extractive, log);
  const breaker = createCircuitBreaker();
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
      return {
        summarizer: breaker.guard(createSummarizerClient({ ...asked, timeoutMs })),
        fallback: isExtractive ? null : createSummarizerClient({ name: NAME, timeoutMs, ...within(fallback) }),
        ping: (pingTimeoutMs) => pingSummarizer({ ...asked, timeoutMs: pingTimeoutMs }),
      };
    },
  };
}
