import { z } from "zod";
import { appendRequestSchema } from "../api/append.ts";
import { contextRequestSchema } from "../api/context.ts";
import { summarizeRequestSchema } from "../api/job.ts";
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from "../api/limits.ts";
import { memorySearchRequestSchema } from "../api/memory-search.ts";
import { messagePatchSchema, seqSchema } from "../api/message.ts";
import { searchRequestSchema } from "../api/search.ts";
import {
  branchRequestSchema,
  forkRequestSchema,
  newSessionSchema,
  sessionIdSchema,
  sessionPatchSchema,
  userIdSchema,
} from "../api/session.ts";
import { restoreRequestSchema } from "../api/summary.ts";
import { idText, safeText } from "../api/text.ts";
import { importRequestSchema } from "../api/transfer.ts";

const sessionParams = z.strictObject({ sessionId: sessionIdSchema });
const messageParams = sessionParams.extend({ messageId: idText });
const limit = z.int().min(1).max(MAX_PAGE_SIZE).default(DEFAULT_PAGE_SIZE);
const cursor = safeText.min(1).max(1024).optional();
const NO_BODY = z.undefined();

/** The input schemas of the methods. */
export const inputs = {
  create: z.object({ body: newSessionSchema.default({}) }),
  sessions: z.object({
    query: z
      .strictObject({ limit, cursor, metadata: z.record(safeText, safeText).optional() })
      .default({ limit: DEFAULT_PAGE_SIZE }),
  }),
  session: z.object({ params: sessionParams, body: NO_BODY }),
  update: z.object({ params: sessionParams, body: sessionPatchSchema }),
  fork: z.object({ params: sessionParams, body: forkRequestSchema.default({}) }),
  branch: z.object({ params: sessionParams, body: branchRequestSchema }),
  append: z.object({ params: sessionParams, body: appendRequestSchema }),
  messages: z.object({
    params: sessionParams,
    query: z
      .strictObject({
        afterSeq: z.int().min(0).optional(),
        beforeSeq: seqSchema.optional(),
        branch: z.literal("active").optional(),
        limit,
      })
      .default({ limit: DEFAULT_PAGE_SIZE }),
  }),
  message: z.object({ params: messageParams }),
  edit: z.object({ params: messageParams, body: messagePatchSchema }),
  context: z.object({ params: sessionParams, body: contextRequestSchema.default({}) }),
  search: z.object({ params: sessionParams, body: searchRequestSchema }),
  searchMemory: z.object({ body: memorySearchRequestSchema }),
  summaries: z.object({
    params: sessionParams,
    query: z.strictObject({ limit, cursor }).default({ limit: DEFAULT_PAGE_SIZE }),
  }),
  summary: z.object({
    params: sessionParams.extend({ version: z.int().min(1) }),
    query: z.strictObject({ expand: z.literal("sources").optional() }).default({}),
  }),
  summaryChanges: z.object({
    params: sessionParams.extend({ version: z.int().min(1) }),
    query: z.strictObject({ from: z.int().min(1).optional() }).default({}),
  }),
  losses: z.object({
    params: sessionParams.extend({ version: z.int().min(1) }),
    query: z.strictObject({ limit, cursor }).default({ limit: DEFAULT_PAGE_SIZE }),
  }),
  restoreSummary: z.object({
    params: sessionParams.extend({ version: z.int().min(1) }),
    body: restoreRequestSchema.default({}),
  }),
  summarize: z.object({ params: sessionParams, body: summarizeRequestSchema.default({}) }),
  user: z.object({ params: z.strictObject({ userId: userIdSchema }), body: NO_BODY }),
  exportUser: z.object({
    params: z.strictObject({ userId: userIdSchema }),
    query: z.strictObject({ limit: limit.default(MAX_PAGE_SIZE), cursor }).default({ limit: MAX_PAGE_SIZE }),
  }),
  beginImport: z.object({ params: sessionParams, body: importRequestSchema }),
  importPart: z.object({
    params: sessionParams.extend({ importId: idText }),
    query: z.strictObject({ afterLine: z.int().min(1) }),
  }),
  anImport: z.object({ params: sessionParams.extend({ importId: idText }) }),
  import: z.object({ query: z.strictObject({ sessionId: sessionIdSchema.optional() }).default({}) }),
};
