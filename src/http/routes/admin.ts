import { z } from "zod";
import { failureSchema } from "../../contracts/job.ts";
import { pageSchema } from "../../contracts/page.ts";
import { tenantPatchSchema, tenantStateSchema } from "../../contracts/tenant.ts";
import { listFailures } from "../../service/operations.ts";
import { readTenant, updateTenant } from "../../service/tenants.ts";
import { cursorParameter, limitParameter, tenantParams } from "../parameters.ts";
import { defineRoute } from "../route.ts";
import { sample } from "../samples.ts";

const listJobs = defineRoute({
  method: "get",
  path: "/v1/admin/jobs",
  operationId: "listFailedJobs",
  tag: "Operations",
  summary: "List the jobs that gave up",
  description: "Background work that keeps failing, the last to fail first. It names sessions and never their content.",
  admin: true,
  request: z.object({ query: z.strictObject({ limit: limitParameter, cursor: cursorParameter }) }),
  answers: {
    200: {
      description: "A page of failed jobs",
      schema: pageSchema(failureSchema),
      example: sample.failurePage,
    },
  },
  problems: [],
  async handle(call, { query }) {
    return { status: 200, body: await listFailures(call, query) };
  },
});

const readTenantRoute = defineRoute({
  method: "get",
  path: "/v1/admin/tenants/{tenant}",
  operationId: "readTenant",
  tag: "Operations",
  summary: "Read what a tenant sets for its sessions",
  description: "A tenant that never set anything has `rev` 0, no settings and the defaults in `effective`.",
  admin: true,
  request: z.object({ params: tenantParams }),
  answers: { 200: { description: "The tenant", schema: tenantStateSchema, example: sample.tenant } },
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
    "What is left out stays as it is; what is given replaces the whole of it. Sent again it changes nothing, and `rev` stays. A session's own settings come before the tenant's; `limits` no session can change. A change reaches every request within 30 seconds; while the tenant's settings are out of reach, those known before serve on for 10 minutes, then the defaults.",
  admin: true,
  request: z.object({ params: tenantParams, body: tenantPatchSchema }),
  bodyExample: sample.tenantPatch,
  answers: { 200: { description: "The tenant as it is now", schema: tenantStateSchema, example: sample.tenant } },
  problems: [],
  async handle(call, { params, body }) {
    return { status: 200, body: await updateTenant(call, params.tenant, body) };
  },
});

export const adminRoutes = [listJobs, readTenantRoute, updateTenantRoute];
