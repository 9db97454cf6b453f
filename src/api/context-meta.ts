/** What a context says about itself in every format: what it contains, what it leaves out, and why. */
import { z } from "zod";
import { partFaultSchema } from "./errors.ts";
import { MAX_BRANCHES, MAX_HIDDEN_RANGES } from "./limits.ts";
import { seqSchema } from "./message.ts";
import { retrievalSchema } from "./search.ts";

/** A range of messages that the context contains neither verbatim nor in its summary, and the reason. */
export const omittedSchema = z
  .object({
    fromSeq: seqSchema,
    throughSeq: seqSchema,
    reason: z
      .enum(["budget", "hidden", "pending", "branch"])
      .describe(
        `Why these messages are missing. branch: they are not on the active branch (at most ${(MAX_BRANCHES + 1).toLocaleString("en")} ranges). budget: there is no room for them, or not for all of their text. hidden: they were erased, or wait for a new summary (at most ${MAX_HIDDEN_RANGES.toLocaleString("en")} ranges; the last range may include messages that are not hidden). pending: there is no room for them, and a summary of them is being made`,
      ),
  })
  .meta({ id: "Omitted" });
export type Omitted = z.infer<typeof omittedSchema>;

/** What the budget leaves out although no summary of it is being made, and what to change. */
const leftOutSchema = z
  .object({
    messages: z
      .int()
      .describe(
        "How many messages are not complete in the context, neither verbatim nor covered by the part of the summary that is in it",
      ),
    tokens: z.int().describe("About how many tokens of these messages are missing"),
    maxTokens: z
      .int()
      .nullable()
      .describe(
        "The smallest budget that leaves nothing out. null if no budget is enough, because files have more bytes than a context may contain",
      ),
    help: z.string().describe("What to do next, as a sentence"),
  })
  .meta({ id: "LeftOut" });
export type LeftOut = z.infer<typeof leftOutSchema>;
export const leftOut = leftOutSchema
  .optional()
  .describe("Present if the budget leaves out messages that no summary in progress will cover");

export const contextTokensSchema = z.object({
  budget: z.int(),
  used: z.int(),
  summary: z.int(),
  messages: z.int(),
  retrieved: z.int(),
  pinned: z
    .int()
    .optional()
    .describe(
      "How many of the tokens in `messages` belong to instructions and pinned messages that are older than the recent messages; left out if none",
    ),
});
export type ContextTokens = z.infer<typeof contextTokensSchema>;

export const retrievalError = partFaultSchema
  .optional()
  .describe(
    "The search for older messages failed. The context is complete except for the messages that the query would have returned",
  );

export const retrieval = retrievalSchema
  .optional()
  .describe("How older messages were searched. Left out without a query, or if embeddings are off");

export const stableThrough = z
  .int()
  .min(0)
  .describe(
    "The prompt up to and including this message stays identical, byte for byte, until there is a new summary, so a provider's prompt cache keeps hitting. It ends earlier if the past changes: by an edit, an erasure, a tool result that arrives late, a new instruction in a format that puts instructions first, or because the oldest recent messages no longer fit. 0: no message is stable, though the summary may be",
  );
export const stableMessages = z
  .int()
  .min(0)
  .describe(
    "How many entries of `messages` belong to this prefix (of `input` in `openai-responses`; in `text`, the number of characters)",
  );
export const stableHash = z
  .string()
  .describe(
    "SHA-256 of this prefix, in hexadecimal. Hashed are: the JSON of the system text (`system`, `instructions`, or in `threadkeep` the summary), or null, then the JSON of each message on a line of its own",
  );

/** What every other format returns beside its messages: the same account of what the context contains and omits. */
export const contextMetaSchema = z
  .object({
    sessionId: z.string(),
    headSeq: z.int().min(0),
    atSeq: z.int().min(0),
    summaryThroughSeq: z.int().min(0),
    summaryPending: z.boolean(),
    stableThrough,
    stableMessages,
    stableHash,
    omitted: z.array(omittedSchema),
    leftOut,
    retrievalError,
    retrieval,
    tokens: contextTokensSchema,
  })
  .meta({ id: "ContextMeta" });
export type ContextMeta = z.infer<typeof contextMetaSchema>;
