import type { WorkflowPayload } from "../api/operation-run.ts";

/** Starts Workflow instances. Idempotent: an instance whose id exists is left alone. */
export function createRunStarter(workflow: Workflow): (id: string, payload: WorkflowPayload) => Promise<void> {
  return async (id, params) => {
    try {
      await workflow.create({ id, params });
    } catch (error) {
      if (!(await isThere(workflow, id))) throw error;
    }
  };
}

/**
 * Finds out whether an instance has ended without being able to say so. Null if it is running, or has completed.
 * Rejects if the status is unknown.
 */
export function createEndReader(workflow: Workflow): (id: string) => Promise<"errored" | "terminated" | null> {
  return async (id) => {
    const { status } = await (await workflow.get(id)).status();
    return status === "errored" || status === "terminated" ? status : null;
  };
}

/** For an id that exists, `create` rejects with an unspecific error, so this asks for the instance. */
async function isThere(workflow: Workflow, id: string): Promise<boolean> {
  try {
    await workflow.get(id);
    return true;
  } catch {
    return false;
  }
}
