import type { Jurisdiction } from "../api/tenant.ts";
import type { Log } from "../telemetry/log.ts";

/** The message with which the local runtime (workerd) refuses jurisdictions. On Cloudflare it never occurs. */
const LOCAL_REFUSAL = /not implemented in workerd/;

/**
 * Returns the namespace whose objects run and store their data in a jurisdiction. The local runtime has no
 * jurisdictions, so the plain namespace is used there, and this is logged once. Every other error is thrown, because
 * data must never be stored elsewhere.
 */
export function createJurisdictions(
  log: Log,
): (namespace: DurableObjectNamespace, jurisdiction: Jurisdiction) => DurableObjectNamespace {
  let isTold = false;
  return (namespace, jurisdiction) => {
    try {
      return namespace.jurisdiction(jurisdiction);
    } catch (error) {
      if (!(error instanceof Error && LOCAL_REFUSAL.test(error.message))) throw error;
      if (!isTold) log.warn("jurisdiction_is_local", { jurisdiction });
      isTold = true;
      return namespace;
    }
  };
}
