/** Examples: a tenant with its settings and limits. */

import type { Page } from "../../../src/api/page.ts";
import { resolveSettings } from "../../../src/api/session.ts";
import type {
  ListedTenant,
  ListedUser,
  NewTenant,
  Spending,
  TenantPatch,
  TenantState,
} from "../../../src/api/tenant.ts";

const tenantPatch: TenantPatch = { settings: { profile: "agent", maxTokens: 60_000 }, summarization: "on" };

const tenant: TenantState = {
  tenant: "acme",
  jurisdiction: "eu",
  createdAt: "2026-11-22T09:10:00.000Z",
  rev: 1,
  settings: { profile: "agent", maxTokens: 60_000 },
  effective: resolveSettings({ profile: "agent", maxTokens: 60_000 }),
  summarization: "on",
  summarizerTokensPerDay: 2_000_000,
  limits: { sessionMessagesPerDay: 2_000, sessionTokensPerDay: 500_000, tenantMessagesPerDay: 200_000 },
  usersMay: { write: ["assistant"] },
  spentToday: {
    day: "2026-11-22",
    inputTokens: 412_096,
    outputTokens: 30_410,
    costMicroDollars: 86_300,
    embeddings: { inputTokens: 91_200, costMicroDollars: 1_094 },
  },
  takenToday: { day: "2026-11-22", messages: 41_870, tokens: 6_204_115 },
  updatedAt: "2026-11-22T09:20:00.000Z",
};

const newTenant: NewTenant = { tenant: "acme", jurisdiction: "eu", settings: tenant.settings };

const newTenantState: TenantState = {
  ...tenant,
  summarizerTokensPerDay: null,
  spentToday: {
    day: "2026-11-22",
    inputTokens: 0,
    outputTokens: 0,
    costMicroDollars: 0,
    embeddings: { inputTokens: 0, costMicroDollars: 0 },
  },
  takenToday: { day: "2026-11-22", messages: 0, tokens: 0 },
  updatedAt: "2026-11-22T09:10:00.000Z",
};

const listedTenant: ListedTenant = { tenant: "acme", jurisdiction: "eu", createdAt: "2026-11-22T09:10:00.000Z" };

const tenantPage: Page<ListedTenant> = { data: [listedTenant], hasMore: false, nextCursor: null };

const spending: Spending = {
  tenant: "acme",
  days: [{ ...newTenantState.spentToday, day: "2026-11-21" }, tenant.spentToday],
};

const userPage: Page<ListedUser> = {
  data: [{ userId: "ada" }, { userId: "adam" }],
  hasMore: false,
  nextCursor: null,
};

export const tenantSamples = { tenantPatch, tenant, newTenant, newTenantState, tenantPage, spending, userPage };
