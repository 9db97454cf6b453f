import type { ThreadkeepBinding } from "threadkeep-client";
import type { ChatAgent } from "./src/index.ts";

declare global {
  /** What wrangler.toml binds, where `Agent` looks for it. */
  namespace Cloudflare {
    interface Env {
      readonly MEMORY: ThreadkeepBinding;
      readonly CHAT_AGENT: DurableObjectNamespace<ChatAgent>;
      /** Of a server with Chat Completions; empty: none. */
      readonly MODEL_BASE_URL: string;
      readonly MODEL: string;
      readonly MODEL_KEY?: string;
    }
  }
}
