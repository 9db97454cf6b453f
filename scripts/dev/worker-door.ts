// What stands before the Worker on a laptop. It runs in workerd, in front of the Worker's bundle, and is never deployed: it does there what
// Cloudflare does at its edge, and offers the few tools of a local simulator that the documents name, to no page.

interface Context {
  waitUntil(promise: Promise<unknown>): void;
  passThroughOnException(): void;
}

/** What the door is told by the process that runs workerd: see worker-host.ts. */
export interface LocalEnv {
  readonly THREADKEEP_ADMIN_KEY: string;
  /** Says whether wrangler is connected to the service just now. */
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

/** Names of this machine. A page that points a name of its own at it gets nothing. */
const LOCAL_HOSTS = new Set(["localhost", "127.0.0.1", "[::1]"]);
const TOOLS = /^https?:\/\/[^/]*\/cdn-cgi\//;
const SCHEDULED = "/cdn-cgi/local/scheduled";
/** Where `wrangler workflows trigger threadkeep-operations --local` sends what it is to start. */
const TRIGGER = "/cdn-cgi/local/explorer/api/workflows/threadkeep-operations/instances";
/** Headers that the simulator takes for its own words. */
const OF_THE_SIMULATOR = "mf-";
const ADDRESS_HEADER = "CF-Connecting-IP";
const LOOPBACK = "127.0.0.1";

/** The Worker behind its door. */
export function withDoor(worker: LocalWorker): LocalWorker {
  return {
    ...worker,
    fetch(request: Request, env: LocalEnv, context: Context) {
      const cleaned = cleanRequest(request);
      return TOOLS.test(request.url) ? useTool(cleaned, worker, env, context) : worker.fetch(cleaned, env, context);
    },
  };
}

/** What the simulator's headers say is nothing to the Worker; and the service listens on loopback alone, whatever a sender says of itself. */
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
    // Whoever else is at this machine would have alerts told and the audit cut, as often as they like.
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
 * Whether a browser may have sent it for a page: it then names the page's origin, or says itself that it was another site's. A name that is not
 * this machine's is one that a page has pointed here.
 */
function isOfPage({ url, headers }: Request): boolean {
  const site = headers.get("Sec-Fetch-Site");
  const isOfSite = site !== null && site !== "none";
  return !LOCAL_HOSTS.has(new URL(url).hostname) || headers.has("Origin") || headers.has("Referer") || isOfSite;
}

function isAdmin({ headers }: Request, env: LocalEnv): boolean {
  return headers.get("Authorization") === `Bearer ${env.THREADKEEP_ADMIN_KEY}`;
}

/** wrangler can show no key: it is known by the process that it is. */
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

/** Answers once all that it began is done. */
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

/** In the form that wrangler reads. */
function refuse(status: number, message: string): Response {
  return Response.json({ success: false, errors: [{ code: 10_000, message }], messages: [], result: null }, { status });
}
