import { z } from "zod";
import {
  MAX_AUTHOR_LENGTH,
  MAX_ITEM_TEXT_LENGTH,
  MAX_MESSAGES_PER_SESSION,
  MAX_METADATA_BYTES,
  MAX_SOURCES_PER_ITEM,
  MAX_SUMMARY_TOKENS,
} from "./limits.ts";
import { contentSchema, mendedSchema, roleSchema, seqSchema } from "./message.ts";
import { metadataSchema, sessionIdSchema, sessionSettingsSchema } from "./session.ts";
import { itemKindSchema, itemStatusSchema, summaryUsageSchema } from "./summary.ts";
import { boundedJsonObject, idText, isoTime, nameText, safeText } from "./text.ts";

/**
 * A session as JSON Lines (`application/x-ndjson`): a line for the session, one for each message in order, one for each
 * version of the summary, one for each item, and an end line with their counts, by which a truncated file is
 * recognized. A session that was imported exports the same bytes again.
 */

export const TRANSFER_FORMAT = "threadkeep-session";
export const TRANSFER_VERSION = 1;
export const TRANSFER_MEDIA_TYPE = "application/x-ndjson";

/**
 * The prefix of the `summarizer` of an imported version, because only the file says what made it. An export removes it.
 */
export const IMPORTED_BY = "import:";

/**
 * The largest count and version in a file: far more than a session reaches, and far below what the archive's columns
 * hold, because versions continue to rise after an import.
 */
const MAX_COUNT = 1_000_000_000;
const countSchema = z.int().min(0).max(MAX_COUNT);
const versionSchema = z.int().min(1).max(MAX_COUNT);

export const sessionLineSchema = z.strictObject({
  type: z.literal("session"),
  format: z.literal(TRANSFER_FORMAT),
  formatVersion: z.literal(TRANSFER_VERSION),
  id: sessionIdSchema,
  createdAt: isoTime,
  metadata: metadataSchema,
  settings: sessionSettingsSchema,
});
export type SessionLine = z.infer<typeof sessionLineSchema>;

export const messageLineSchema = z
  .strictObject({
    type: z.literal("message"),
    seq: seqSchema,
    id: idText,
    afterSeq: z
      .int()
      .min(0)
      .optional()
      .describe("The message that it follows, if that is not the one before it; 0: none"),
    role: roleSchema,
    author: nameText(MAX_AUTHOR_LENGTH).optional(),
    content: contentSchema.optional(),
    metadata: boundedJsonObject(MAX_METADATA_BYTES).optional(),
    occurredAt: isoTime.optional(),
    createdAt: isoTime,
    editedAt: isoTime.optional(),
    pinned: z.literal(true).optional(),
    erasedAt: isoTime.optional(),
  })
  .refine((line) => (line.content === undefined) === (line.erasedAt !== undefined), {
    path: ["content"],
    error: "must be there, unless the message was erased: then erasedAt says when, and nothing of it is left",
  });
export type MessageLine = z.infer<typeof messageLineSchema>;

export const summaryLineSchema = z.strictObject({
  type: z.literal("summary"),
  version: versionSchema,
  throughSeq: z.int().min(0).max(MAX_MESSAGES_PER_SESSION),
  tokens: z.int().min(0).max(MAX_SUMMARY_TOKENS),
  summarizer: safeText.max(200),
  degraded: z.boolean(),
  droppedItems: countSchema,
  usage: summaryUsageSchema.optional(),
  createdAt: isoTime,
});
export type SummaryLine = z.infer<typeof summaryLineSchema>;

export const itemLineSchema = z.strictObject({
  type: z.literal("item"),
  id: safeText.min(1).max(64),
  fromVersion: versionSchema,
  toVersion: versionSchema.min(2).optional().describe("The first version that no longer contains the item"),
  kind: itemKindSchema,
  text: safeText.min(1).max(MAX_ITEM_TEXT_LENGTH),
  sourceSeqs: z.array(seqSchema.max(MAX_MESSAGES_PER_SESSION)).min(1).max(MAX_SOURCES_PER_ITEM),
  sourceSession: sessionIdSchema.optional(),
  status: itemStatusSchema,
});
export type ItemLine = z.infer<typeof itemLineSchema>;

export const endLineSchema = z.strictObject({
  type: z.literal("end"),
  messages: z.int().min(0),
  summaries: z.int().min(0),
  items: z.int().min(0),
  branchHeadSeq: seqSchema
    .optional()
    .describe("The last message of the active branch, if that is not the newest message"),
  complete: z.boolean().describe("false: the session was edited during the export; export it again"),
});
export type EndLine = z.infer<typeof endLineSchema>;

export const transferLineSchema = z.discriminatedUnion("type", [
  sessionLineSchema,
  messageLineSchema,
  summaryLineSchema,
  itemLineSchema,
  endLineSchema,
]);
export type TransferLine = z.infer<typeof transferLineSchema>;

/** The body that starts an import in parts. */
export const importRequestSchema = z
  .strictObject({
    id: idText
      .optional()
      .describe(
        "An id of your choice for the import, so that a repeated request has no effect. If left out, the server makes one",
      ),
    session: sessionLineSchema.describe(
      "The first line of the file. The new session gets the id in the path, whatever this line says",
    ),
  })
  .meta({ id: "ImportRequest" });
export type ImportRequest = z.infer<typeof importRequestSchema>;

/** The progress of an import in parts. */
export const importStateSchema = z
  .object({
    id: z.string().describe("Id of the import"),
    sessionId: z.string(),
    state: z.enum(["open", "complete", "abandoned"]).describe("open: the session is not visible yet"),
    throughLine: z
      .int()
      .nullable()
      .describe(
        "The last line of the file that was received, counted from 1: continue with the next one. null once it is complete",
      ),
    messages: z.int(),
    summaries: z.int(),
    items: z.int(),
    droppedItems: z.int(),
    expiresAt: z
      .string()
      .nullable()
      .describe("When the import is abandoned if no further line arrives; null once it is complete"),
    mended: mendedSchema.describe("Changed content in the lines of this request, such as `line 7/content`"),
  })
  .meta({ id: "ImportState" });
export type ImportState = z.infer<typeof importStateSchema>;

/** What an import stored. */
export const importResultSchema = z
  .object({
    id: z.string(),
    messages: z.int(),
    summaries: z.int(),
    items: z.int(),
    droppedItems: z.int().describe("Items that were left out, because the messages that they cite do not support them"),
    mended: mendedSchema.describe("Changed content in the lines of this request, such as `line 7/content`"),
  })
  .meta({ id: "ImportResult" });
export type ImportResult = z.infer<typeof importResultSchema>;
