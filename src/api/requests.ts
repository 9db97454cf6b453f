/**
 * The table of requests: every request to the service, the scopes that it needs, and what the audit log records of it.
 * Use cases, HTTP, RPC, MCP, the OpenAPI document, the metrics and the audit log use this table, so that they cannot differ.
 */

import type { Scope } from "./principal.ts";

interface RequestTerms {
  /**
   * The caller needs all of them. Users and tickets only have scopes that start with `memory:`. A use case that needs
   * more for some bodies, such as an append that requests a context, checks that itself.
   */
  readonly scopes: readonly Scope[];
  /**
   * Which successes are audited. `each`: every one, as an event. `ranges`: many in one event, which for appends the
   * session's object records, and for the lines of an import its completion. `refusals`: none. Refusals are always counted.
   */
  readonly audit: "each" | "ranges" | "refusals";
}

/** The requests, by their names in the OpenAPI document, the audit log and the metrics. A read with two HTTP routes has one row. */
export const REQUESTS = {
  createSession: { scopes: ["memory:write"], audit: "each" },
  forkSession: { scopes: ["memory:read", "memory:write"], audit: "each" },
  listSessions: { scopes: ["memory:read"], audit: "refusals" },
  readSession: { scopes: ["memory:read"], audit: "refusals" },
  updateSession: { scopes: ["memory:write"], audit: "each" },
  switchBranch: { scopes: ["memory:write"], audit: "each" },
  eraseSession: { scopes: ["memory:erase"], audit: "each" },
  appendMessages: { scopes: ["memory:write"], audit: "ranges" },
  listMessages: { scopes: ["memory:read"], audit: "refusals" },
  readMessage: { scopes: ["memory:read"], audit: "refusals" },
  editMessage: { scopes: ["memory:write"], audit: "each" },
  eraseMessage: { scopes: ["memory:erase"], audit: "each" },
  readContext: { scopes: ["memory:read"], audit: "refusals" },
  searchSession: { scopes: ["memory:read"], audit: "refusals" },
  searchMemory: { scopes: ["memory:read"], audit: "refusals" },
  listSummaries: { scopes: ["memory:read"], audit: "refusals" },
  readSummary: { scopes: ["memory:read"], audit: "refusals" },
  compareSummaries: { scopes: ["memory:read"], audit: "refusals" },
  restoreSummary: { scopes: ["memory:write"], audit: "each" },
  listLosses: { scopes: ["memory:read"], audit: "refusals" },
  summarizeSession: { scopes: ["memory:write"], audit: "each" },
  answerSession: { scopes: ["memory:read", "memory:write", "ops"], audit: "each" },
  followSession: { scopes: ["memory:read"], audit: "refusals" },
  issueTicket: { scopes: ["memory:read"], audit: "each" },
  exportSession: { scopes: ["memory:read"], audit: "each" },
  importSession: { scopes: ["memory:write"], audit: "each" },
  beginImport: { scopes: ["memory:write"], audit: "each" },
  addImportLines: { scopes: ["memory:write"], audit: "ranges" },
  readImport: { scopes: ["memory:write"], audit: "refusals" },
  completeImport: { scopes: ["memory:write"], audit: "each" },
  abandonImport: { scopes: ["memory:write"], audit: "each" },
  exportUser: { scopes: ["memory:read"], audit: "each" },
  eraseUser: { scopes: ["memory:erase"], audit: "each" },
  readUserErasure: { scopes: ["memory:erase"], audit: "refusals" },
  createTenant: { scopes: ["admin"], audit: "each" },
  listTenants: { scopes: ["admin"], audit: "each" },
  readTenant: { scopes: ["admin"], audit: "each" },
  readSpending: { scopes: ["admin"], audit: "each" },
  listUsers: { scopes: ["admin"], audit: "each" },
  updateTenant: { scopes: ["admin"], audit: "each" },
  createKey: { scopes: ["admin"], audit: "each" },
  listKeys: { scopes: ["admin"], audit: "each" },
  rotateKey: { scopes: ["admin"], audit: "each" },
  revokeKey: { scopes: ["admin"], audit: "each" },
  listFailedJobs: { scopes: ["admin"], audit: "each" },
  listAlerts: { scopes: ["admin"], audit: "each" },
  retryFailedJob: { scopes: ["admin"], audit: "each" },
  retryFailedJobs: { scopes: ["admin"], audit: "each" },
  dropFailedJob: { scopes: ["admin"], audit: "each" },
  startOperation: { scopes: ["admin"], audit: "each" },
  listOperations: { scopes: ["admin"], audit: "each" },
  readOperation: { scopes: ["admin"], audit: "each" },
  cancelOperation: { scopes: ["admin"], audit: "each" },
  readAudit: { scopes: ["ops"], audit: "each" },
  readMetrics: { scopes: ["ops"], audit: "refusals" },
  askSummarizer: { scopes: ["summarizer"], audit: "each" },
  createSignInLink: { scopes: ["admin"], audit: "each" },
} as const satisfies Record<string, RequestTerms>;

export type RequestAction = keyof typeof REQUESTS;

export function termsOfRequest(action: RequestAction): RequestTerms {
  return REQUESTS[action];
}

/** All the scopes that a caller needs for several requests. */
export function scopesOf(actions: readonly RequestAction[]): Scope[] {
  return [...new Set(actions.flatMap((action) => termsOfRequest(action).scopes))];
}
