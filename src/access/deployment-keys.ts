import { createHash } from "node:crypto";
import type { Scope } from "../api/principal.ts";
import { areSameBytes } from "../lib/same-bytes.ts";

export const MEMORY_SCOPES: readonly Scope[] = ["memory:read", "memory:write", "memory:erase"];
const ADMIN_SCOPES: readonly Scope[] = [...MEMORY_SCOPES, "ops", "summarizer", "admin"];

/** The keys that are secrets of the deployment. */
export interface KeyRing {
  /** The tenant for which both keys act. */
  readonly tenant: string;
  readonly apiKey: string;
  readonly adminKey: string;
}

/** What a key of the deployment may do. */
export interface DeploymentKey {
  readonly kind: "tenant-key" | "admin";
  readonly id: "deployment-key" | "admin";
  readonly tenant: string;
  readonly scopes: readonly Scope[];
}

/** Digests all have the same length, so comparing them takes the same time whatever was sent. */
function digest(key: string): Uint8Array {
  return createHash("sha256").update(key).digest();
}

/** Creates a function that identifies a key of the deployment; it returns null for any other text. */
export function createDeploymentKeys(ring: KeyRing): (key: string) => DeploymentKey | null {
  const apiKey = digest(ring.apiKey);
  const adminKey = digest(ring.adminKey);
  const { tenant } = ring;
  return (key) => {
    const given = digest(key);
    if (areSameBytes(given, adminKey)) return { kind: "admin", id: "admin", tenant, scopes: ADMIN_SCOPES };
    if (areSameBytes(given, apiKey)) {
      return { kind: "tenant-key", id: "deployment-key", tenant, scopes: MEMORY_SCOPES };
    }
    return null;
  };
}
