import type { Call } from "./call.ts";
import { operation } from "./operation.ts";

/** Asks the summarizer's MCP server from outside. It is for operators alone: behind it is a model that no tenant's budget counts. */
export const askAgent = operation(
  {
    action: "askSummarizer",
    scopes: ["admin"],
    audit: "each",
    isSessionless: true,
    tell: (_answered, _answer) => ({ tenant: null }),
  },
  (_call: Call, answer: () => Promise<Response>): Promise<Response> => answer(),
);
