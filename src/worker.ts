import { env as deployed } from "cloudflare:workers";
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
import { configureLogs, createLog } from "./telemetry/log.ts";
import { spanOfDelivery } from "./telemetry/span-text.ts";
import { describeInvocation } from "./telemetry/span.ts";

export { Directory } from "./directory/directory.ts";
export { Operations } from "./control/operations.ts";
export { Owners } from "./directory/owners.ts";
export { Tenant } from "./tenant/tenant.ts";
export { FanOut } from "./session/fan-out.ts";
export { ChatSession } from "./session/object.ts";

useCompiled(new WebAssembly.Instance(hamming).exports);
configureLogs(readLogSettings(deployed));
const log = createLog();

let assembly: Assembly | undefined;
/** The assembly of this isolate. */
const partsOf = (env: Env): Assembly => (assembly ??= assemble(env, log));

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
