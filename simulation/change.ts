import type { Outcome } from "../src/api/errors.ts";
import type { SummarizeRequest } from "../src/api/job.ts";
import type { Passage } from "./activity.ts";
import { become } from "./become.ts";
import { callFault } from "./call-fault.ts";
import { logDifference } from "./check-log.ts";
import { noteRevision } from "./check-session.ts";
import { type Errand, onErrand } from "./errand.ts";
import { invoke } from "./invoke.ts";
import type { Transition } from "./model.ts";
import type { Delivered } from "./network.ts";
import { InstanceGone } from "./object-storage.ts";
import { sessionOf } from "./rows.ts";
import type { CallFault } from "./simulated-object.ts";
import { drain } from "./surroundings.ts";
import { Violation } from "./violation.ts";
import type { SimulatedSession, World } from "./world.ts";

/** Calls that change a session, with the faults that they may meet. */

/** What a call has to answer, and how it changes the session. */
export interface Expected extends Transition<string> {
  /** Other permitted answers, after which nothing is changed. */
  readonly others?: readonly string[] | undefined;
  /** Further checks of the answer, besides its code. */
  readonly check?: (value: unknown) => void;
  /** Called once the change is done, whether the caller learns of it or not. */
  readonly onDone?: () => void;
  /** Whether the change was done, if the log does not show it; called before the model changes. */
  readonly wasDone?: () => boolean | Promise<boolean>;
  /** The expected result for the session once the directory has answered the object. */
  readonly onGranted?: (answer: Outcome<object>) => Expected;
  /** The call also reads, which may fail separately: the change is still done. */
  readonly reads?: boolean;
}

/** The progress of a call whose object asks the directory. */
type Stage = "begun" | "asking" | "answered";

export type Expect = (world: World, session: SimulatedSession, args: readonly unknown[]) => Expected;

const SEARCH_FAULT_SHARE = 0.15;
const GONE_MEANWHILE: ReadonlySet<string> = new Set(["session_not_found", "session_expired"]);

/**
 * Makes a change and compares the session with the expectation. A failed call may have been done completely or not at all; if the call or
 * its answer was lost, that is decided by what is stored.
 */
export async function changeSession(
  world: World,
  session: SimulatedSession,
  { method, args, passage, atGate }: Delivered,
  expect: Expect,
): Promise<unknown> {
  const { random } = world;
  let expected = expect(world, session, args);
  let epoch = sessionOf(session.object)?.epoch ?? "";
  let before = session.model;
  const fault = faultOf(world, expected, passage);
  const settle = (isDone: boolean): void => {
    if (!isDone) return;
    // Other changes may have been made while the call waited.
    if (expected.after !== before) become(world, session, expected.after, expected.retired, epoch);
    expected.onDone?.();
  };
  let isSettled = false;
  let stage = "begun" as Stage;
  const errand: Errand = {
    object: session.object,
    atGate,
    async onAsk() {
      if (stage === "begun") {
        stage = "asking";
        return;
      }
      // The change is done, and the call informs the directory before it answers.
      isSettled = true;
      settle(expected.answer === "ok");
      await noteRevision(session);
    },
    onAnswer(answer) {
      if (isSettled || expected.onGranted === undefined) return;
      stage = "answered";
      // The session may be another by now.
      expected = expected.onGranted(answer as Outcome<object>);
      epoch = sessionOf(session.object)?.epoch ?? "";
      before = session.model;
    },
  };
  const given = fault === null ? args : withoutWait(method, args);
  const called = onErrand(errand, () =>
    session.object.call(method, (instance) => invoke(instance, method, given), fault),
  ).then(
    (answer) => ({ answer }) as const,
    (error: unknown) => ({ error }) as const,
  );
  await drain();
  // A call that waits for its own job has started it by now.
  if (fault === null && expected.answer === "ok" && before === null && isCopying(session)) {
    isSettled = true;
    settle(true);
  }
  const ended = await called;
  if ("error" in ended) {
    const { error } = ended;
    if (error instanceof Violation) throw error;
    // It waited, and its object was evicted meanwhile.
    const hasWaited = isSettled || stage !== "begun" || method === "summarize";
    if (hasWaited && error instanceof InstanceGone && fault?.kind !== "cut") throw error;
    // Whoever it asked has not answered, so it has done nothing.
    if (stage === "asking") throw error;
    if (fault === null)
      throw new Violation(4, `${method} of ${session.label} failed without a fault: ${String(error)}`);
    if (fault.kind === "memory") {
      throw new Violation(4, `${method} of ${session.label} failed with what it was to read: ${String(error)}`);
    }
    // If the answer of a call was lost, the stored state decides, unless it may have been refused.
    const isSure = fault.kind === "answerLost" && expected.others === undefined;
    if (!isSettled && fault.kind !== "lost") settle(isSure || (await wasDone(session, expected)));
    await noteRevision(session);
    if (random.chance(0.3)) session.object.evict();
    throw error;
  }
  const outcome = asOutcome(ended.answer);
  const code = outcome.ok ? "ok" : outcome.fault.code;
  // A call that waited returns the state at its end.
  if (isSettled && (code === "ok" || GONE_MEANWHILE.has(code))) return ended.answer;
  if (code !== expected.answer) {
    if (expected.others?.includes(code) === true) return ended.answer;
    const detail = outcome.ok ? "" : `: ${outcome.fault.detail}`;
    throw new Violation(2, `${method} of ${session.label} answered ${code}, not ${expected.answer}${detail}`);
  }
  if (outcome.ok) expected.check?.(outcome.value);
  if (!isSettled) settle(expected.answer === "ok");
  await noteRevision(session);
  return ended.answer;
}

function isCopying({ object }: SimulatedSession): boolean {
  const row = sessionOf(object);
  return row !== null && row.copying !== null;
}

/** A client that has disconnected waits for nothing. */
function withoutWait(method: string, args: readonly unknown[]): readonly unknown[] {
  if (method === "createFork") return args.with(2, 0);
  return method === "summarize" ? args.with(0, { ...(args[0] as SummarizeRequest), waitMs: 0 }) : args;
}

function faultOf(world: World, { reads = false }: Expected, passage: Passage): CallFault | null {
  if (passage === "faulty") return callFault(world.random);
  return reads && world.random.chance(SEARCH_FAULT_SHARE) ? { kind: "memory" } : null;
}

async function wasDone(session: SimulatedSession, { after, wasDone: tell }: Expected): Promise<boolean> {
  if (tell !== undefined) return tell();
  const outcome = await (await session.object.instance()).messages({ limit: 100_000 });
  const fromBefore = logDifference(outcome, session.model);
  const fromAfter = logDifference(outcome, after);
  if (fromBefore !== null && fromAfter !== null) {
    throw new Violation(2, `a failed call was done in part: ${fromBefore}; ${fromAfter}`);
  }
  return fromBefore !== null;
}

/** A call that is never refused answers with the current state. */
function asOutcome(answer: unknown): Outcome<unknown> {
  if (typeof answer === "object" && answer !== null && "ok" in answer) return answer as Outcome<unknown>;
  return { ok: true, value: answer };
}
