import { requireScope } from "../access/scopes.ts";
import type { ContextRequest, RenderedContext } from "../contracts/context.ts";
import { unwrap } from "../contracts/errors.ts";
import { type Call, refOf, tenantOf } from "./call.ts";

/** What goes into the prompt, assembled in the object, next to its rows. */
export async function readContext(call: Call, sessionId: string, request: ContextRequest): Promise<RenderedContext> {
  requireScope(call.principal, "memory:read");
  return unwrap(await call.parts.sessions.get(refOf(call, sessionId)).context(request, await tenantOf(call)));
}
