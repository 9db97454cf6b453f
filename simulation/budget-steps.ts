import { spentToday } from "./check-spent.ts";
import { describeEnd } from "./client-call.ts";
import { ask } from "./clients.ts";
import type { SimulatedSession, World } from "./world.ts";

/** Of requests for a summary, so many are followed by a budget for models that is about what they took of the day already. */
const BUDGET_SHARE = 0.3;
/** From used up to nearly so: a model's answer takes 110 tokens. */
const BEYOND_SPENT = [-110, 0, 0, 1, 100] as const;

/** Bounds what models may take for a session to about what they took today, at the end of another step: what that did stays as it was. */
export async function boundAside(world: World, session: SimulatedSession): Promise<string> {
  const { aside } = world;
  const { model } = session;
  if (model?.status !== "active" || !aside.chance(BUDGET_SHARE)) return "";
  const spent = spentToday(world, session);
  if (spent === 0) return "";
  const summarizerTokensPerDay = Math.max(0, spent + aside.of(...BEYOND_SPENT));
  const patch = { settings: { ...model.settings, summarizerTokensPerDay } };
  const call = await ask(world, `bound ${session.label}`, session.space, (by) =>
    world.system.updateSession(by, session.ref.session, patch),
  );
  return `; ${summarizerTokensPerDay} tokens a day for models, which took ${spent} → ${describeEnd(call.ended)}`;
}
