import type { ThreadkeepBinding } from "threadkeep-client";
import type { ChatAgent, RecallAgent } from "./src/index.ts";

declare global {
  /** What wrangler.toml binds, where `Agent` looks for it. */
  namespace Cloudflare {
    interface Env {
      readonly MEMORY: ThreadkeepBinding;
      readonly CHAT_AGENT: DurableObjectNamespace<ChatAgent>;
      readonly RECALL_AGENT: DurableObjectNamespace<RecallAgent>;
      /** Of the service, for the Agent that has its memory over MCP. */
      readonly THREADKEEP_URL: string;
      readonly THREADKEEP_API_KEY: string;
      /** Of a server with Chat Completions; empty: none. */
      readonly MODEL_BASE_URL: string;
      readonly MODEL: string;
      readonly MODEL_KEY?: string;
    }
  }
}
