import type { Mutant } from "../../tools/mutants/mutant.ts";

export const RPC_MUTANTS: readonly Mutant[] = [
  {
    name: "a binding for one user answers for another that is named",
    file: "src/rpc/binding-principal.ts",
    replace: "user !== undefined && user !== owner)",
    by: "user === undefined && user !== owner)",
    tests: ["unit/runtime/surfaces"],
  },
  {
    name: "a request over RPC is measured in characters",
    file: "src/rpc/plain-json.ts",
    replace: "text.length > MAX_BODY_BYTES || byteLength(text) > MAX_BODY_BYTES",
    by: "text.length > MAX_BODY_BYTES",
    tests: ["unit/runtime/surfaces"],
  },
  {
    name: "over RPC nobody is told when to come back",
    file: "src/rpc/remote-error.ts",
    replace: "...(fault.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: fault.retryAfterSeconds }),",
    by: "",
    tests: ["unit/runtime/surfaces"],
  },
  {
    name: "requests over RPC are not limited",
    file: "src/rpc/threadkeep.ts",
    replace: "        await limitRequests(principal);\n",
    by: "",
    tests: ["unit/runtime/surfaces"],
  },
];
