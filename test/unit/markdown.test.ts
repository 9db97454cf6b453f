import { expect, it } from "vitest";
import { proseLines } from "../../src/summarizer/markdown.ts";

it.each([
  ["# The harbour's fees\nWe moor at the quay.", ["We moor at the quay."]],
  ["###### Fees\nWe moor.", ["We moor."]],
  ["2. **Set milestones**:\n   - Paint the hull.", ["Paint the hull."]],
  ["---\n| --- | --- |\nWe moor.", ["We moor."]],
  ["```\nconst fee = 18;\n```\nWe moor.", ["We moor."]],
  ["Here is what I would do:\n- Moor **at once**.", ["Moor at once."]],
])("only the statements of %j are prose", (text, lines) => {
  expect(proseLines(text)).toEqual(lines);
});
