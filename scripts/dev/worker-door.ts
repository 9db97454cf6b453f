// Runs in workerd in front of the Worker's bundle, only locally. It does what Cloudflare's edge does, and offers the
// few tools of the local simulator that the documents mention, but not to web pages.

interface Context {
  waitUntil(promise: Promise<unknown>): void;
  passThroughOnException(): void;
}

/** Variables from the process that runs workerd: see worker-host.ts. */
export interface LocalEnv {
  readonly THREADKEEP_ADMIN_KEY: string;
  /** Says whether wrangler is connected to the service at the moment. */
  readonly LOCAL_DOORMAN: { fetch(url: string): Promise<Response> };
  readonly OPERATIONS_WORKFLOW: {
    create(options: { id?: string; params?: unknown }): Promise<{ readonly id: string }>;
  };
}

export interface LocalWorker {
  fetch(request: Request, env: LocalEnv, context: Context): Response | Promise<Response>;
  scheduled(
    controller: { cron: string; scheduledTime: number; noRetry(): void },
    env: LocalEnv,
    context: Context,
  ): unknown;
}

/** The names of this machine. A web page that points its own host name at it is refused. */
const LOCAL_HOSTS = new Set(["localhost", "127.0.0.1", "[::1]"]);
const TOOLS = /^https?:\/\/[^/]*\/cdn-cgi\//;
const SCHEDULED = "/cdn-cgi/local/scheduled";
/** Where `wrangler workflows trigger threadkeep-operations --local` sends its request. */
const TRIGGER = "/cdn-cgi/local/explorer/api/workflows/threadkeep-operations/instances";
/** Prefix of headers that the simulator interprets itself. */
const OF_THE_SIMULATOR = "mf-";
const ADDRESS_HEADER = "CF-Connecting-IP";
const LOOPBACK = "127.0.0.1";

/** Wraps the Worker with these checks. */
export function withDoor(worker: LocalWorker): LocalWorker {
  return {
    ...worker,
    fetch(request: Request, env: LocalEnv, context: Context) {
      const cleaned = cleanRequest(request);
      return TOOLS.test(request.url) ? useTool(cleaned, worker, env, context) : worker.fetch(cleaned, env, context);
    },
  };
}

/**
 * Removes headers that only the simulator may set, and sets the client's address to loopback, because the service
 * listens only there.
 */
function cleanRequest(request: Request): Request {
  const headers = new Headers(request.headers);
  const forSimulator = Array.from(headers.keys()).filter((name) => name.startsWith(OF_THE_SIMULATOR));
  for (const name of forSimulator) headers.delete(name);
  headers.set(ADDRESS_HEADER, LOOPBACK);
  const init = { headers, cf: {} };
  return new Request(request, init);
}

async function useTool(request: Request, worker: LocalWorker, env: LocalEnv, context: Context): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  if (pathname !== SCHEDULED && pathname !== TRIGGER) return refuse(404, "There is no such tool here.");
  if (isOfPage(request)) return refuse(403, "No page may use the tools of the local simulator.");
  if (pathname === SCHEDULED) {
    // Otherwise anybody on this machine could run the schedules, which send alerts and drop audit partitions.
    if (!isAdmin(request, env)) return refuse(401, "Send the admin key as a bearer token.");
    return runSchedule(searchParams.get("cron") ?? "", worker, env, context);
  }
  if (request.method !== "POST") {
    return refuse(404, "Of Workflows only `trigger` is offered here. npm run ops lists, reads and cancels runs.");
  }
  if (!isAdmin(request, env) && !(await isWrangler(env))) {
    return refuse(401, "Send the admin key as a bearer token, or start the operation with: npm run ops");
  }
  return trigger(request, env);
}

/**
 * Whether a browser may have sent the request for a web page: it then has the page's origin, or says that it comes from
 * another site. A host name that is not this machine's is one that a page has pointed here.
 */
function isOfPage({ url, headers }: Request): boolean {
  const site = headers.get("Sec-Fetch-Site");
  const isOfSite = site !== null && site !== "none";
  return !LOCAL_HOSTS.has(new URL(url).hostname) || headers.has("Origin") || headers.has("Referer") || isOfSite;
}

function isAdmin({ headers }: Request, env: LocalEnv): boolean {
  return headers.get("Authorization") === `Bearer ${env.THREADKEEP_ADMIN_KEY}`;
}

/** wrangler cannot send a key, so it is recognized by its process. */
async function isWrangler(env: LocalEnv): Promise<boolean> {
  const told = await env.LOCAL_DOORMAN.fetch("http://doorman/");
  return (await told.text()) === "wrangler";
}

async function trigger(request: Request, env: LocalEnv): Promise<Response> {
  const body: unknown = await request.json().catch(() => null);
  const { id, params } = typeof body === "object" && body !== null ? (body as { id?: unknown; params?: unknown }) : {};
  try {
    const made = await env.OPERATIONS_WORKFLOW.create({ ...(typeof id === "string" ? { id } : {}), params });
    return Response.json({ success: true, errors: [], messages: [], result: { id: made.id } });
  } catch (error) {
    return refuse(400, error instanceof Error ? error.message : "The Workflow could not be started.");
  }
}

/** Answers once everything that it started is done. */
async function runSchedule(cron: string, worker: LocalWorker, env: LocalEnv, context: Context): Promise<Response> {
  const begun: Promise<unknown>[] = [];
  const own = {
    waitUntil: (work: Promise<unknown>) => {
      begun.push(work);
      context.waitUntil(work);
    },
    passThroughOnException: () => undefined,
  };
  try {
    await worker.scheduled({ cron, scheduledTime: Date.now(), noRetry: () => undefined }, env, own);
    await Promise.all(begun);
    return new Response("ok");
  } catch (error) {
    console.error(error);
    return new Response("exception", { status: 500 });
  }
}

/** The form of error that wrangler can read. */
function refuse(status: number, message: string): Response {
  return Response.json({ success: false, errors: [{ code: 10_000, message }], messages: [], result: null }, { status });
}
