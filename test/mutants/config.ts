import type { Mutant } from "../../tools/mutants/mutant.ts";

export const CONFIG_MUTANTS: readonly Mutant[] = [
  {
    name: "a summarizer is given up after milliseconds",
    file: "src/config/config.ts",
    replace: "data.SUMMARIZER_TIMEOUT_SECONDS * 1_000",
    by: "data.SUMMARIZER_TIMEOUT_SECONDS",
    tests: ["unit/config"],
  },
  {
    name: "the admin key may be the key of the application",
    file: "src/config/config.ts",
    replace: "    ...sharedKeyFaults(env),\n",
    by: "",
    tests: ["unit/config"],
  },
  {
    name: "a misspelt variable is ignored",
    file: "src/config/config.ts",
    replace: "    ...unknownVariables(Object.keys(env)),\n",
    by: "",
    tests: ["unit/config"],
  },
  {
    name: "a webhook without a secret is taken",
    file: "src/config/config.ts",
    replace: "    ...alertFaults(env),\n",
    by: "",
    tests: ["unit/alert-settings", "unit/config"],
  },
];
