/** Audits failed authentications and rate-limited requests, which never reach a use case. */

import { ThreadkeepError } from "../api/errors.ts";
import { TENANT_OWNER } from "../api/session.ts";
import type { AuditTrail } from "../telemetry/audit.ts";
import { coarseNetwork } from "../telemetry/coarse-network.ts";
import type { Authenticator } from "./authenticate.ts";
import type { LimitRequests } from "./rate-limit.ts";

/** Cloudflare overwrites this header on each request, so a caller cannot forge it. */
const ADDRESS_HEADER = "CF-Connecting-IP";

/** Wraps an authenticator so that its refusals are audited. Of an unauthenticated caller only the network is known. */
export function auditFailedAuthentication(authenticate: Authenticator, audit: AuditTrail): Authenticator {
  return async (request) => {
    try {
      return await authenticate(request);
    } catch (error) {
      if (error instanceof ThreadkeepError) {
        audit.refuse({
          tenant: null,
          owner: TENANT_OWNER,
          actor: { kind: "unauthenticated", id: "unauthenticated" },
          session: null,
          action: "authenticate",
          result: error.fault.code,
          requestId: null,
          from: coarseNetwork(request.headers.get(ADDRESS_HEADER)),
        });
      }
      throw error;
    }
  };
}

/** Wraps a rate limit so that its refusals are audited. */
export function auditRefusedRequests(limit: LimitRequests, audit: AuditTrail): LimitRequests {
  return async (principal) => {
    try {
      await limit(principal);
    } catch (error) {
      if (error instanceof ThreadkeepError) {
        const { tenant, owner, kind, id } = principal;
        const actor = { kind, id };
        const result = error.fault.code;
        audit.refuse({
          tenant,
          owner,
          actor,
          session: null,
          action: "sendRequests",
          result,
          requestId: null,
          from: null,
        });
      }
      throw error;
    }
  };
}
