import type { TenantSettings } from "../../../src/contracts/tenant.ts";
import { randomSettings } from "./random-settings.ts";
import type { World } from "./world.ts";

/** The tenant that all sessions belong to. Those who call see its settings of now, or of a while ago, or not at all. */

export function tenantAsSeen(world: World): TenantSettings | undefined {
  const { random } = world;
  if (random.chance(0.08)) return undefined;
  const seen = random.chance(0.15) ? random.pick(world.tenantHistory) : world.tenantHistory.at(-1);
  return seen === undefined || seen.rev === 0 ? undefined : seen;
}

export async function changeTenant(world: World): Promise<string> {
  const { random } = world;
  const rev = world.tenant.rev + 1;
  const settings = random.chance(0.3) ? {} : randomSettings(random);
  const changed: TenantSettings = {
    rev,
    settings,
    summarization: random.chance(0.3) ? "paused" : "on",
    isOverBudget: false,
  };
  world.tenantHistory.push(changed);
  return `${JSON.stringify(changed)}`;
}
