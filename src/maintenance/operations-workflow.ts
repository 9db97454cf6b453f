import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep } from "cloudflare:workers";
import { NonRetryableError } from "cloudflare:workflows";
import { z } from "zod";
import { ThreadkeepError } from "../api/errors.ts";
import { parseRequest } from "../api/faults.ts";
import { runIdSchema, type WorkflowPayload, workflowPayloadSchema } from "../api/operation-run.ts";
import type { MaintenanceDeps } from "./operation.ts";
import { PACING, type RunEnd, runOperation } from "./run-operation.ts";

/**
 * Makes the Workflow class that runs operations, whether they are started with `wrangler workflows trigger
 * threadkeep-operations '{"op": …}'` or `POST /v1/admin/operations`. Only operators can start it, but the payload may
 * be invalid.
 * @param partsOf builds the dependencies
 */
export function createOperationsWorkflow(partsOf: (env: Env) => MaintenanceDeps) {
  return class extends WorkflowEntrypoint<Env> {
    override async run(event: Readonly<WorkflowEvent<unknown>>, step: WorkflowStep): Promise<RunEnd> {
      const payload = parsePayload(event.payload, event.instanceId);
      return runOperation(payload, event.instanceId, step, { ...partsOf(this.env), pacing: PACING });
    }
  };
}

const eventSchema = z.object({ body: workflowPayloadSchema });
const idSchema = z.object({ params: z.object({ id: runIdSchema }) });

/** Throws an error that ends the instance at once, because retrying does not correct an invalid payload. */
function parsePayload(payload: unknown, instanceId: string): WorkflowPayload {
  const nothing = { params: undefined, query: undefined, headers: undefined, body: undefined };
  try {
    const { body } = parseRequest(eventSchema, { ...nothing, body: payload });
    // The id of a further instance of the same run is made by us, so it need not be checked.
    if (body.chain === undefined) parseRequest(idSchema, { ...nothing, params: { id: instanceId } });
    return body;
  } catch (error) {
    if (!(error instanceof ThreadkeepError)) throw error;
    const faults = (error.fault.errors ?? []).map(
      ({ path, detail }) => `${path === "" ? "the payload" : path} ${detail}`,
    );
    throw new NonRetryableError(
      `Nothing was done. The payload has faults: ${faults.join("; ")}. Start it again with a payload such as {"op": "summarize", "tenant": "acme"}.`,
      "InvalidPayload",
    );
  }
}
