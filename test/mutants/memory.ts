import type { Mutant } from "../../scripts/mutants/mutant.ts";

export const MEMORY_MUTANTS: readonly Mutant[] = [
  {
    name: "a closing tag in capitals ends the summary",
    file: "src/memory/guarded-text.ts",
    replace: `.replaceAll(ALL_UNSEEN, "").toLowerCase()`,
    by: `.replaceAll(ALL_UNSEEN, "")`,
    tests: ["unit/guarded-text"],
  },
  {
    name: "white space inside a closing tag hides it",
    file: "src/memory/guarded-text.ts",
    replace: `const UNSEEN_IN_TEXT = new RegExp(\`[\${UNSEEN}]*\`, "uy")`,
    by: `const UNSEEN_IN_TEXT = new RegExp(\`[\\\\u0000]*\`, "uy")`,
    tests: ["unit/guarded-text"],
  },
  {
    name: "the tag of retrieved turns is not watched for",
    file: "src/memory/guarded-text.ts",
    replace: `[SUMMARY_TAG, RETRIEVED_TAG].map`,
    by: `[SUMMARY_TAG].map`,
    tests: ["unit/guarded-text"],
  },
  {
    name: "an author may close the heading",
    file: "src/memory/guarded-text.ts",
    replace: `.replaceAll(/\\p{Pe}/gu, ")")`,
    by: "",
    tests: ["unit/guarded-text"],
  },
  {
    name: "a line that a next-line character begins is not looked at",
    file: "src/memory/guarded-text.ts",
    replace: `const LINE_END = /\\r\\n|[\\n\\v\\f\\r\\u0085\\u2028\\u2029]/g`,
    by: `const LINE_END = /\\r\\n|[\\n\\v\\f\\r\\u2028\\u2029]/g`,
    tests: ["unit/guarded-text"],
  },
];
