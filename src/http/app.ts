/** The HTTP app: middleware, routes, and the MCP and summarizer endpoints. */

import { type Context, Hono } from "hono";
import { type Fault, PROBLEMS } from "../api/errors.ts";
import type { Readiness } from "../api/health.ts";
import type { Principal } from "../api/principal.ts";
import { coarseNetwork } from "../telemetry/coarse-network.ts";
import type { Log } from "../telemetry/log.ts";
import type { SpanText } from "../telemetry/span-text.ts";
import { askAgent } from "../usecases/agent.ts";
import type { RequestContext } from "../usecases/request-context.ts";
import { answerFault, answerThrown, answerUnknownRoute } from "./answer-problem.ts";
import type { HttpEnv } from "./env.ts";
import { answerLiveness, answerReadiness } from "./health.ts";
import { allowOrigins } from "./middleware/allow-origins.ts";
import { authenticateRequest } from "./middleware/authenticate.ts";
import { challengeUnauthenticated } from "./middleware/challenge-unauthenticated.ts";
import { checkAddress } from "./middleware/check-address.ts";
import { checkHost } from "./middleware/check-host.ts";
import { checkOrigin } from "./middleware/check-origin.ts";
import { hardenAnswer } from "./middleware/harden-answer.ts";
import { identifyRequest } from "./middleware/identify-request.ts";
import { type Costs, isRefusal, limitRequests } from "./middleware/limit-requests.ts";
import { recordRequest } from "./middleware/record-request.ts";
import { tellVersion } from "./middleware/tell-version.ts";
import { INSPECTOR_PATHS_WITH_KEY, type InspectorOptions, mountInspector } from "./pages/inspector.ts";
import { mountReference } from "./pages/reference.ts";
import { readBodyOf, type Route } from "./route.ts";
import { adminRoutes } from "./routes/admin.ts";
import { alertRoutes } from "./routes/alerts.ts";
import { auditRoutes } from "./routes/audit.ts";
import { contextRoutes } from "./routes/context.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { keyRoutes } from "./routes/keys.ts";
import { liveRoutes } from "./routes/live.ts";
import { messageRoutes } from "./routes/messages.ts";
import { metricsRoutes } from "./routes/metrics.ts";
import { operationRoutes } from "./routes/operations.ts";
import { searchRoutes } from "./routes/search.ts";
import { sessionRoutes } from "./routes/sessions.ts";
import { summaryRoutes } from "./routes/summaries.ts";
import { transferRoutes } from "./routes/transfer.ts";
import { userRoutes } from "./routes/users.ts";

export interface AppOptions {
  /** Identifies the sender of a request; throws `unauthenticated`. */
  authenticate(request: Request): Promise<Principal>;
  /** Throws `rate_limited` if the caller sends too many requests. */
  limit(principal: Principal): Promise<void>;
  /** Gets the cost of each request. */
  readonly costs: Costs;
  /** The host names under which requests are accepted. Empty: all. */
  readonly hosts: readonly string[];
  /** Origins whose pages may call the API. */
  readonly corsOrigins: readonly string[];
  /** Passed on to the use cases. */
  readonly parts: RequestContext["parts"];
  readonly log: Log;
  /** Overwrites the name and attributes of the platform's span of the request. Left out if there is no tracing. */
  describeSpan?(text: SpanText): void;
  /** The readiness report, without the details that the sender of the request may not see. */
  readiness(c: Context<HttpEnv>): Promise<Readiness>;
  /** The MCP server for agents. It has the same authentication and limits as the API. */
  readonly mcp?: {
    readonly path: string;
    /** How many JSON-RPC requests a body contains: each counts as a request. */
    requestsIn(body: unknown): number;
    answer(asked: McpRequest): Promise<Response>;
    /** The OAuth metadata of a protected resource; undefined if no user tokens are accepted. */
    readonly authorization?: {
      readonly paths: readonly string[];
      describe(request: Request): object;
      /** The header `WWW-Authenticate` of a 401 answer. */
      challenge(request: Request): string;
    };
  };
  /** The summarizer's MCP server. It has the same authentication and limits as the API, and a scope of its own. */
  readonly agent?: {
    readonly path: string;
    /** How many JSON-RPC requests a body contains: each counts as a request. */
    requestsIn(body: unknown): number;
    /** @param body the parsed body, because the stream was read already */
    answer(request: Request, body: unknown): Promise<Response>;
  };
  /** Reads a file of the build in dist/inspector. */
  readFile(path: string): Promise<Response>;
  /** The inspector at `/`. */
  readonly inspector?: InspectorOptions;
  /** The id that Cloudflare gave this version of the Worker. */
  readonly version?: string;
}

/** An authenticated request to the MCP endpoint. */
interface McpRequest {
  readonly call: RequestContext;
  readonly request: Request;
  /** The parsed body, because the stream was read already. */
  readonly body: unknown;
  /** Called for each refusal and failure, because most of them are answered with status 200. */
  onFault(fault: Fault): void;
}

