import { waitUntil } from "cloudflare:workers";
import { createAdminCheck } from "./access/admin-check.ts";
import { auditRefusedRequests, auditFailedAuthentication } from "./access/audit-refusals.ts";
import { createAuthenticator } from "./access/authenticate.ts";
import { costsOf, NO_COSTS, Pace, paceRequests } from "./access/pace.ts";
import { createAdmission, createRequestLimit, limitersOf } from "./access/rate-limit.ts";
import { createSignInOffice, exchangeTicket } from "./access/sign-in.ts";
import { createTokenVerifier } from "./access/supabase.ts";
import { createTicketOffice } from "./access/tickets.ts";
import { limitUnauthenticated } from "./access/unauthenticated-limit.ts";
import { ARCHIVE_AWAY_ID } from "./api/job.ts";
import { type Database, withDatabase } from "./archive/database.ts";
import { ping } from "./archive/sessions.ts";
import { parseConfig } from "./config/config.ts";
import { createAlertClient } from "./control/alert-client.ts";
import { createOperationsClient } from "./control/client.ts";
import { createOutageClient } from "./control/outage-client.ts";
import { createDirectoryClient } from "./directory/client.ts";
import { createOwnersClient } from "./directory/owners-client.ts";
import { createUserClient } from "./directory/user-client.ts";
import { createEmbedder } from "./embedder/embedder.ts";
import { createQueryEmbedder } from "./embedder/query-embedder.ts";
import { type AppOptions, createApp } from "./http/app.ts";
import { checkAlerts } from "./maintenance/check-alerts.ts";
import { endLostRuns } from "./maintenance/end-lost-runs.ts";
import { retainAudit } from "./maintenance/retain-audit.ts";
import { createEndReader, createRunStarter } from "./maintenance/start-run.ts";
import { requestsIn } from "./mcp/batch.ts";
import { challengeOf, describeResource, MCP_ROUTE, METADATA_ROUTES, resourceOf } from "./mcp/protected-resource.ts";
import { createMcpSurface } from "./mcp/surface.ts";
import type { PipelineDeps } from "./pipeline/delivery.ts";
import { createFanOutClient, createSessionClient } from "./session/client.ts";
import { createAgents } from "./summarizer/agents.ts";
import { createChatModel } from "./summarizer/chat-model.ts";
import { SUMMARIZER_ROUTE } from "./summarizer/server.ts";
import { auditQueuesOf, sendAuditEvents } from "./telemetry/audit-queues.ts";
import { createAuditTrail } from "./telemetry/audit.ts";
import { type CountedQueues, readBacklogs } from "./telemetry/backlog.ts";
import type { Log } from "./telemetry/log.ts";
import { createMetrics } from "./telemetry/metrics.ts";
import { describeInvocation } from "./telemetry/span.ts";
import { createTenantClient } from "./tenant/client.ts";
import { createCopyReader } from "./tenant/copy-reader.ts";
import { createMeaningOf } from "./usecases/query-meaning.ts";
import { createReadiness } from "./usecases/readiness.ts";
import type { Deps } from "./usecases/request-context.ts";

export type Assembly = ReturnType<typeof assemble>;

/**
 * Creates all parts of an isolate from its bindings and settings, and connects them.
 * @throws {ConfigError} if the variables are not valid
 */
