import { env, waitUntil } from "cloudflare:workers";
import { NO_COSTS } from "../../src/access/pace.ts";
import { createTicketOffice } from "../../src/access/tickets.ts";
import { withDatabase } from "../../src/archive/database.ts";
import { createAlertClient } from "../../src/control/alert-client.ts";
import { createOperationsClient } from "../../src/control/client.ts";
import { createDirectoryClient } from "../../src/directory/client.ts";
import { createOwnersClient } from "../../src/directory/owners-client.ts";
import { createUserClient } from "../../src/directory/user-client.ts";
import { type AppOptions, createApp } from "../../src/http/app.ts";
import { createRunStarter } from "../../src/maintenance/start-run.ts";
import { createFanOutClient, createSessionClient } from "../../src/session/client.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createTenantClient } from "../../src/tenant/client.ts";
import { listeningTrail } from "./worker-audit.ts";

const log = createLog({ write: () => undefined });

/** The HTTP surface on the objects of the test run. The `Authorization` header is the name of the calling user. */
export function appWith(
  change: Partial<AppOptions> = {},
  parts: Partial<AppOptions["parts"]> = {},
): ReturnType<typeof createApp> {
  return createApp({
    authenticate: async (request) => {
      const user = request.headers.get("Authorization") ?? "";
      return {
        kind: "user",
        id: `user:${user}`,
        tenant: "test",
        owner: user,
        scopes: ["memory:read", "memory:write", "memory:erase"],
      };
    },
    limit: async () => undefined,
    costs: NO_COSTS,
    hosts: [],
    corsOrigins: [],
    parts: {
      sessions: createSessionClient(env.CHAT_SESSION),
      fanOuts: createFanOutClient(() => env.FAN_OUT),
      directory: createDirectoryClient(env.DIRECTORY),
      users: createUserClient(env.DIRECTORY),
      operations: createOperationsClient(env.OPERATIONS),
      owners: createOwnersClient(env.OWNERS),
      alerts: createAlertClient(env.OPERATIONS),
      tenants: createTenantClient(env.TENANT, { keepAlive: waitUntil, log }),
      withDatabase: (body) => withDatabase(env.HYPERDRIVE.connectionString, body),
      pingArchive: async () => undefined,
      meaningOf: null,
      tickets: createTicketOffice("a secret of the tests"),
      audit: listeningTrail(),
      startRun: createRunStarter(env.OPERATIONS_WORKFLOW),
      ...parts,
    },
    log,
    readFile: (path) => env.ASSETS.fetch(`https://assets.internal${path}`),
    readiness: async () => ({ status: "ok", checkedAt: new Date().toISOString(), components: {} }),
    ...change,
  });
}
