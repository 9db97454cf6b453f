import type { WorkflowPayload } from "../api/operation-run.ts";

/** Begins instances of a Workflow. Idempotent by their id: one that is there is left alone. */
export function createRunStarter(workflow: Workflow): (id: string, payload: WorkflowPayload) => Promise<void> {
  return async (id, params) => {
    try {
      await workflow.create({ id, params });
    } catch (error) {
      if (!(await isThere(workflow, id))) throw error;
    }
  };
}

/** Looks how an instance ended that cannot say so itself any more. Null if it goes on, or ended as it should. Rejects if nobody knows. */
export function createEndReader(workflow: Workflow): (id: string) => Promise<"errored" | "terminated" | null> {
  return async (id) => {
    const { status } = await (await workflow.get(id)).status();
    return status === "errored" || status === "terminated" ? status : null;
  };
}

/** Of an id that is taken Workflows says no more than that something went wrong, and its words are not ours. */
async function isThere(workflow: Workflow, id: string): Promise<boolean> {
  try {
    await workflow.get(id);
    return true;
  } catch {
    return false;
  }
}