export function assemble(env: Env, log: Log) {
  const config = parseConfig({ ...env });
  const agents = createAgents(config, log);
  const embedder = config.embeddings === null ? null : createEmbedder({ settings: config.embeddings });
  const metrics = createMetrics(env.METRICS, config.metricsShare);
  const tenants = createTenantClient(env.TENANT, {
    keepAlive: waitUntil,
    log,
    readCopy: createCopyReader({ store: env.TENANT_COPIES, secret: config.adminKey, metrics, log }),
  });
  const verifyToken = createTokenVerifier({ issuers: config.issuers, keepAlive: waitUntil, log, resourceOf });
  const admit = createAdmission(config.hasRateLimits ? limitersOf(env) : null, log);
  const tickets = createTicketOffice(config.adminKey);
  const signIns = createSignInOffice(config.adminKey);
  const audit = createAuditTrail({
    send: (events) => sendAuditEvents(env, events),
    keepAlive: waitUntil,
    log,
  });
  const readBearer = createAuthenticator({ deployment: config, checkKey: tenants.keys.check, verifyToken });
  const readCredentials = async (request: Request) =>
    tickets.principalOf(request) ?? signIns.principalOf(request) ?? readBearer(request);
  const authenticate = auditFailedAuthentication(limitUnauthenticated(readCredentials, { admit }), audit);
  const onDatabase = <T>(body: (database: Database) => Promise<T>, traceIds?: readonly string[]): Promise<T> =>
    withDatabase(env.HYPERDRIVE.connectionString, body, traceIds);
  const alerts = createAlertClient(env.OPERATIONS);
  const queues: CountedQueues = {
    summarize: env.SUMMARIZE_QUEUE,
    archive: env.ARCHIVE_QUEUE,
    ...Object.fromEntries(auditQueuesOf(env).map((queue, at) => [at === 0 ? "audit" : `audit-${at + 1}`, queue])),
  };
  const meaningOf =
    embedder === null
      ? null
      : createMeaningOf({
          embedder: createQueryEmbedder({ embedder, keepAlive: waitUntil }),
          tenants,
          metrics,
          log,
          keepAlive: waitUntil,
          pause: (ms) => scheduler.wait(ms),
        });
  const owners = createOwnersClient(env.OWNERS, tenants.place);
  const parts: Deps = {
    sessions: createSessionClient(env.CHAT_SESSION, tenants.place),
    fanOuts: createFanOutClient(() => env.FAN_OUT, tenants.place),
    directory: createDirectoryClient(env.DIRECTORY, tenants.place),
    users: createUserClient(env.DIRECTORY, tenants.place),
    operations: createOperationsClient(env.OPERATIONS),
    alerts,
    tenants,
    owners,
    withDatabase: onDatabase,
    pingArchive: () => onDatabase(ping),
    meaningOf,
    tickets,
    audit,
    startRun: createRunStarter(env.OPERATIONS_WORKFLOW),
    readInstanceEnd: createEndReader(env.OPERATIONS_WORKFLOW),
    metrics,
    readBacklogs: () => readBacklogs(queues),
  };
  const readiness = createReadiness({
    parts,
    queues,
    pingSummarizer: (ms, ctx: ExecutionContext) => agents.clientsOf(env, ctx).ping(ms),
    isSummarizerResting: agents.isResting,
    isAdmin: createAdminCheck(authenticate),
    keepAlive: waitUntil,
  });
  const pace = config.hasRateLimits ? new Pace() : null;
  const countRequests = createRequestLimit(admit, async (tenant) => config.hasRateLimits && tenants.isHighTier(tenant));
  const limit = auditRefusedRequests(pace === null ? countRequests : paceRequests(countRequests, pace), audit);
  const issuers = config.issuers.filter(({ oauth }) => oauth).map(({ issuer }) => issuer);
  const agent: AppOptions["agent"] = {
    path: SUMMARIZER_ROUTE,
    requestsIn,
    answer: (request, body) => agents.builtIn.fetch(request, { parsedBody: body ?? null }),
  };
  const authorization = {
    paths: METADATA_ROUTES,
    describe: (request: Request) => describeResource(request, issuers),
    challenge: challengeOf,
  };
  const app = createApp({
    authenticate,
    limit,
    costs: pace === null ? NO_COSTS : costsOf(pace),
    hosts: config.hosts,
    corsOrigins: config.corsOrigins,
    parts,
    log,
    describeSpan: describeInvocation,
    readiness: (c) => readiness.answer(c.req.raw, c.executionCtx as ExecutionContext),
    version: env.VERSION.id,
    mcp: {
      path: MCP_ROUTE,
      requestsIn,
      answer: createMcpSurface(log),
      ...(issuers.length === 0 ? {} : { authorization }),
    },
    // The host is arbitrary: the binding uses only the path.
    readFile: (path) => env.ASSETS.fetch(`https://assets.internal${path}`),
    inspector: {
      signIns,
      signIn: (ticket) => exchangeTicket(signIns, parts.operations, ticket),
      issuers: config.issuers.map(({ issuer }) => issuer),
      chat: { model: createChatModel(config.model), keepAlive: waitUntil },
    },
    ...(config.hasSummarizerEndpoint ? { agent } : {}),
  });
  const archiveOutage = createOutageClient(parts.operations, { id: ARCHIVE_AWAY_ID, kind: "archive" }, log);
  const pipelineOf = (ctx: ExecutionContext): PipelineDeps => ({
    sessions: parts.sessions,
    directory: parts.directory,
    users: parts.users,
    tenants: parts.tenants,
    operations: parts.operations,
    archiveOutage,
    ...agents.clientsOf(env, ctx),
    embedder,
    withDatabase: onDatabase,
    log,
    ...(parts.metrics === undefined ? {} : { metrics: parts.metrics }),
  });
  const scheduledOf = (ctx: ExecutionContext) => ({
    checkAlerts: () =>
      checkAlerts({ keeper: alerts, checkReadiness: () => readiness.check(ctx), ...config.alerts, log }),
    retainAudit: () => retainAudit({ withDatabase: onDatabase, log }, config.auditDays),
    endLostRuns: () => endLostRuns({ ...parts, log }),
  });
  return { app, parts, limit, pipelineOf, scheduledOf, owners };
}
