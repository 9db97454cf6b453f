import type { RequestContext } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/**
 * Asks the summarizer's MCP server from outside. It has a scope of its own, because behind it is a model that no tenant's budget counts:
 * the administrator has it, and the keys that the administrator gives it to.
 */
export const askAgent = useCase(
  {
    action: "askSummarizer",
    isSessionless: true,
    tell: ({ tenant }) => ({ tenant }),
  },
  async ({ principal }: RequestContext, answer: () => Promise<Response>) => ({
    response: await answer(),
    tenant: principal.kind === "admin" ? null : principal.tenant,
  }),
);
