import { z } from "zod";
import {
  MAX_AUTHOR_LENGTH,
  MAX_MENDED_PATHS,
  MAX_MESSAGES_PER_APPEND,
  MAX_METADATA_BYTES,
  MAX_PARTS_PER_MESSAGE,
  MAX_PROVIDER_OPTIONS_BYTES,
} from "./limits.ts";
import type { Metadata } from "./session.ts";
import {
  boundedJsonObject,
  contentJson,
  contentText,
  idText,
  isoTime,
  nameText,
  roughlyBoundedContentObject,
  safeJson,
  safeText,
  textFault,
} from "./text.ts";

/** A message's place in its session's log: 1, 2, 3 … without gaps. */
export type Seq = number;
/** A count of tokens by the documented estimator. */
export type TokenCount = number;

export const seqSchema = z.int().min(1);

export const roleSchema = z.enum(["system", "developer", "user", "assistant", "tool"]);
export type Role = z.infer<typeof roleSchema>;

const providerOptions = roughlyBoundedContentObject(MAX_PROVIDER_OPTIONS_BYTES).optional();

export const textPartSchema = z.strictObject({
  type: z.literal("text"),
  text: contentText,
  providerOptions,
});
export const filePartSchema = z.strictObject({
  type: z.literal("file"),
  mediaType: safeText,
  data: contentText.describe("A URL, or base64"),
  filename: contentText.optional(),
  providerOptions,
});
export const reasoningPartSchema = z.strictObject({
  type: z.literal("reasoning"),
  text: contentText,
  providerOptions,
});
/** Some models give a call no id, or calls of one turn the same: a prompt gives each an id of its own. */
const toolCallId = safeText;
const providerExecuted = z
  .boolean()
  .optional()
  .describe("The provider ran the tool itself: no other provider gets the call back as one of its own");
const dynamic = z.boolean().optional().describe("The tool was not known when the application was built");

/** As the AI SDK has it: what it does not know it refuses. */
export const toolApprovalSchema = z
  .strictObject({
    id: safeText.min(1).describe("Of the request for it"),
    approved: z.boolean().optional().describe("What the user answered; left out while nobody has answered"),
    reason: safeText.optional().describe("Why the user answered so"),
    requestReason: safeText.optional().describe("Why it was asked for"),
    isAutomatic: z.boolean().optional(),
    signature: safeText.optional(),
    inputSchemaInput: safeJson.optional(),
    descriptor: safeJson.optional(),
  })
  .describe(
    "Whether the user lets the tool run. The formats `ai-sdk` and `ui` give it back; models are never told of it",
  );
export type ToolApproval = z.infer<typeof toolApprovalSchema>;

export const toolCallPartSchema = z.strictObject({
  type: z.literal("tool-call"),
  toolCallId,
  toolName: safeText.min(1),
  input: contentJson,
  providerExecuted,
  dynamic,
  approval: toolApprovalSchema.optional(),
  providerOptions,
});
export const toolResultPartSchema = z.strictObject({
  type: z.literal("tool-result"),
  toolCallId,
  toolName: safeText.min(1),
  output: contentJson,
  providerExecuted,
  dynamic,
  providerOptions,
});
export const dataPartSchema = z.strictObject({
  type: z.templateLiteral(["data-", z.string().min(1)]).refine((type) => textFault(type) === null, {
    error: "must be well-formed Unicode without NUL characters",
  }),
  id: safeText.optional(),
  data: contentJson,
});

export const partSchema = z
  .union([
    // By their type at once: a message may have hundreds of parts, and trying one kind after the other would cost each of them all of it.
    z.discriminatedUnion("type", [
      textPartSchema,
      filePartSchema,
      reasoningPartSchema,
      toolCallPartSchema,
      toolResultPartSchema,
    ]),
    dataPartSchema,
  ])
  .meta({ id: "Part" });
export type Part = z.infer<typeof partSchema>;

export const contentSchema = z.union([contentText, z.array(partSchema).min(1).max(MAX_PARTS_PER_MESSAGE)]);
export type Content = z.infer<typeof contentSchema>;

/** A message, or 0 for the place before the first. */
const afterSeqSchema = z.int().min(0);

/** What a message says of itself beside its role and its content, whatever shape those have. */
export const ownFields = {
  id: idText.optional().describe("Yours; makes a repeated append harmless. Without it the server makes one."),
  author: nameText(MAX_AUTHOR_LENGTH).optional(),
  metadata: boundedJsonObject(MAX_METADATA_BYTES).optional(),
  occurredAt: isoTime
    .optional()
    .describe(
      "When it was said, if not now. The offset of whoever said it, as in 2026-07-01T23:30:00-07:00, is kept: their days are told by it in summaries and in turns that a query brings back",
    ),
  afterSeq: afterSeqSchema
    .optional()
    .describe(
      "The message that it follows, 0 for none, if not the head of the active branch or the one before it in the batch: an edited question, an answer made anew. What stood behind that message is then off the branch",
    ),
  pinned: z
    .boolean()
    .optional()
    .describe(
      "In each context in its words and its place, as instructions are, in every budget: until it is unpinned or erased. Past a quarter of the budget the oldest are named in `omitted`, and one that is larger alone is cut",
    ),
};

