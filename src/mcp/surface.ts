/** The MCP server for agents: stateless Streamable HTTP, for clients of the protocol versions 2026-07-28 and 2025. */

import type { AuthInfo } from "@modelcontextprotocol/server";
import { createMcpHandler } from "agents/mcp/server";
import type { Log } from "../telemetry/log.ts";
import { errorFields } from "../telemetry/redact.ts";
import { traceIdOf } from "../telemetry/trace.ts";
import type { RequestContext } from "../usecases/request-context.ts";
import { MCP_ROUTE, metadataUrl } from "./protected-resource.ts";
import { createToolServer, type OnFault } from "./tool-server.ts";

/** An authenticated request. */
interface McpRequest {
  readonly call: RequestContext;
  readonly request: Request;
  /** The parsed body, because the stream was read already. */
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
      // CORS is handled by our own middleware, with the origins that the deployment lists.
      corsOptions: false,
      allowedOriginHostnames: "*",
      onerror: (error) => log.warn("mcp_refused", errorFields(error)),
    },
  );
  return (from) => {
    asked.set(from.request, from);
    const { principal } = from.call;
    // The caller is authenticated already, so no token is passed on. The SDK uses this only to tell a client that lacks
    // a scope where to find the metadata.
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
