import type { SessionLimits } from "../src/api/quota.ts";
import type { TenantPatch, TenantSettings } from "../src/api/tenant.ts";
import { randomSettings } from "./random-settings.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

/** Tenants of the sessions: what they set, and how much they allow their sessions. */

export async function changeTenant(world: World): Promise<string> {
  const { random } = world;
  const tenant = random.pick(world.spaces)?.tenant ?? "";
  const patch: TenantPatch = {
    settings: random.chance(0.2) ? {} : randomSettings(random),
    summarization: random.chance(0.3) ? "paused" : "on",
    ...(random.chance(0.3) ? { summarizerTokensPerDay: random.of(null, 300, 2_000) } : {}),
    ...(random.chance(0.3) ? { limits: limitsOf(random) } : {}),
  };
  const isTold = await setTenant(world, tenant, patch);
  return `${tenant}: ${JSON.stringify(patch)}${isTold ? "" : ", but it is unavailable"}`;
}

function limitsOf(random: Random): SessionLimits {
  const messages = random.of(null, 5, 30, 200);
  const tokens = random.of(null, 400, 3_000, 30_000);
  return {
    ...(random.chance(0.5) ? { sessionMessagesPerDay: messages, sessionTokensPerDay: tokens } : {}),
    ...(random.chance(0.4) ? { tenantMessagesPerDay: random.of(null, 20, 100), tenantTokensPerDay: tokens } : {}),
    ...(random.chance(0.3) ? { sessionSummariesPerDay: random.of(1, 4) } : {}),
  };
}

/** Returns whether it was done. */
export async function setTenant(world: World, tenant: string, patch: TenantPatch): Promise<boolean> {
  const isolate = world.random.pick(world.isolates) ?? world.newIsolate();
  if (world.registryState === "down") return false;
  const before = world.tenantNow(tenant);
  const { rev } = await isolate.update(tenant, patch);
  if (rev === before.rev) return true;
  const { limits: _, ...rest } = before;
  const limits = patch.limits ?? before.limits;
  const isBounded = limits !== undefined && Object.values(limits).some((limit) => limit !== null);
  const after: TenantSettings = {
    ...rest,
    rev,
    settings: patch.settings ?? before.settings,
    summarization: patch.summarization ?? before.summarization,
    ...(isBounded ? { limits } : {}),
  };
  world.noteTenant(tenant, after);
  return true;
}

/** Removes the pauses and the daily token limits of all tenants. */
export async function resumeTenants(world: World): Promise<void> {
  for (const tenant of new Set(world.spaces.map((space) => space.tenant))) {
    const { summarization } = world.tenantNow(tenant);
    await setTenant(world, tenant, {
      summarizerTokensPerDay: null,
      ...(summarization === "paused" ? { summarization: "on" } : {}),
    });
  }
}