/** A message as a client appends it. */
export const newMessageSchema = z
  .strictObject({ ...ownFields, role: roleSchema, content: contentSchema })
  .meta({ id: "NewMessage" });
export type NewMessage = z.infer<typeof newMessageSchema>;

/** A change of a message. What is left out stays. */
export const messagePatchSchema = z
  .strictObject({
    content: contentSchema.optional(),
    metadata: boundedJsonObject(MAX_METADATA_BYTES).optional().describe("Replaces all metadata"),
    pinned: z
      .boolean()
      .optional()
      .describe(
        "true: pins the message; false: unpins it. Alone it is no edit of what was said: `editedAt` stays, and no summary is made anew",
      ),
  })
  .refine((patch) => patch.content !== undefined || patch.metadata !== undefined || patch.pinned !== undefined, {
    error: "must change content, metadata or pinned",
  })
  .meta({ id: "MessagePatch" });
export type MessagePatch = z.infer<typeof messagePatchSchema>;

/** How far an erasure is: the object forgets at once, the archive once it can be reached. */
export const erasureSchema = z
  .object({
    id: z.string(),
    seq: seqSchema.optional(),
    state: z
      .enum(["erasing", "erased"])
      .describe(
        "erasing: gone from the session; a new summary, the archive or copies have yet to follow; erased: gone everywhere",
      ),
  })
  .meta({ id: "Erasure" });
export type Erasure = z.infer<typeof erasureSchema>;

/** The messages of one append, in whatever shape each of them has. */
export function batchOf<T extends z.ZodType<{ readonly id?: string | undefined }>>(message: T) {
  return z
    .array(message)
    .min(1)
    .max(MAX_MESSAGES_PER_APPEND)
    .superRefine((messages, context) => {
      const seen = new Map<string, number>();
      for (const [index, { id }] of messages.entries()) {
        if (id === undefined) continue;
        const first = seen.get(id);
        if (first === undefined) seen.set(id, index);
        else
          context.addIssue({
            code: "custom",
            path: [index, "id"],
            message: `is the same as that of message ${first}: each message of a batch needs its own`,
          });
      }
    });
}

/** One of several messages that follow the same one. */
export const siblingSchema = z
  .object({
    seq: seqSchema,
    headSeq: seqSchema.describe(
      "The newest message that leads on from it: `PUT …/branch` with this makes it one of the active branch",
    ),
  })
  .meta({ id: "Sibling" });

/** A message as it is stored and given back. */
export const messageSchema = z
  .object({
    id: z.string(),
    seq: seqSchema,
    role: roleSchema,
    author: z.string().optional(),
    content: z.union([z.string(), z.array(partSchema)]),
    metadata: z.record(z.string(), safeJson).optional(),
    occurredAt: z.string().optional(),
    createdAt: z.string(),
    editedAt: z.string().optional(),
    pinned: z.literal(true).optional().describe("In each context in its words, until it is unpinned or erased"),
    erased: z.literal(true).optional().describe("Erased: the seq stays, the content is gone"),
    afterSeq: afterSeqSchema
      .optional()
      .describe("The message that it follows, where that is not the one before it; 0: none"),
    offBranch: z
      .literal(true)
      .optional()
      .describe(
        "It is not on the active branch: readable, and in no prompt, search or summary. Said where messages are listed or read",
      ),
    siblings: z
      .array(siblingSchema)
      .optional()
      .describe(
        "All that follow the same message, by rising seq, this one among them, if there are several: a page shows “2 of 3” by them. Said where messages are listed or read",
      ),
    tokens: z.int().describe("Estimated tokens of the content"),
  })
  .meta({ id: "Message" });
export type Message = z.infer<typeof messageSchema>;

/** Where content was mended on its way in. */
export const mendedSchema = z
  .array(z.string())
  .optional()
  .describe(
    `Paths of what was sent where a character that no store keeps (NUL, half of a surrogate pair) was replaced with U+FFFD, or JSON that nests deeper than 32 levels is kept as a text: the first ${MAX_MENDED_PATHS}. Not there where nothing was mended`,
  );

/** A message as it is after an edit. */
export const editedMessageSchema = messageSchema.extend({ mended: mendedSchema }).meta({ id: "EditedMessage" });
export type EditedMessage = z.infer<typeof editedMessageSchema>;

export const appendedMessageSchema = z.object({
  id: z.string(),
  seq: seqSchema,
  created: z.boolean().describe("false: it was there already"),
  erased: z.literal(true).optional(),
});
export type AppendedMessage = z.infer<typeof appendedMessageSchema>;

/** A message as rows have it, in its object and in the archive. Times are in ms since 1970. */
export interface StoredMessage {
  readonly seq: Seq;
  /** The message that it follows; null if that is the one before it. */
  readonly afterSeq: Seq | null;
  readonly id: string;
  readonly role: Role;
  readonly author: string | null;
  /** null once erased. */
  readonly content: Content | null;
  readonly metadata: Metadata | null;
  readonly occurredAt: number | null;
  readonly createdAt: number;
  readonly editedAt: number | null;
  readonly erasedAt: number | null;
}
