import type { Mutant } from "../../tools/mutants/mutant.ts";

export const MCP_MUTANTS: readonly Mutant[] = [
  {
    name: "a passage that was found poses as it likes",
    file: "src/mcp/fenced-text.ts",
    replace: "return guardText(text, false);",
    by: "return text;",
    tests: ["unit/mcp-text"],
  },
  {
    name: "an item of a summary poses as it likes",
    file: "src/mcp/fenced-text.ts",
    replace: "] ${guardLine(text)}`",
    by: "] ${text}`",
    tests: ["unit/mcp-text"],
  },
  {
    name: "an author may close a heading",
    file: "src/mcp/fenced-text.ts",
    replace: "` ${guardName(author)}`",
    by: "` ${author}`",
    tests: ["unit/mcp-text"],
  },
  {
    name: "a long message is begun anew by each reading",
    file: "src/mcp/messages-text.ts",
    replace: "fromCharacter: from + piece.length",
    by: "fromCharacter: piece.length",
    tests: ["unit/mcp-text"],
  },
  {
    name: "a result that is too large is told all the same",
    file: "src/mcp/budget.ts",
    replace: "if (tokens <= most || asked <= least) return result;",
    by: "return result;",
    tests: ["unit/mcp-text"],
  },
  {
    name: "of a batch the first request counts alone",
    file: "src/mcp/batch.ts",
    replace: "return Math.max(1, body.length);",
    by: "return 1;",
    tests: ["unit/mcp-text"],
  },
];