/** All routes that require a key. */
export const routes: readonly Route[] = [
  ...sessionRoutes,
  ...messageRoutes,
  ...contextRoutes,
  ...searchRoutes,
  ...summaryRoutes,
  ...liveRoutes,
  ...transferRoutes,
  ...userRoutes,
  ...adminRoutes,
  ...alertRoutes,
  ...jobRoutes,
  ...operationRoutes,
  ...keyRoutes,
  ...auditRoutes,
  ...metricsRoutes,
];

export function createApp(options: AppOptions): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>();
  app.use(
    recordRequest(options.log, options.describeSpan ?? (() => undefined)),
    identifyRequest,
    hardenAnswer,
    checkAddress,
    checkHost(options.hosts),
  );
  app.onError(answerThrown(options.log));
  app.notFound(answerUnknownRoute);

  app.get("/livez", answerLiveness);
  app.use("/readyz", tellVersion(options.version));
  app.get("/readyz", answerReadiness(options.readiness));
  mountReference(app, options.readFile);

  const { agent, mcp, inspector } = options;
  const mcpPaths = mcp === undefined ? [] : [mcp.path];
  const authorization = mcp?.authorization;
  const metadataPaths = authorization?.paths ?? [];
  for (const path of ["/v1/*", ...mcpPaths, ...metadataPaths]) app.use(path, allowOrigins(options.corsOrigins));
  for (const path of metadataPaths) app.get(path, (c) => c.json(authorization?.describe(c.req.raw) ?? {}));
  for (const path of mcpPaths) {
    app.use(path, checkOrigin(options.corsOrigins));
    if (authorization !== undefined) app.use(path, challengeUnauthenticated(authorization.challenge));
  }
  const pathsWithKey = [
    "/v1/*",
    "/metrics",
    ...mcpPaths,
    ...(agent === undefined ? [] : [agent.path]),
    ...(inspector === undefined ? [] : INSPECTOR_PATHS_WITH_KEY),
  ];
  for (const path of pathsWithKey) {
    app.use(path, authenticateRequest(options.authenticate), limitRequests(options.limit, options.costs));
  }
  for (const route of routes) mount(app, route, options.parts);
  if (inspector !== undefined) mountInspector(app, options.readFile, inspector, (c) => callOf(c, options.parts));
  if (agent !== undefined) app.post(agent.path, (c) => answerAgent(c, agent, options));
  if (mcp !== undefined) app.post(mcp.path, (c) => answerMcp(c, mcp, options));
  answerOtherMethods(app);
  return app;
}

async function answerAgent(
  c: Context<HttpEnv>,
  { requestsIn, answer }: NonNullable<AppOptions["agent"]>,
  { parts, limit }: AppOptions,
): Promise<Response> {
  const call = callOf(c, parts);
  const { response } = await askAgent(call, async () => {
    const body = await readBodyOf(call, c.req.raw);
    for (let request = 1; request < requestsIn(body); request += 1) await limit(call.principal);
    return answer(c.req.raw, body);
  });
  return response;
}

async function answerMcp(
  c: Context<HttpEnv>,
  mcp: NonNullable<AppOptions["mcp"]>,
  { parts, limit, costs }: AppOptions,
): Promise<Response> {
  const call = callOf(c, parts);
  const body = await readBodyOf(call, c.req.raw);
  for (let request = 1; request < mcp.requestsIn(body); request += 1) await limit(call.principal);
  const onFault = ({ code }: Fault): void => {
    c.set("problemCode", code);
    if (isRefusal(PROBLEMS[code].status)) costs.refuse(call.principal);
  };
  return mcp.answer({ call, request: c.req.raw, body, onFault });
}

/** Cloudflare overwrites this header on each request, so a caller cannot forge it. */
const ADDRESS_HEADER = "CF-Connecting-IP";

function mount(app: Hono<HttpEnv>, route: Route, parts: RequestContext["parts"]): void {
  app.on(route.method.toUpperCase(), honoPath(route.path), (c) => {
    return route.respond(callOf(c, parts), c.req.raw, c.req.param(), (length) => c.set("answerLength", length));
  });
}

function callOf(c: Context<HttpEnv>, parts: RequestContext["parts"]): RequestContext {
  const principal = c.get("principal");
  if (principal === undefined) throw new Error(`${c.req.path} stands outside authentication`);
  const from = coarseNetwork(c.req.header(ADDRESS_HEADER));
  return { principal, requestId: c.get("requestId"), trace: c.get("trace"), from, parts };
}

/** Answers other methods on the paths that have routes: OPTIONS lists the methods, all others get 405. */
function answerOtherMethods(app: Hono<HttpEnv>): void {
  const methodsByPath = Map.groupBy(
    app.routes.filter((route) => route.method !== "ALL"),
    (route) => route.path,
  );
  for (const [path, entries] of methodsByPath) {
    const methods = new Set(entries.map((entry) => entry.method));
    if (methods.has("GET")) methods.add("HEAD");
    const allow = [...methods.add("OPTIONS")].toSorted().join(", ");
    app.all(path, (c) => {
      if (c.req.method === "OPTIONS") return c.body(null, 204, { Allow: allow });
      const detail = `${c.req.method} is not offered here. Use one of ${allow}.`;
      return answerFault(c, { code: "method_not_allowed", detail }, { Allow: allow });
    });
  }
}

/** Converts `{name}` in a path to Hono's `:name`. */
function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ":$1");
}
