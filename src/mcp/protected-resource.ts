/** `/mcp` as a protected resource of OAuth (RFC 9728): its name, and the issuers of tokens for it. */

import type { Scope } from "../api/principal.ts";

export const MCP_ROUTE = "/mcp";

/** The paths at which clients look for the metadata: below the resource's own path, and at the root. */
export const METADATA_ROUTES = [
  `/.well-known/oauth-protected-resource${MCP_ROUTE}`,
  "/.well-known/oauth-protected-resource",
] as const;

const SCOPES: readonly Scope[] = ["memory:read", "memory:write", "memory:erase"];

/** The resource that a request is for, under the host name of the request; null for other routes. */
export function resourceOf(request: Request): string | null {
  const { origin, pathname } = new URL(request.url);
  return pathname === MCP_ROUTE ? `${origin}${MCP_ROUTE}` : null;
}

export function metadataUrl(request: Request): string {
  return `${new URL(request.url).origin}${METADATA_ROUTES[0]}`;
}

/** @param issuers the issuers whose tokens are accepted */
export function describeResource(request: Request, issuers: readonly string[]) {
  return {
    resource: `${new URL(request.url).origin}${MCP_ROUTE}`,
    resource_name: "Threadkeep",
    authorization_servers: [...new Set(issuers)],
    scopes_supported: SCOPES,
    bearer_methods_supported: ["header"],
  };
}

/** The header `WWW-Authenticate` of a 401 answer: it tells a client where to find the issuers of tokens. */
export function challengeOf(request: Request): string {
  const fault = request.headers.has("Authorization") ? ', error="invalid_token"' : "";
  return `Bearer realm="threadkeep"${fault}, resource_metadata="${metadataUrl(request)}", scope="${SCOPES.join(" ")}"`;
}
