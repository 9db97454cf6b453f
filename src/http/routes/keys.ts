import { z } from "zod";
import { createdKeySchema, keyRotationSchema, keyStateSchema, newKeySchema } from "../../api/api-key.ts";
import { pageSchema } from "../../api/page.ts";
import { createKey, listKeys, revokeKey, rotateKey } from "../../usecases/keys.ts";
import { cursorParameter, keyParams, limitParameter, tenantParams } from "../parameters.ts";
import { defineRoute } from "../route.ts";

const create = defineRoute({
  method: "post",
  path: "/v1/admin/tenants/{tenant}/keys",
  operationId: "createKey",
  tag: "Keys",
  summary: "Create a key",
  description:
    "The answer holds the key, and nothing else ever does: what is kept is a keyed hash. A request that is sent again makes another key; revoke the one that was lost. A new key is good at once, everywhere within a second.",
  request: z.object({ params: tenantParams, body: newKeySchema }),
  answers: { 201: { description: "The key", schema: createdKeySchema } },
  problems: ["tenant_not_found", "too_many_keys"],
  async handle(call, { params, body }) {
    return { status: 201, body: await createKey(call, params.tenant, body) };
  },
});

const list = defineRoute({
  method: "get",
  path: "/v1/admin/tenants/{tenant}/keys",
  operationId: "listKeys",
  tag: "Keys",
  summary: "List a tenant's keys",
  description: "Newest first, those that expired or were revoked among them. No answer holds a key or its hash.",
  request: z.object({
    params: tenantParams,
    query: z.strictObject({ limit: limitParameter, cursor: cursorParameter }),
  }),
  answers: { 200: { description: "A page of keys", schema: pageSchema(keyStateSchema) } },
  problems: [],
  async handle(call, { params, query }) {
    return { status: 200, body: await listKeys(call, params.tenant, query) };
  },
});

const rotate = defineRoute({
  method: "post",
  path: "/v1/admin/tenants/{tenant}/keys/{keyId}/rotate",
  operationId: "rotateKey",
  tag: "Keys",
  summary: "Put a new key in the place of another",
  description:
    "The new key has the name, the scopes and the lifetime of the old one, which stays good beside it for `graceSeconds`, a day by default: change over meanwhile. A key has one successor: asked again, it is refused with the successor's id in `rotatedTo`.",
  request: z.object({ params: keyParams, body: keyRotationSchema }),
  answers: { 201: { description: "The new key", schema: createdKeySchema } },
  problems: ["key_not_found", "key_not_live", "key_rotated", "too_many_keys"],
  async handle(call, { params, body }) {
    return { status: 201, body: await rotateKey(call, params.tenant, params.keyId, body) };
  },
});

const revoke = defineRoute({
  method: "delete",
  path: "/v1/admin/tenants/{tenant}/keys/{keyId}",
  operationId: "revokeKey",
  tag: "Keys",
  summary: "Revoke a key",
  description:
    "It stops within a minute everywhere, and cannot be brought back. Revoked again it is answered as it is. An isolate that cannot reach the tenant's object meanwhile goes by what it knew for up to 10 minutes.",
  request: z.object({ params: keyParams }),
  answers: { 200: { description: "The key as it is now", schema: keyStateSchema } },
  problems: ["key_not_found"],
  async handle(call, { params }) {
    return { status: 200, body: await revokeKey(call, params.tenant, params.keyId) };
  },
});

export const keyRoutes = [create, list, rotate, revoke];
