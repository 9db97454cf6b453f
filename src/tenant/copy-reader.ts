import type { Log } from "../telemetry/log.ts";
import type { MeasuredTenantCopy, Metrics } from "../telemetry/metrics.ts";
import type { TenantCopy } from "./copy-record.ts";
import { createCopySeal } from "./copy-seal.ts";

/**
 * How long a location of Cloudflare's may answer with a value that it read before, in seconds: the shortest time that
 * Workers KV accepts. A revoked key has to stop within a minute.
 */
const CACHE_SECONDS = 30;

/** Reads the copy of a tenant; null if there is none. Rejects if the store cannot be reached. */
export type ReadTenantCopy = (tenant: string) => Promise<TenantCopy | null>;

/** The part of a KV namespace that reading needs. */
interface CopySource {
  get(key: string, options: { type: "arrayBuffer"; cacheTtl: number }): Promise<ArrayBuffer | null>;
}

export interface CopyReaderDeps {
  readonly store: CopySource;
  /** The secret with which the tenants' objects seal the copies. */
  readonly secret: string;
  readonly metrics: Pick<Metrics, "tenantCopy">;
  readonly log: Log;
}

export function createCopyReader({ store, secret, metrics, log }: CopyReaderDeps): ReadTenantCopy {
  const seal = createCopySeal(secret);
  return async (tenant) => {
    const startedAt = Date.now();
    let result: MeasuredTenantCopy["result"] = "unavailable";
    try {
      const sealed = await store.get(tenant, { type: "arrayBuffer", cacheTtl: CACHE_SECONDS });
      result = "none";
      if (sealed === null) return null;
      const copy = seal.open(tenant, new Uint8Array(sealed));
      result = copy === null ? "unreadable" : "ok";
      // It was sealed with an earlier admin key, or by somebody else.
      if (copy === null) log.error("tenant_copy_not_readable", { tenant });
      return copy;
    } finally {
      metrics.tenantCopy({ tenant, result, durationMs: Date.now() - startedAt });
    }
  };
}
