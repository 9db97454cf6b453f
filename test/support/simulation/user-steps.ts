import { describeEnd } from "./client-call.ts";
import { ask } from "./clients.ts";
import { isUser, type World } from "./world.ts";

/** Users who are to be forgotten. */

export async function eraseUser(world: World): Promise<string> {
  const space = world.random.pick(world.spaces.filter(isUser));
  if (space === undefined) return "there is no user";
  const { tenant, owner } = space;
  const call = await ask(world, `erase the user ${tenant}/${owner}`, { tenant, owner: "-" }, (by) =>
    world.system.eraseUser(by, owner),
  );
  return `${tenant}/${owner} → ${describeEnd(call.ended)}`;
}
