/** Memory for agents, over MCP: Streamable HTTP without sessions, for clients of 2026-07-28 and of 2025. */

import type { AuthInfo } from "@modelcontextprotocol/server";
import { createMcpHandler } from "agents/mcp/server";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { traceIdOf } from "../telemetry/trace.ts";
import type { RequestContext } from "../usecases/request-context.ts";
import { MCP_ROUTE, metadataUrl } from "./protected-resource.ts";
import { createToolServer, type OnFault } from "./tool-server.ts";

/** A request whose sender is known. */
export interface McpRequest {
  readonly call: RequestContext;
  readonly request: Request;
  /** What of it was read already: its JSON. */
  readonly body: unknown;
  readonly onFault: OnFault;
}

export type McpSurface = (asked: McpRequest) => Promise<Response>;

export function createMcpSurface(log: Log): McpSurface {
  const asked = new WeakMap<Request, McpRequest>();
  const handler = createMcpHandler(
    ({ requestInfo }) => {
      const from = requestInfo === undefined ? undefined : asked.get(requestInfo);
      if (from === undefined) throw new Error("a request for MCP came past its surface");
      return createToolServer(from.call, logged(from, log));
    },
    {
      route: MCP_ROUTE,
      // The gate in front answers browsers, by the origins that the deployment lists.
      corsOptions: false,
      allowedOriginHostnames: "*",
      onerror: (error) => log.warn("mcp_refused", errorFields(error)),
    },
  );
  return (from) => {
    asked.set(from.request, from);
    const { principal } = from.call;
    // Nothing of it is believed again: it says where a client that lacks a scope learns whom to ask for it.
    const authInfo: AuthInfo = {
      token: "",
      clientId: principal.id,
      scopes: [...principal.scopes],
      resourceMetadataUrl: metadataUrl(from.request),
    };
    return handler.fetch(from.request, { parsedBody: from.body ?? null, authInfo });
  };
}

function logged({ call, onFault }: McpRequest, log: Log): OnFault {
  return (fault, thrown) => {
    onFault(fault, thrown);
    if (fault.code !== "internal") return;
    log.error("mcp_failed", {
      requestId: call.requestId,
      traceId: traceIdOf(call.trace),
      ...errorFields(thrown),
    });
  };
}
