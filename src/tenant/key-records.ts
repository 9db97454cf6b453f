/** The types of keys that a tenant's object sends to its callers. */

import type { KeyScope, KeyState } from "../api/api-key.ts";

/** What an isolate needs to check the tenant's keys. */
export interface KeyHashes {
  /** Increases by one with each change that matters for a check. */
  readonly rev: number;
  readonly hashKey: Uint8Array;
  readonly live: readonly KeyHash[];
}

/** A valid key, as far as a check needs it. */
export interface KeyHash {
  readonly id: string;
  readonly hash: Uint8Array;
  readonly scopes: readonly KeyScope[];
  /** When the key expires, in ms since 1970; null: never. */
  readonly expiresAt: number | null;
}

/** The last key of a page. */
export interface KeyCursor {
  readonly createdAt: number;
  readonly id: string;
}

/** A new key with its secret, which is stored nowhere. */
export interface IssuedKey {
  readonly state: KeyState;
  readonly secret: string;
}
