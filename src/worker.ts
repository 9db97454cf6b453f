import { createAuthenticator } from "./access/api-keys.ts";
import { requireScope } from "./access/scopes.ts";
import { type Database, withDatabase } from "./archive/database.ts";
import { ping } from "./archive/sessions.ts";
import { parseConfig } from "./config.ts";
import { createApp } from "./http/app.ts";
import { consume, type PipelineParts } from "./pipeline/consume.ts";
import { createDirectoryClient } from "./registry/directory-client.ts";
import { createOperationsClient } from "./registry/operations-client.ts";
import type { Parts } from "./service/call.ts";
import { readiness } from "./service/health.ts";
import { createSessionClient } from "./session/client.ts";
import { createSummarizerClient } from "./summarizer/client.ts";
import { extractive } from "./summarizer/extractive.ts";
import { createSummarizerHandler, SUMMARIZER_ROUTE } from "./summarizer/server.ts";
import { createLog } from "./telemetry/log.ts";

export { Directory } from "./registry/directory.ts";
export { Operations } from "./registry/operations.ts";
export { ChatSession } from "./session/chat-session.ts";

/** In-process calls need a host that is not the machine's own: see the Host check of MCP servers. */
const INTERNAL_SUMMARIZER_URL = `https://mcp.internal${SUMMARIZER_ROUTE}`;

const log = createLog();
const summarizerAgent = createSummarizerHandler(extractive);

/** The parts that every handler shares, built once an isolate. */
function build(env: Env) {
  const config = parseConfig({ ...env });
  const authenticate = createAuthenticator(config);
  const onDatabase = <T>(body: (database: Database) => Promise<T>): Promise<T> =>
    withDatabase(env.HYPERDRIVE.connectionString, body);
  const parts: Parts = {
    sessions: createSessionClient(env.CHAT_SESSION),
    directory: createDirectoryClient(env.DIRECTORY),
    operations: createOperationsClient(env.OPERATIONS),
    pingArchive: () => onDatabase(ping),
  };
  const app = createApp({
    authenticate: async (request) => authenticate(request),
    parts,
    log,
    readiness: () => readiness(parts),
  });
  app.all(SUMMARIZER_ROUTE, (c) => {
    requireScope(authenticate(c.req.raw), "ops");
    return summarizerAgent(c.req.raw, env, c.executionCtx);
  });
  const pipelineOf = (ctx: ExecutionContext): PipelineParts => ({
    sessions: parts.sessions,
    operations: parts.operations,
    summarizer: createSummarizerClient(
      config.summarizer ?? {
        url: INTERNAL_SUMMARIZER_URL,
        token: null,
        fetch: async (request) => summarizerAgent(request, env, ctx),
      },
    ),
    withDatabase: onDatabase,
    log,
  });
  return { app, pipelineOf };
}

let built: ReturnType<typeof build> | undefined;

export default {
  fetch(request, env, ctx) {
    built ??= build(env);
    return built.app.fetch(request, env, ctx);
  },
  async queue(batch, env, ctx) {
    built ??= build(env);
    await consume(batch, built.pipelineOf(ctx));
  },
} satisfies ExportedHandler<Env>;
