import type { ContextRequest } from "../api/context.ts";
import { unwrap } from "../api/errors.ts";
import { meaningOfQuery } from "./asked-meaning.ts";
import { type RequestContext, refOf, tenantOf } from "./request-context.ts";
import { useCase } from "./use-case.ts";

/**
 * The context for a prompt, as JSON in the requested format. The session's object assembles and serializes it next to
 * its rows, because RPC carries a string six times as fast as the objects that it stands for.
 */
export const readContextJson = useCase(
  { action: "readContext" },
  async (call: RequestContext, sessionId: string, request: ContextRequest): Promise<string> => {
    const ref = refOf(call, sessionId);
    const [tenant, meaning] = await Promise.all([tenantOf(call), meaningOfQuery(call, sessionId, request.query)]);
    return unwrap(await call.parts.sessions.get(ref).contextJson(request, tenant, meaning));
  },
);
