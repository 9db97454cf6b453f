import type { ContextRequest } from "../contracts/context.ts";
import { unwrap } from "../contracts/errors.ts";
import { type Call, refOf, tenantOf } from "./call.ts";
import { operation } from "./operation.ts";

/**
 * What goes into the prompt, assembled in the object, next to its rows, and written there as JSON in the format asked for: text crosses
 * from the object six times as fast as the values that it stands for.
 */
export const readContextJson = operation(
  { action: "readContext", scopes: ["memory:read"], audit: "refusals" },
  async (call: Call, sessionId: string, request: ContextRequest): Promise<string> => {
    return unwrap(await call.parts.sessions.get(refOf(call, sessionId)).contextJson(request, await tenantOf(call)));
  },
);
