import { env, waitUntil } from "cloudflare:workers";
import { createTicketOffice } from "../../src/access/tickets.ts";
import { unwrap } from "../../src/api/errors.ts";
import type { WorkflowPayload } from "../../src/api/operation-run.ts";
import { workflowPayloadSchema } from "../../src/api/operation-run.ts";
import type { SessionRef } from "../../src/api/session.ts";
import { withDatabase } from "../../src/archive/database.ts";
import { createOperationsClient } from "../../src/control/client.ts";
import { createDirectoryClient } from "../../src/directory/client.ts";
import { createOwnersClient } from "../../src/directory/owners-client.ts";
import { createUserClient } from "../../src/directory/user-client.ts";
import type { RunDeps, Steps } from "../../src/maintenance/run-operation.ts";
import { createFanOutClient, createSessionClient } from "../../src/session/client.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { createTenantClient } from "../../src/tenant/client.ts";
import { creationOf, turn } from "./session/chat.ts";
import { sessionAt, until } from "./session/object.ts";
import { listeningTrail } from "./worker-audit.ts";

const log = createLog({ write: () => undefined });

/** The dependencies of operations, on the objects of the test run. An instance that would be started is only recorded. */
export function runDeps(change: Partial<RunDeps> = {}): RunDeps & { begun: [string, WorkflowPayload][] } {
  const begun: [string, WorkflowPayload][] = [];
  const sessions = createSessionClient(env.CHAT_SESSION);
  return {
    sessions,
    fanOuts: createFanOutClient(() => env.FAN_OUT),
    directory: createDirectoryClient(env.DIRECTORY),
    users: createUserClient(env.DIRECTORY),
    operations: createOperationsClient(env.OPERATIONS),
    owners: createOwnersClient(env.OWNERS),
    tenants: createTenantClient(env.TENANT, { keepAlive: waitUntil, log }),
    tickets: createTicketOffice("no ticket is asked for here"),
    audit: listeningTrail(),
    withDatabase: (body) => withDatabase(env.HYPERDRIVE.connectionString, body),
    pingArchive: async () => undefined,
    meaningOf: null,
    startRun: async (id, payload) => {
      begun.push([id, payload]);
    },
    pacing: { slicesPerInstance: 100, pauseMs: 0 },
    log,
    begun,
    ...change,
  };
}

/** Steps as an instance of the Workflow makes them, without its pauses: results are remembered, and a step that throws is repeated. */
export function stepsOf(remembered = new Map<string, unknown>()): Steps & { tries: Record<string, number> } {
  const tries: Record<string, number> = {};
  return {
    tries,
    async do<T extends Rpc.Serializable<T>>(
      name: string,
      { retries }: { retries: { limit: number } },
      body: () => Promise<T>,
    ): Promise<T> {
      if (remembered.has(name)) return remembered.get(name) as T;
      for (;;) {
        tries[name] = (tries[name] ?? 0) + 1;
        try {
          const result = await body();
          remembered.set(name, structuredClone(result));
          return result;
        } catch (error) {
          if (tries[name] > retries.limit) throw error;
        }
      }
    },
    sleep: async () => undefined,
  };
}

/** The payload of an instance. */
export function payloadOf(request: Record<string, unknown>): WorkflowPayload {
  return workflowPayloadSchema.parse(request);
}

/** A session of this many turns that the directory and the list of owners know. */
export async function listedSession(ref: SessionRef, turns = 2): Promise<SessionRef> {
  const parts = runDeps();
  const messages = Array.from({ length: turns }, (_, at) => turn(at + 1));
  unwrap(await sessionAt(ref).append({ messages }, creationOf(ref)));
  await until("the owner is on the list", async () => {
    const owners = await parts.owners.list(ref.tenant, 0, 500);
    return owners.some(({ owner }) => owner === ref.owner);
  });
  return ref;
}
