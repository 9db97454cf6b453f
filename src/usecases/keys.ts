import { z } from "zod";
import { formatKey } from "../access/key-format.ts";
import {
  type CreatedKey,
  keyIdSchema,
  type KeyRotation,
  type KeyState,
  type NewKey,
  type RevokedKey,
} from "../api/api-key.ts";
import { ThreadkeepError, unwrap } from "../api/errors.ts";
import type { Page } from "../api/page.ts";
import { pageOf, type PageQuery, readCursor } from "./paging.ts";
import type { RequestContext } from "./request-context.ts";
import { createTenant } from "./tenants.ts";
import { useCase } from "./use-case.ts";

/** Creates a key. Only this answer contains its secret. */
export const createKey = useCase(
  {
    action: "createKey",
    isSessionless: true,
    tell: ({ id }, tenant) => ({ tenant, details: { keyId: id } }),
  },
  async (call: RequestContext, tenant: string, key: NewKey): Promise<CreatedKey> => {
    if (key.expiresAt !== null && Date.parse(key.expiresAt) <= Date.now()) {
      throw new ThreadkeepError({
        code: "validation_failed",
        detail: "A key must expire in the future. No key was created. Correct the request and send it again.",
        errors: [{ path: "/expiresAt", detail: "must be in the future" }],
      });
    }
    await requireTenant(call, tenant);
    const { state, secret } = unwrap(await call.parts.tenants.keys.create(tenant, key));
    return { ...state, key: formatKey({ tenant, id: state.id, secret }) };
  },
);

/**
 * Keys can be created only for a tenant that was created. The tenant of the deployment's own keys is created here if
 * necessary.
 */
async function requireTenant(call: RequestContext, tenant: string): Promise<void> {
  const { createdAt } = await call.parts.tenants.readRecord(tenant);
  if (createdAt !== null) return;
  if (tenant === call.principal.tenant) {
    await createTenant(call, { tenant, jurisdiction: null });
    return;
  }
  throw new ThreadkeepError({
    code: "tenant_not_found",
    detail: `There is no tenant ${tenant}. Create it first: POST /v1/admin/tenants.`,
    errors: [{ path: "tenant", detail: "names no tenant that was created" }],
  });
}

const cursorSchema = z.tuple([z.int(), keyIdSchema]);

/** A tenant's keys, newest first, including expired and revoked ones. */
export const listKeys = useCase(
  { action: "listKeys", isSessionless: true, tell: (_page, tenant) => ({ tenant }) },
  async (call: RequestContext, tenant: string, query: PageQuery): Promise<Page<KeyState>> => {
    const cursor = readCursor(cursorSchema, query.cursor);
    const after = cursor === null ? null : { createdAt: cursor[0], id: cursor[1] };
    const keys = await call.parts.tenants.keys.list(tenant, query.limit + 1, after);
    return pageOf(keys, query.limit, ({ createdAt, id }) => [Date.parse(createdAt), id]);
  },
);

/** Creates a key that replaces another one. Both are valid until the grace period ends. */
export const rotateKey = useCase(
  {
    action: "rotateKey",
    isSessionless: true,
    tell: ({ id }, tenant, rotatedFrom) => ({ tenant, details: { keyId: id, rotatedFrom } }),
  },
  async (call: RequestContext, tenant: string, keyId: string, { graceSeconds }: KeyRotation): Promise<CreatedKey> => {
    const { state, secret } = unwrap(await call.parts.tenants.keys.rotate(tenant, keyId, graceSeconds));
    return { ...state, key: formatKey({ tenant, id: state.id, secret }) };
  },
);

/** Revokes a key. It stops working everywhere within a minute. Revoking it again changes nothing. */
export const revokeKey = useCase(
  {
    action: "revokeKey",
    isSessionless: true,
    tell: ({ id }, tenant) => ({ tenant, details: { keyId: id } }),
  },
  async (call: RequestContext, tenant: string, keyId: string): Promise<RevokedKey> => {
    return unwrap(await call.parts.tenants.keys.revoke(tenant, keyId));
  },
);
