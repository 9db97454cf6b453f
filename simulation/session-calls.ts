import type { Passage } from "./activity.ts";
import { followBackground } from "./background.ts";
import { callFault } from "./call-fault.ts";
import { changeSession } from "./change.ts";
import { noteRevision } from "./check-session.ts";
import { EXPECTATIONS } from "./expectations.ts";
import { invoke } from "./invoke.ts";
import { callJob, JOB_CALLS } from "./job-calls.ts";
import type { Delivered } from "./network.ts";
import { checkAnswer } from "./reading.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** Calls of a session's object, whoever makes them: the answer and the state afterwards are compared with the model. */

export async function callSession(world: World, session: SimulatedSession, called: Delivered): Promise<unknown> {
  const { method, args, passage } = called;
  const expect = EXPECTATIONS[method];
  if (expect !== undefined) return changeSession(world, session, called, expect);
  if (JOB_CALLS.has(method)) return callJob(world, session, method, args, passage);
  return callFreely(world, session, method, args, passage);
}

/** Reads, and calls that the model does not know: whatever they do must keep the promises. */
async function callFreely(
  world: World,
  session: SimulatedSession,
  method: string,
  args: readonly unknown[],
  passage: Passage,
): Promise<unknown> {
  const fault = passage === "faulty" ? callFault(world.random) : null;
  try {
    const answer = await session.object.call(method, (instance) => invoke(instance, method, args), fault);
    checkAnswer(world, session, method, args, answer);
    return answer;
  } catch (error) {
    if (error instanceof Violation) throw error;
    if (fault === null) throw new Violation(4, `${method} of ${session.label} threw without a fault: ${String(error)}`);
    throw error;
  } finally {
    await followBackground(world, session);
    await noteRevision(session);
  }
}
