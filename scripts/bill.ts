// npm run bill -- user: what one user can cost in a day, computed. `--help` tells the rest.
import { type SessionLimits, sessionLimitsSchema } from "../src/contracts/quota.ts";
import type { ModelPrices } from "./bill/prices.ts";
import { EXAMPLE_MODEL, renderUserDay } from "./bill/user-day.ts";
import { readCommandLine, UsageFault } from "./program/command-line.ts";
import { EXIT, runProgram } from "./program/run-program.ts";

const HELP = `npm run bill -- user   for each thing that a user's token can do in a day, its most at the limits, in dollars by the platform's prices
  --limits JSON      of the tenant, as PATCH /v1/admin/tenants/{tenant} takes them ({})
  --input-price N    of the model, dollars a million tokens (${EXAMPLE_MODEL.input})
  --output-price N   (${EXAMPLE_MODEL.output})
Computed, not measured, beyond what the plans include; docs/security.md holds what it prints by default, and what it assumes.`;

const OPTIONS = {
  limits: { type: "string" },
  "input-price": { type: "string" },
  "output-price": { type: "string" },
} as const;

interface BillOptions {
  readonly limits: SessionLimits | undefined;
  readonly model: ModelPrices;
}

const commandLine = readCommandLine(process.argv.slice(2), OPTIONS, (values, positionals): BillOptions => {
  if (positionals.length !== 1 || positionals[0] !== "user") throw new UsageFault("say what the bill is of: user");
  return {
    limits: values.limits === undefined ? undefined : readLimits(values.limits),
    model: {
      input: readPrice("--input-price", values["input-price"], EXAMPLE_MODEL.input),
      output: readPrice("--output-price", values["output-price"], EXAMPLE_MODEL.output),
    },
  };
});

await runProgram(commandLine, {
  help: HELP,
  hint: "npm run bill -- --help tells the options.",
  run: async ({ limits, model }) => {
    console.log(renderUserDay(limits, model));
    return EXIT.ok;
  },
});

function readLimits(text: string): SessionLimits {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new UsageFault("--limits is not JSON");
  }
  const parsed = sessionLimitsSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new UsageFault(`--limits: ${issue?.path.join(".") ?? ""} ${issue?.message ?? "is not valid"}`);
  }
  return parsed.data;
}

function readPrice(name: string, text: string | undefined, usual: number): number {
  if (text === undefined) return usual;
  const price = Number(text);
  if (text.trim() === "" || !Number.isFinite(price) || price < 0)
    throw new UsageFault(`${name} is no price in dollars`);
  return price;
}
