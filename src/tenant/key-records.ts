/** Keys as they travel between a tenant's object and those who ask it. */

import type { KeyScope, KeyState } from "../api/api-key.ts";

/** What an isolate needs to tell the tenant's good keys from all others. */
export interface KeyHashes {
  /** Rises by one with each change that a check must know of. */
  readonly rev: number;
  readonly hashKey: Uint8Array;
  readonly live: readonly KeyHash[];
}

export interface KeyHash {
  readonly id: string;
  readonly hash: Uint8Array;
  readonly scopes: readonly KeyScope[];
  /** ms since 1970; null: never. */
  readonly expiresAt: number | null;
}

/** Where a page of the list ended. */
export interface KeyCursor {
  readonly createdAt: number;
  readonly id: string;
}

/** A new key with its secret, which is kept nowhere. */
export interface IssuedKey {
  readonly state: KeyState;
  readonly secret: string;
}
