import { z } from "zod";
import { MAX_ID_LENGTH, MAX_SPENDING_DAYS } from "../../api/limits.ts";
import { pageSchema } from "../../api/page.ts";
import {
  listedTenantSchema,
  listedUserSchema,
  newTenantSchema,
  spendingSchema,
  tenantPatchSchema,
  tenantStateSchema,
} from "../../api/tenant.ts";
import { safeText } from "../../api/text.ts";
import {
  createTenant,
  listTenants,
  listUsers,
  readSpending,
  readTenant,
  updateTenant,
} from "../../usecases/tenants.ts";
import { cursorParameter, integerParameter, limitParameter, tenantParams } from "../parameters.ts";
import { defineRoute } from "../route.ts";

const createTenantRoute = defineRoute({
  method: "post",
  path: "/v1/admin/tenants",
  operationId: "createTenant",
  tag: "Operations",
  summary: "Create a tenant",
  description:
    "Idempotent: a tenant that exists is answered with 200 as it is, its settings unchanged. With a `jurisdiction` its sessions and their directory run and stay there; this is fixed now, and another one later is refused. PostgreSQL lies where you put it.",
  request: z.object({ body: newTenantSchema }),
  answers: {
    201: { description: "The new tenant", schema: tenantStateSchema },
    200: { description: "The tenant that was there", schema: tenantStateSchema },
  },
  problems: ["tenant_exists"],
  async handle(call, { body }) {
    const { tenant, created } = await createTenant(call, body);
    return { status: created ? 201 : 200, body: tenant };
  },
});

const listTenantsRoute = defineRoute({
  method: "get",
  path: "/v1/admin/tenants",
  operationId: "listTenants",
  tag: "Operations",
  summary: "List the tenants",
  description:
    "Those that were created, by name. A tenant that only the deployment's own key speaks for is none of them.",
  request: z.object({ query: z.strictObject({ limit: limitParameter, cursor: cursorParameter }) }),
  answers: {
    200: { description: "A page of tenants", schema: pageSchema(listedTenantSchema) },
  },
  problems: [],
  async handle(call, { query }) {
    return { status: 200, body: await listTenants(call, query) };
  },
});

const readTenantRoute = defineRoute({
  method: "get",
  path: "/v1/admin/tenants/{tenant}",
  operationId: "readTenant",
  tag: "Operations",
  summary: "Read what a tenant sets for its sessions",
  description: "A tenant that never set anything has `rev` 0, no settings and the defaults in `effective`.",
  request: z.object({ params: tenantParams }),
  answers: { 200: { description: "The tenant", schema: tenantStateSchema } },
  problems: [],
  async handle(call, { params }) {
    return { status: 200, body: await readTenant(call, params.tenant) };
  },
});

const updateTenantRoute = defineRoute({
  method: "patch",
  path: "/v1/admin/tenants/{tenant}",
  operationId: "updateTenant",
  tag: "Operations",
  summary: "Replace a tenant's settings, or pause its summaries",
  description:
    "What is left out stays as it is; what is given replaces the whole of it. Sent again it changes nothing, and `rev` stays. A session's own settings come before the tenant's, but those of its user only where they are tighter; `limits` no session can change. `usersMay` opens to users, and to holders of tickets, what is else a back end's. A change reaches every request within 30 seconds; while the tenant's settings are out of reach, those known before serve on for 10 minutes, then the defaults.",
  request: z.object({ params: tenantParams, body: tenantPatchSchema }),
  answers: { 200: { description: "The tenant as it is now", schema: tenantStateSchema } },
  problems: [],
  async handle(call, { params, body }) {
    return { status: 200, body: await updateTenant(call, params.tenant, body) };
  },
});

const readSpendingRoute = defineRoute({
  method: "get",
  path: "/v1/admin/tenants/{tenant}/spending",
  operationId: "readSpending",
  tag: "Operations",
  summary: "Read what models took, day by day",
  description:
    "For all sessions of the tenant, by days in UTC: tokens in and out, and what they cost as far as prices are set. It is kept for 400 days and told for a month at a time.",
  request: z.object({
    params: tenantParams,
    query: z.strictObject({
      days: integerParameter(z.int().min(1).max(MAX_SPENDING_DAYS))
        .default(MAX_SPENDING_DAYS)
        .describe("So many, through today"),
    }),
  }),
  answers: { 200: { description: "The days", schema: spendingSchema } },
  problems: [],
  async handle(call, { params, query }) {
    return { status: 200, body: await readSpending(call, params.tenant, query.days) };
  },
});

const listUsersRoute = defineRoute({
  method: "get",
  path: "/v1/admin/tenants/{tenant}/users",
  operationId: "listUsers",
  tag: "Operations",
  summary: "List the users who have sessions",
  description:
    "Those who came last first; a user is on the list some moments after their first session, and off it with their last. Names stand in no index, so that a page ends where enough were read for it, with `hasMore`, though it has few or none.",
  request: z.object({
    params: tenantParams,
    query: z.strictObject({
      prefix: safeText.max(MAX_ID_LENGTH).optional().describe("Those alone whose id begins so, in whatever case"),
      limit: limitParameter,
      cursor: cursorParameter,
    }),
  }),
  answers: {
    200: { description: "A page of users", schema: pageSchema(listedUserSchema) },
  },
  problems: [],
  async handle(call, { params, query }) {
    return { status: 200, body: await listUsers(call, params.tenant, query) };
  },
});

export const adminRoutes = [
  createTenantRoute,
  listTenantsRoute,
  readTenantRoute,
  updateTenantRoute,
  readSpendingRoute,
  listUsersRoute,
];
