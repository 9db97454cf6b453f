import { z } from "zod";
import {
  createdKeySchema,
  keyRotationSchema,
  keyStateSchema,
  newKeySchema,
  revokedKeySchema,
} from "../../api/api-key.ts";
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
    "Only this answer contains the key: the service stores nothing but a keyed hash of it. A repeated request creates another key; revoke the one whose answer was lost. A new key works everywhere within a second.",
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
  description: "Newest first, including expired and revoked keys. No answer contains a key or its hash.",
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
  summary: "Replace a key",
  description:
    "The new key has the name, the scopes and the lifetime of the old one. The old one continues to work for `graceSeconds`, a day by default, so that you can replace it everywhere. A key can be replaced once: a second request is refused, with the id of its successor in `rotatedTo`.",
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
    "The key stops working everywhere within a minute, and cannot be restored. Revoking it again returns it unchanged. If `copied` is true, it also stops within a minute where the tenant's object cannot be reached; otherwise send the request again until it is.",
  request: z.object({ params: keyParams }),
  answers: { 200: { description: "The key as it is now", schema: revokedKeySchema } },
  problems: ["key_not_found"],
  async handle(call, { params }) {
    return { status: 200, body: await revokeKey(call, params.tenant, params.keyId) };
  },
});

export const keyRoutes = [create, list, rotate, revoke];
