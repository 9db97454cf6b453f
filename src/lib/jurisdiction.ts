import type { Jurisdiction } from "../api/tenant.ts";
import type { Log } from "../telemetry/log.ts";

/** workerd by itself says so. Cloudflare never does. */
const LOCAL_REFUSAL = /not implemented in workerd/;

/**
 * The namespace whose objects run and keep what they hold in a jurisdiction. On a laptop there is but one place, so the namespace itself
 * serves there; any other refusal stands, since writing elsewhere is what must not happen.
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
