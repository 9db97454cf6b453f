import { describe, expect, it } from "vitest";
import type { z } from "zod";
import { sample } from "../../scripts/openapi/samples.ts";
import { operationSample } from "../../scripts/openapi/samples/operations.ts";
import { alertListSchema } from "../../src/api/alert.ts";
import {
  createdKeySchema,
  keyRotationSchema,
  keyStateSchema,
  newKeySchema,
  revokedKeySchema,
} from "../../src/api/api-key.ts";
import { appendRequestSchema, appendResultSchema } from "../../src/api/append.ts";
import { auditEventSchema } from "../../src/api/audit.ts";
import { contextRequestSchema, contextSchema } from "../../src/api/context.ts";
import { jobDropSchema, jobRetriesSchema, jobRetrySchema, retryRequestSchema } from "../../src/api/failed-job.ts";
import { failureSchema, jobSchema, summarizeRequestSchema } from "../../src/api/job.ts";
import {
  clientFrameSchema,
  helloSchema,
  liveEventSchema,
  ticketRequestSchema,
  ticketSchema,
} from "../../src/api/live.ts";
import { memorySearchRequestSchema, memorySearchResultSchema } from "../../src/api/memory-search.ts";
import { erasureSchema, messagePatchSchema, messageSchema } from "../../src/api/message.ts";
import { newOperationSchema, operationRunSchema } from "../../src/api/operation-run.ts";
import { pageSchema } from "../../src/api/page.ts";
import { searchRequestSchema, searchResultSchema } from "../../src/api/search.ts";
import {
  branchRequestSchema,
  forkRequestSchema,
  listedSessionSchema,
  newSessionSchema,
  sessionPatchSchema,
  sessionStateSchema,
} from "../../src/api/session.ts";
import {
  lossSchema,
  restoreRequestSchema,
  summaryChangesSchema,
  summarySchema,
  summaryVersionSchema,
} from "../../src/api/summary.ts";
import {
  listedTenantSchema,
  listedUserSchema,
  newTenantSchema,
  spendingSchema,
  tenantPatchSchema,
  tenantStateSchema,
} from "../../src/api/tenant.ts";
import {
  importRequestSchema,
  importResultSchema,
  importStateSchema,
  transferLineSchema,
} from "../../src/api/transfer.ts";
import { userErasureSchema, userTransferLineSchema } from "../../src/api/user.ts";

describe("the examples of the API reference", () => {
  const examples: Record<Exclude<keyof typeof sample, "summarizeResult">, z.ZodType> = {
    summaryChanges: summaryChangesSchema,
    restoreRequest: restoreRequestSchema,
    restoredSummary: summarySchema,
    lossPage: pageSchema(lossSchema),
    newSession: newSessionSchema,
    newSessionState: sessionStateSchema,
    session: sessionStateSchema,
    sessionPatch: sessionPatchSchema,
    sessionPage: pageSchema(listedSessionSchema),
    branchRequest: branchRequestSchema,
    forkRequest: forkRequestSchema,
    fork: sessionStateSchema,
    copyingFork: sessionStateSchema,
    transferLine: transferLineSchema,
    transferMessage: transferLineSchema,
    importRequest: importRequestSchema,
    importState: importStateSchema,
    abandonedImport: importStateSchema,
    importResult: importResultSchema,
    userLine: userTransferLineSchema,
    userErasure: userErasureSchema,
    doneUserErasure: userErasureSchema,
    appendRequest: appendRequestSchema,
    appendResult: appendResultSchema,
    repeatedAppend: appendResultSchema,
    message: messageSchema,
    messagePage: pageSchema(messageSchema),
    messagePatch: messagePatchSchema,
    editedMessage: messageSchema,
    searchRequest: searchRequestSchema,
    searchResult: searchResultSchema,
    memorySearchRequest: memorySearchRequestSchema,
    memorySearchResult: memorySearchResultSchema,
    erasure: erasureSchema,
    sessionErasure: erasureSchema,
    liveHello: helloSchema,
    liveEvent: liveEventSchema,
    liveFrame: clientFrameSchema,
    ticketRequest: ticketRequestSchema,
    ticket: ticketSchema,
    contextRequest: contextRequestSchema,
    context: contextSchema,
    summary: summarySchema,
    summaryVersion: summaryVersionSchema,
    summaryPage: pageSchema(summaryVersionSchema),
    summarizeRequest: summarizeRequestSchema,
    failurePage: pageSchema(failureSchema),
    alertList: alertListSchema,
    jobRetry: jobRetrySchema,
    jobDrop: jobDropSchema,
    retryRequest: retryRequestSchema,
    jobRetries: jobRetriesSchema,
    tenantPatch: tenantPatchSchema,
    tenant: tenantStateSchema,
    newTenant: newTenantSchema,
    newTenantState: tenantStateSchema,
    tenantPage: pageSchema(listedTenantSchema),
    spending: spendingSchema,
    userPage: pageSchema(listedUserSchema),
    newKey: newKeySchema,
    createdKey: createdKeySchema,
    revokedKey: revokedKeySchema,
    keyPage: pageSchema(keyStateSchema),
    keyRotation: keyRotationSchema,
    auditPage: pageSchema(auditEventSchema),
  };

  it.each(Object.entries(examples))("%s is exactly what its schema says", (name, schema) => {
    const value = Object.entries(sample).find(([key]) => key === name)?.[1];
    expect(schema.parse(value)).toEqual(value);
  });

  const ofOperations: Record<keyof typeof operationSample, z.ZodType> = {
    newOperation: newOperationSchema,
    queuedRun: operationRunSchema,
    run: operationRunSchema,
    cancelledRun: operationRunSchema,
    runPage: pageSchema(operationRunSchema),
  };

  it.each(Object.entries(ofOperations))("%s of the operations is what its schema says", (name, schema) => {
    const value = Object.entries(operationSample).find(([key]) => key === name)?.[1];
    expect(schema.parse(value)).toMatchObject(Object(value));
  });

  it("summarizeResult is a job and a summary", () => {
    expect(jobSchema.parse(sample.summarizeResult.job)).toEqual(sample.summarizeResult.job);
    expect(summarySchema.parse(sample.summarizeResult.summary)).toEqual(sample.summarizeResult.summary);
  });

  it("contain a context that misses no message and adds up", () => {
    const { context } = sample;
    const covered = new Set(context.messages.map((message) => message.seq));
    for (let seq = 1; seq <= (context.summary?.throughSeq ?? 0); seq += 1) covered.add(seq);
    for (const range of context.omitted) {
      for (let seq = range.fromSeq; seq <= range.throughSeq; seq += 1) covered.add(seq);
    }
    expect(covered.size).toBe(context.headSeq);
    expect(context.tokens.used).toBe(context.tokens.summary + context.tokens.messages);
  });
});
