/** Examples: the keys of a tenant. */

import type { CreatedKey, KeyRotation, KeyState, NewKey, RevokedKey } from "../../../src/api/api-key.ts";
import type { Page } from "../../../src/api/page.ts";

const newKey: NewKey = {
  name: "production back end",
  scopes: ["memory:read", "memory:write"],
  expiresAt: "2030-01-01T00:00:00Z",
};

const key: KeyState = {
  id: "7Qm2xVb9LcTa",
  ...newKey,
  status: "live",
  createdAt: "2026-11-22T09:12:00.000Z",
  expiresAt: "2030-01-01T00:00:00.000Z",
  lastUsedAt: null,
  revokedAt: null,
  rotatedTo: null,
};

const createdKey: CreatedKey = {
  ...key,
  // A key of the right form with a wrong checksum, so that neither a secret scanner nor a service accepts it.
  key: "tk_acme_7Qm2xVb9LcTa_EXAMPLE000000000000000000000000000000000000000000",
};

const revokedKey: RevokedKey = {
  ...key,
  status: "revoked",
  revokedAt: "2026-11-22T10:00:00.000Z",
  copied: true,
};

const keyPage: Page<KeyState> = {
  data: [{ ...key, lastUsedAt: "2026-11-22T09:58:03.112Z" }],
  hasMore: false,
  nextCursor: null,
};

const keyRotation: KeyRotation = { graceSeconds: 3_600 };

export const keySamples = { newKey, createdKey, revokedKey, keyPage, keyRotation };
