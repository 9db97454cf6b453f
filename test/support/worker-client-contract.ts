import type { ThreadkeepBinding } from "../../client/src/binding.ts";
import type { AnthropicContext, Context } from "../../client/src/context.ts";
import type { Threadkeep } from "../../src/worker.ts";

/** What the client says of a binding is what the entrypoint has: `npm run check` fails where it does not. */
export const asBinding = (entrypoint: Threadkeep): Omit<ThreadkeepBinding, "context"> => entrypoint;
export const asContext = (entrypoint: Threadkeep): Promise<Context> => entrypoint.context("s");
export const asAnthropic = (entrypoint: Threadkeep): Promise<AnthropicContext> =>
  entrypoint.context("s", { format: "anthropic" }, { user: "ada" });
