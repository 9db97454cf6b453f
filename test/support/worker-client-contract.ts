import type { ThreadkeepBinding } from "../../client/src/binding.ts";
import type { AnthropicContext, Context } from "../../client/src/context.ts";
import type { Threadkeep } from "../../src/worker.ts";

/** The client's type of a binding is that of the entrypoint: `npm run check` fails if they differ. */
export const asBinding = (entrypoint: Threadkeep): Omit<ThreadkeepBinding, "context"> => entrypoint;
export const asContext = (entrypoint: Threadkeep): Promise<Context> => entrypoint.context("s");
export const asAnthropic = (entrypoint: Threadkeep): Promise<AnthropicContext> =>
  entrypoint.context("s", { format: "anthropic" }, { user: "ada" });
