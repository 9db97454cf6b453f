/** The examples in the OpenAPI document, by operation: one for the request body, and one for each status. */

import { writeOpenMetrics } from "../../src/http/open-metrics.ts";
import { sample } from "./samples.ts";
import { operationSample } from "./samples/operations.ts";

export interface OperationExamples {
  readonly body?: unknown;
  readonly answers: Readonly<Record<number, unknown>>;
}

export const EXAMPLES: Readonly<Record<string, OperationExamples>> = {
  createTenant: { body: sample.newTenant, answers: { 200: sample.tenant, 201: sample.newTenantState } },
  listTenants: { answers: { 200: sample.tenantPage } },
  readTenant: { answers: { 200: sample.tenant } },
  updateTenant: { body: sample.tenantPatch, answers: { 200: sample.tenant } },
  readSpending: { answers: { 200: sample.spending } },
  listUsers: { answers: { 200: sample.userPage } },
  listAlerts: { answers: { 200: sample.alertList } },
  readAudit: { answers: { 200: sample.auditPage } },
  readContext: { answers: { 200: sample.context } },
  requestContext: { body: sample.contextRequest, answers: { 200: sample.context } },
  listFailedJobs: { answers: { 200: sample.failurePage } },
  retryFailedJob: { answers: { 200: sample.jobRetry } },
  retryFailedJobs: { body: sample.retryRequest, answers: { 200: sample.jobRetries } },
  dropFailedJob: { answers: { 200: sample.jobDrop } },
  createKey: { body: sample.newKey, answers: { 201: sample.createdKey } },
  listKeys: { answers: { 200: sample.keyPage } },
  rotateKey: { body: sample.keyRotation, answers: { 201: sample.createdKey } },
  revokeKey: { answers: { 200: sample.revokedKey } },
  followSession: { answers: { 101: sample.liveEvent, 200: sample.liveHello } },
  issueTicket: { body: sample.ticketRequest, answers: { 201: sample.ticket } },
  appendMessages: { body: sample.appendRequest, answers: { 200: sample.repeatedAppend, 201: sample.appendResult } },
  listMessages: { answers: { 200: sample.messagePage } },
  readMessage: { answers: { 200: sample.message } },
  editMessage: { body: sample.messagePatch, answers: { 200: sample.editedMessage } },
  eraseMessage: { answers: { 202: sample.erasure } },
  readMetrics: {
    answers: {
      200: writeOpenMetrics([
        {
          name: "threadkeep_failed_jobs",
          help: "Jobs that fail.",
          samples: [{ labels: { kind: "archive", state: "retrying" }, value: 3 }],
        },
      ]),
    },
  },
  startOperation: {
    body: operationSample.newOperation,
    answers: { 200: operationSample.run, 202: operationSample.queuedRun },
  },
  listOperations: { answers: { 200: operationSample.runPage } },
  readOperation: { answers: { 200: operationSample.run } },
  cancelOperation: { answers: { 200: operationSample.cancelledRun } },
  searchSession: { body: sample.searchRequest, answers: { 200: sample.searchResult } },
  searchMemory: { body: sample.memorySearchRequest, answers: { 200: sample.memorySearchResult } },
  createSession: { body: sample.newSession, answers: { 200: sample.session, 201: sample.newSessionState } },
  forkSession: { body: sample.forkRequest, answers: { 200: sample.fork, 201: sample.fork, 202: sample.copyingFork } },
  listSessions: { answers: { 200: sample.sessionPage } },
  readSession: { answers: { 200: sample.session } },
  updateSession: { body: sample.sessionPatch, answers: { 200: sample.session } },
  eraseSession: { answers: { 202: sample.sessionErasure } },
  switchBranch: { body: sample.branchRequest, answers: { 200: sample.session } },
  summarizeSession: { body: sample.summarizeRequest, answers: { 202: sample.summarizeResult } },
  listSummaries: { answers: { 200: sample.summaryPage } },
  readSummary: { answers: { 200: sample.summaryVersion } },
  compareSummaries: { answers: { 200: sample.summaryChanges } },
  restoreSummary: { body: sample.restoreRequest, answers: { 200: sample.restoredSummary } },
  listLosses: { answers: { 200: sample.lossPage } },
  exportSession: { answers: { 200: sample.transferLine } },
  importSession: { body: sample.transferLine, answers: { 201: sample.importResult } },
  beginImport: { body: sample.importRequest, answers: { 202: sample.importState } },
  addImportLines: { body: sample.transferMessage, answers: { 200: sample.importState } },
  readImport: { answers: { 200: sample.importState } },
  completeImport: { answers: { 201: sample.importResult } },
  abandonImport: { answers: { 200: sample.abandonedImport } },
  exportUser: { answers: { 200: sample.userLine } },
  eraseUser: { answers: { 202: sample.userErasure } },
  readUserErasure: { answers: { 200: sample.doneUserErasure } },
};
