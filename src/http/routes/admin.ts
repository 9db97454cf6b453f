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
    "Idempotent: an existing tenant is returned with 200, its settings unchanged. With a `jurisdiction`, its sessions and their directory run and are stored there. This cannot be changed later; a request with another jurisdiction is refused. It does not apply to PostgreSQL, whose location you choose yourself.",
  request: z.object({ body: newTenantSchema }),
  answers: {
    201: { description: "The new tenant", schema: tenantStateSchema },
    200: { description: "The existing tenant", schema: tenantStateSchema },
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
    "The tenants that were created, ordered by name. A tenant that was never created, but only used through the deployment's own key, is not listed.",
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
  summary: "Read a tenant's settings",
  description: "A tenant without settings has `rev` 0, empty `settings`, and the defaults in `effective`.",
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
  summary: "Change a tenant's settings, or pause its summaries",
  description:
    "Fields that are left out keep their values; a given field is replaced as a whole. Repeating a request changes nothing and keeps `rev`. A session's own settings take precedence over the tenant's, except that settings of a user apply only where they are tighter; `limits` cannot be changed by a session. `usersMay` permits users and holders of tickets what otherwise only a back end may do. A change takes effect everywhere within 30 seconds. While the tenant's settings cannot be reached, the last known ones apply for 10 minutes, then the defaults.",
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
  summary: "Read what models used, day by day",
  description:
    "The usage of all sessions of the tenant, by UTC day: input and output tokens, and their cost as far as prices are configured. It is kept for 400 days; one request returns at most a month.",
  request: z.object({
    params: tenantParams,
    query: z.strictObject({
      days: integerParameter(z.int().min(1).max(MAX_SPENDING_DAYS))
        .default(MAX_SPENDING_DAYS)
        .describe("How many days, the last of which is today"),
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
    "Users who were added last come first. A user is added some moments after their first session was created, and removed with their last one. User ids are not indexed by prefix, so a page with a `prefix` may contain few or no users although `hasMore` is true: continue with `nextCursor`.",
  request: z.object({
    params: tenantParams,
    query: z.strictObject({
      prefix: safeText
        .max(MAX_ID_LENGTH)
        .optional()
        .describe("Only users whose id starts with this text, ignoring case"),
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
