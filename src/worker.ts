import { env as deployed, exports, WorkerEntrypoint } from "cloudflare:workers";
import type { QueryMeaning } from "./api/embedding.ts";
import { type Assembly, assemble } from "./assembly.ts";
import { ConfigError } from "./config/config.ts";
import { readLogSettings } from "./config/logging.ts";
import { answerMisconfigured } from "./http/answer-misconfigured.ts";
import { createOperationsWorkflow } from "./maintenance/operations-workflow.ts";
import { runSchedule } from "./maintenance/schedule.ts";
import { consume } from "./pipeline/consume.ts";
import { useCompiled } from "./prompt/meaning/hamming.ts";
import hamming from "./prompt/meaning/hamming.wasm";
import { createRpcEntrypoint } from "./rpc/threadkeep.ts";
import { FanOut as FanOutObject } from "./session/fan-out.ts";
import { ChatSession as ChatSessionObject } from "./session/object.ts";
import { configureLogs, createLog } from "./telemetry/log.ts";
import { spanOfDelivery } from "./telemetry/span-text.ts";
import { describeInvocation } from "./telemetry/span.ts";
import type { Deps } from "./usecases/request-context.ts";

export { Directory } from "./directory/directory.ts";
export { Operations } from "./control/operations.ts";
export { Owners } from "./directory/owners.ts";
export { TakenShard } from "./tenant/taken-shard.ts";
export { Tenant } from "./tenant/tenant.ts";

useCompiled(new WebAssembly.Instance(hamming).exports);
configureLogs(readLogSettings(deployed));
const log = createLog();

let assembly: Assembly | undefined;
/** The assembly of this isolate. */
const partsOf = (env: Env): Assembly => (assembly ??= assemble(env, log));

/**
 * Makes the vectors of queries in frames, for the objects that hold sockets. They call it as an entrypoint of its own, so
 * that the work that continues after the answer, such as counting tokens, runs here: it would keep an object from
 * hibernating, and would be lost if the object is evicted.
 */
export class QueryVectors extends WorkerEntrypoint<Env> {
  async meaningOf(tenant: string, text: string, user: string | null): Promise<QueryMeaning> {
    const meaningOf = meaningOfQueries(this.env);
    return meaningOf === null ? { without: "off" } : meaningOf(tenant, text, user);
  }
}

/** Null if embeddings are off, or if the variables are not valid, which every request reports. */
function meaningOfQueries(env: Env): Deps["meaningOf"] {
  try {
    return partsOf(env).parts.meaningOf;
  } catch (error) {
    if (error instanceof ConfigError) return null;
    throw error;
  }
}

/** How an object with sockets requests vectors; null if embeddings are off. */
function meaningForFrames(env: Env): Deps["meaningOf"] {
  return meaningOfQueries(env) === null ? null : (...query) => exports.QueryVectors.meaningOf(...query);
}

export class ChatSession extends ChatSessionObject {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, () => meaningForFrames(env));
  }
}

export class FanOut extends FanOutObject {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env, () => meaningForFrames(env));
  }
}

/** The RPC entrypoint that other Workers bind to. */
export class Threadkeep extends createRpcEntrypoint((env) => {
  const { parts, limit } = partsOf(env);
  return { parts, limitRequests: limit, log };
}) {}

/**
 * The Workflow of operations. `wrangler workflows trigger threadkeep-operations` and `POST /v1/admin/operations` start
 * it.
 */
export class OperationsWorkflow extends createOperationsWorkflow((env) => {
  const { parts, owners } = partsOf(env);
  return { ...parts, owners, log };
}) {}

export default {
  fetch(request, env, ctx) {
    try {
      return partsOf(env).app.fetch(request, env, ctx);
    } catch (error) {
      if (error instanceof ConfigError) return answerMisconfigured(request, error.faults, env.VERSION.id, log);
      throw error;
    }
  },
  async queue(batch, env, ctx) {
    describeInvocation(spanOfDelivery(batch.queue, batch.messages.length));
    await consume(batch, partsOf(env).pipelineOf(ctx));
  },
  async scheduled({ cron }, env, ctx) {
    await runSchedule(cron, partsOf(env).scheduledOf(ctx));
  },
} satisfies ExportedHandler<Env>;
