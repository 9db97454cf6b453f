import { spentToday } from "./check-spent.ts";
import { describeEnd } from "./client-call.ts";
import { ask } from "./clients.ts";
import type { SimulatedSession, World } from "./world.ts";

/** The share of requests for a summary after which the budget for models is set to about what is used already. */
const BUDGET_SHARE = 0.3;
/** From used up to almost used up: a model's answer takes 110 tokens. */
const BEYOND_SPENT = [-110, 0, 0, 1, 100] as const;

/** Sets a session's budget for models to about what was used today, at the end of another step, whose own effect is unchanged. */
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
