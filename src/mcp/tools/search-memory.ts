import { z } from "zod";
import { memorySearchRequestSchema } from "../../api/memory-search.ts";
import type { SearchResult } from "../../api/search.ts";
import { sessionIdSchema } from "../../api/session.ts";
import { searchMemory } from "../../usecases/memory-search.ts";
import type { RequestContext } from "../../usecases/request-context.ts";
import { searchSessionJson } from "../../usecases/search.ts";
import { linesWithin, withinResult } from "../budget.ts";
import { fence, itemLine, messageHeading, passage } from "../fenced-text.ts";
import { budgetArgument, defineTool, memoryText } from "../tool.ts";

const DEFAULT_HITS = 8;
const MAX_HITS = 50;

const hitSchema = z.object({
  sessionId: z.string(),
  seqs: z
    .array(z.int())
    .describe("The message that was found, or those that the item cites: read them with read_messages"),
  kind: z.string().describe("message, or the kind of the item: fact, preference, decision, task, question, event …"),
  score: z.number().describe("Higher is better. Comparable only within one answer"),
});

interface Found {
  readonly hit: z.infer<typeof hitSchema>;
  readonly line: string;
}

export const searchMemoryTool = defineTool({
  name: "search_memory",
  title: "Look something up",
  description:
    "Searches the memory, best hits first. With sessionId it searches the messages of that session; without, the facts, preferences, decisions, tasks and events in the summaries of all your sessions. Call it for questions such as what was decided about X, or which conversation was about Y. Use words that were probably said: names, files, numbers. The newest messages are in no summary yet: give the sessionId to search them.",
  annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
  actions: ["searchMemory", "searchSession"],
  input: z.strictObject({
    query: memorySearchRequestSchema.shape.query,
    sessionId: sessionIdSchema.optional().describe("Search only the messages of this session"),
    limit: z.int().min(1).max(MAX_HITS).default(DEFAULT_HITS).describe("The maximum number of hits"),
    maxTokens: budgetArgument,
  }),
  output: z.object({
    memory: memoryText,
    hits: z.array(hitSchema),
    hasMore: z.boolean().describe("There were more hits: raise limit or maxTokens, or narrow the query"),
  }),
  async run({ call }, { query, sessionId, limit, maxTokens }) {
    const found =
      sessionId === undefined ? await findItems(call, query, limit) : await findMessages(call, sessionId, query, limit);
    return withinResult(maxTokens, 0, async (tokens) => {
      const lines = linesWithin(
        found.map(({ line }) => line),
        tokens,
      );
      const hits = found.slice(0, lines.length).map(({ hit }) => hit);
      const hasMore = lines.length < found.length;
      const memory = fence(found.length === 0 ? "(nothing was found)" : lines.join("\n"));
      const more = hasMore
        ? `${found.length - lines.length} more hits did not fit: raise maxTokens, or narrow the query.`
        : "";
      return { structured: { memory, hits, hasMore }, text: `${memory}\n\n${more}`.trimEnd() };
    });
  },
});

async function findItems(call: RequestContext, query: string, limit: number): Promise<Found[]> {
  const { data } = await searchMemory(call, { query, limit });
  return data.map(({ sessionId, item, score }) => ({
    hit: { sessionId: item.sourceSession ?? sessionId, seqs: item.sourceSeqs, kind: item.kind, score },
    line: itemLine(item, sessionId),
  }));
}

async function findMessages(call: RequestContext, sessionId: string, query: string, limit: number): Promise<Found[]> {
  const { data }: SearchResult = JSON.parse(await searchSessionJson(call, sessionId, { query, limit }));
  return data.map(({ message, score, snippet }) => ({
    hit: { sessionId, seqs: [message.seq], kind: "message", score },
    line: `${messageHeading(message)} ${passage(snippet)}`,
  }));
}
