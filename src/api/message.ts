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

/** The number of a message in its session: 1, 2, 3 … without gaps. */
export type Seq = number;
/** A number of tokens, as the estimator of src/tokens counts them. */
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
const filePartSchema = z.strictObject({
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
/**
 * Not necessarily unique: some models give a call no id, or give all calls of a turn the same one. A prompt gives each
 * call an id of its own.
 */
const toolCallId = safeText;
const providerExecuted = z
  .boolean()
  .optional()
  .describe("The provider ran the tool itself. The call is not sent to another provider as a tool call");
const dynamic = z.boolean().optional().describe("The tool was not known when the application was built");

/**
 * The approval of a tool call, with the fields of the AI SDK. Unknown fields are refused, as the AI SDK refuses them.
 */
const toolApprovalSchema = z
  .strictObject({
    id: safeText.min(1).describe("Id of the approval request"),
    approved: z.boolean().optional().describe("The user's answer; left out while there is none"),
    reason: safeText.optional().describe("Why the user answered so"),
    requestReason: safeText.optional().describe("Why the approval was requested"),
    isAutomatic: z.boolean().optional(),
    signature: safeText.optional(),
    inputSchemaInput: safeJson.optional(),
    descriptor: safeJson.optional(),
  })
  .describe(
    "Whether the user allows the tool to run. The formats `ai-sdk` and `ui` return it; it is never part of a model's prompt",
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
const dataPartSchema = z.strictObject({
  type: z.templateLiteral(["data-", z.string().min(1)]).refine((type) => textFault(type) === null, {
    error: "must be well-formed Unicode without NUL characters",
  }),
  id: safeText.optional(),
  data: contentJson,
});

/** @internal The service itself needs it only as a part of other schemas, or for its type; tests compare it with what clients and documents have. */
export const partSchema = z
  .union([
    // A discriminated union finds the right schema by `type`. A message may have hundreds of parts, and a plain union
    // would try every schema on each of them.
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

/** The seq of a message, or 0 for the place before the first message. */
const afterSeqSchema = z.int().min(0);

/** The fields of an incoming message beside its role and content. They are the same in every format. */
export const ownFields = {
  id: idText
    .optional()
    .describe(
      "An id of your choice: an append that is repeated with the same id has no effect. If left out, the server makes one",
    ),
  author: nameText(MAX_AUTHOR_LENGTH).optional(),
  metadata: boundedJsonObject(MAX_METADATA_BYTES).optional(),
  occurredAt: isoTime
    .optional()
    .describe(
      "When it was said, if not now. Give the speaker's UTC offset, as in 2026-07-01T23:30:00-07:00: it is stored, and summaries and retrieved messages use it to tell the speaker's day",
    ),
  afterSeq: afterSeqSchema
    .optional()
    .describe(
      "The message that this one follows, or 0 for none. By default it follows the newest message of the active branch, or the previous message of the batch. Set it to replace an edited question or a regenerated answer: the messages that followed before are then no longer on the active branch",
    ),
  pinned: z
    .boolean()
    .optional()
    .describe(
      "Keep this message in every context, verbatim and in its place, in any budget, until it is unpinned or erased. Pinned messages get at most a quarter of the budget: beyond that the oldest are listed in `omitted`, and a single one that is larger is cut",
    ),
};

/** A message as a client appends it. */
export const newMessageSchema = z
  .strictObject({ ...ownFields, role: roleSchema, content: contentSchema })
  .meta({ id: "NewMessage" });
export type NewMessage = z.infer<typeof newMessageSchema>;

/** A change of a message. Fields that are left out keep their values. */
export const messagePatchSchema = z
  .strictObject({
    content: contentSchema.optional(),
    metadata: boundedJsonObject(MAX_METADATA_BYTES).optional().describe("Replaces all metadata"),
    pinned: z
      .boolean()
      .optional()
      .describe(
        "true: pins the message; false: unpins it. A change of `pinned` alone is not an edit: `editedAt` stays, and no summary is rebuilt",
      ),
  })
  .refine((patch) => patch.content !== undefined || patch.metadata !== undefined || patch.pinned !== undefined, {
    error: "must change content, metadata or pinned",
  })
  .meta({ id: "MessagePatch" });
export type MessagePatch = z.infer<typeof messagePatchSchema>;

/** How far an erasure is. The session object erases immediately; the archive follows when it can be reached. */
export const erasureSchema = z
  .object({
    id: z.string(),
    seq: seqSchema.optional(),
    state: z
      .enum(["erasing", "erased"])
      .describe(
        "erasing: the message is erased from the session, but the summary, the archive or copies of the session have not followed yet; erased: it is erased everywhere",
      ),
  })
  .meta({ id: "Erasure" });
export type Erasure = z.infer<typeof erasureSchema>;

/**
 * The schema of the messages of one append, whose ids must differ.
 * @param message the schema of one message
 */
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

/** One of several messages that follow the same message. */
const siblingSchema = z
  .object({
    seq: seqSchema,
    headSeq: seqSchema.describe(
      "The newest message that continues from it. `PUT …/branch` with this seq makes it part of the active branch",
    ),
  })
  .meta({ id: "Sibling" });

/** A message as it is stored and returned. */
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
    pinned: z
      .literal(true)
      .optional()
      .describe("The message is kept verbatim in every context until it is unpinned or erased"),
    erased: z.literal(true).optional().describe("The message was erased: its seq remains, its content is gone"),
    afterSeq: afterSeqSchema
      .optional()
      .describe("The message that it follows, if that is not the one before it; 0: none"),
    offBranch: z
      .literal(true)
      .optional()
      .describe(
        "The message is not on the active branch: it can be read, but is in no prompt, search or summary. Present where messages are listed or read",
      ),
    siblings: z
      .array(siblingSchema)
      .optional()
      .describe(
        "All messages that follow the same message, this one included, ordered by seq, if there are several. A page can show “2 of 3” with it. Present where messages are listed or read",
      ),
    tokens: z.int().describe("Estimated tokens of the content"),
  })
  .meta({ id: "Message" });
export type Message = z.infer<typeof messageSchema>;

/** The paths of an accepted request where content was replaced before it was stored. */
export const mendedSchema = z
  .array(z.string())
  .optional()
  .describe(
    `Paths in the request whose content was changed before it was stored: a character that cannot be stored (NUL, or half of a surrogate pair) was replaced with U+FFFD, or JSON with more than 32 levels was converted to text. At most ${MAX_MENDED_PATHS}; left out if nothing was changed`,
  );

/** A message after an edit. */
export const editedMessageSchema = messageSchema.extend({ mended: mendedSchema }).meta({ id: "EditedMessage" });
export type EditedMessage = z.infer<typeof editedMessageSchema>;

export const appendedMessageSchema = z.object({
  id: z.string(),
  seq: seqSchema,
  created: z.boolean().describe("false: the message existed already"),
  erased: z.literal(true).optional(),
});
export type AppendedMessage = z.infer<typeof appendedMessageSchema>;

/** A message as rows of the object and of the archive store it. Times are in ms since 1970. */
export interface StoredMessage {
  readonly seq: Seq;
  /** The message that it follows; null if that is the one before it. */
  readonly afterSeq: Seq | null;
  readonly id: string;
  readonly role: Role;
  readonly author: string | null;
  /** Null once it is erased. */
  readonly content: Content | null;
  readonly metadata: Metadata | null;
  readonly occurredAt: number | null;
  readonly createdAt: number;
  readonly editedAt: number | null;
  readonly erasedAt: number | null;
}
