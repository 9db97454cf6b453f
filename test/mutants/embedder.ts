import type { Mutant } from "../../tools/mutants/mutant.ts";

const TESTS = ["unit/embedder"];

export const EMBEDDER_MUTANTS: readonly Mutant[] = [
  {
    name: "vectors are kept as the provider sends them, of any length",
    file: "src/embedder/read-vectors.ts",
    replace: "(value) => value / length",
    by: "(value) => value",
    tests: TESTS,
  },
  {
    name: "vectors of another dimension are taken beside the others",
    file: "src/embedder/read-vectors.ts",
    replace: "if (length !== dimensions) throw",
    by: "if (length > dimensions * 2) throw",
    tests: TESTS,
  },
  {
    name: "a vector without a direction is divided by zero",
    file: "src/embedder/read-vectors.ts",
    replace: "if (!(length > 0) || !Number.isFinite(length))",
    by: "if (!Number.isFinite(length))",
    tests: TESTS,
  },
  {
    name: "what was said follows a redirect to another address",
    file: "src/embedder/embedding-models.ts",
    replace: 'redirect: "manual"',
    by: 'redirect: "follow"',
    tests: TESTS,
  },
  {
    name: "an answer without end fills the memory",
    file: "src/embedder/embedding-models.ts",
    replace: "if (bytes > MAX_ANSWER_BYTES) throw",
    by: "if (bytes < 0) throw",
    tests: TESTS,
  },
  {
    name: "what was paid for is thrown away with a later request that fails",
    file: "src/embedder/embedder.ts",
    replace: "if (vectors.length === 0) throw error;",
    by: "throw error;",
    tests: TESTS,
  },
  {
    name: "one text that is too long keeps all the others from being found",
    file: "src/embedder/embedder.ts",
    replace: "error instanceof ProviderError && TOO_LONG.has(error.status)",
    by: "false",
    tests: TESTS,
  },
  {
    name: "vectors that are no good cost nothing",
    file: "src/embedder/embedder.ts",
    replace: "error.withUsage({ ...usage, outputTokens: 0 })",
    by: "error",
    tests: TESTS,
  },
  {
    name: "a read waits for the meaning of its query for as long as that takes",
    file: "src/embedder/query-embedder.ts",
    replace: 'return withTimeout(meaning, deadlineMs, (): QueryMeaning => ({ without: "late" }));',
    by: "return meaning;",
    tests: TESTS,
  },
  {
    name: "the same question is paid for each time that it is asked",
    file: "src/embedder/query-embedder.ts",
    replace: "let vector = remembered.get(query);",
    by: "let vector: Promise<Float32Array> | undefined;",
    tests: TESTS,
  },
  {
    name: "a failure is remembered as the answer",
    file: "src/embedder/query-embedder.ts",
    replace: "      remembered.delete(query);\n      spend(",
    by: "      spend(",
    tests: TESTS,
  },
];
