import type { RequestContext } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/**
 * Sends a request to the summarizer's MCP server from outside the service. It has a scope of its own, because no
 * tenant's budget counts what its model uses: the administrator has this scope, and keys to which the administrator
 * gives it.
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
