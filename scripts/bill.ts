// npm run bill -- user: computes what one user can cost in a day. See `--help`.
import { sessionLimitsSchema } from "../src/api/quota.ts";
import { EXAMPLE_MODEL, renderUserDay } from "./bill/user-day.ts";
import { createProgram, decimal, json } from "./program/command-line.ts";
import { runProgram } from "./program/run-program.ts";

const program = createProgram("npm run bill --", "What Threadkeep can cost, computed from the platform's prices.");

program
  .command("user")
  .description("The most that each action of a user's token can cost in a day within the limits, in dollars")
  .option(
    "--limits <json>",
    "limits of the tenant, as PATCH /v1/admin/tenants/{tenant} takes them",
    json(sessionLimitsSchema),
  )
  .option(
    "--input-price <n>",
    "price of the model, in dollars per million input tokens",
    decimal(0, Infinity),
    EXAMPLE_MODEL.input,
  )
  .option("--output-price <n>", "the same of its output", decimal(0, Infinity), EXAMPLE_MODEL.output)
  .addHelpText(
    "after",
    `
Computed, not measured, beyond what the plans include; docs/security.md holds what it prints by default, and what it
assumes.

Example:
  npm run bill -- user --limits '{"maxMessagesPerSession": 1000}'`,
  )
  .action(({ limits, inputPrice, outputPrice }) => {
    console.log(renderUserDay(limits, { input: inputPrice, output: outputPrice }));
  });

await runProgram(program);
