import type { Outcome } from "../../../src/contracts/errors.ts";
import { become } from "./become.ts";
import { callFault } from "./calls.ts";
import { logDifference } from "./check-log.ts";
import { noteRevision } from "./check-session.ts";
import type { Transition } from "./model.ts";
import { sessionOf } from "./rows.ts";
import type { SessionInstance } from "./system.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** A change that a client makes, with the faults that it may meet. */

const FAULT_SHARE = 0.08;

/**
 * Carries out a change and holds the session to it. A call that failed may have been done or not, never half; one that was lost, or whose
 * answer was, leaves no doubt.
 */
export async function change<Answer, Given>(
  world: World,
  session: SimulatedSession,
  transition: Transition<Answer>,
  call: (instance: SessionInstance) => Promise<Given>,
  check: (given: Given, expected: Answer) => void,
): Promise<string> {
  const { random } = world;
  const incarnation = sessionOf(session.object)?.incarnation ?? "";
  const fault = random.chance(FAULT_SHARE) ? callFault(random) : null;
  let told = "";
  let isDone = true;
  try {
    check(await session.object.call(call, fault), transition.answer);
  } catch (error) {
    if (error instanceof Violation) throw error;
    if (fault === null) throw new Violation(4, `a call failed without a fault: ${String(error)}`);
    told =
      fault.kind === "disk" ? `, and the disk fails after ${fault.statements} statements` : `, and it is ${fault.kind}`;
    isDone = fault.kind === "answerLost" || (fault.kind === "disk" && (await wasDone(session, transition)));
    await noteRevision(session);
    if (random.chance(0.3)) session.object.evict();
  }
  if (!isDone) return `${told}: nothing is done`;
  become(world, session, transition.after, transition.retired, incarnation);
  return told === "" ? "" : `${told}: it is done`;
}

async function wasDone(session: SimulatedSession, { after }: Transition<unknown>): Promise<boolean> {
  const outcome = await (await session.object.instance()).messages({ limit: 100_000 });
  const fromBefore = logDifference(outcome, session.model);
  const fromAfter = logDifference(outcome, after);
  if (fromBefore !== null && fromAfter !== null) {
    throw new Violation(2, `a call that failed was done by half: ${fromBefore}; ${fromAfter}`);
  }
  return fromBefore !== null;
}

function codeOf(outcome: Outcome<unknown>): string {
  return outcome.ok ? "ok" : outcome.fault.code;
}

export function expectCode(given: Outcome<unknown>, expected: string, what: string): void {
  if (codeOf(given) !== expected) throw new Violation(2, `${what} answered ${codeOf(given)}, not ${expected}`);
}
