import type { Mutant } from "../../scripts/mutants/mutant.ts";

export const SESSION_MUTANTS: readonly Mutant[] = [
  {
    name: "an id that was appended before is compared by its words alone",
    file: "src/session/append.ts",
    replace: "if (messageId(row) !== message.id || !saysSame) {",
    by: "if (messageId(row) !== message.id) {",
    tests: ["worker/promise-02"],
  },
];
