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

/** What a call has to answer, and what it leaves. */
export interface Expected extends Transition<string> {
  /** Other answers that may be given, and that nothing was changed for. */
  readonly others?: readonly string[] | undefined;
  /** Holds what is answered to more than its code. */
  readonly check?: (value: unknown) => void;
  /** Called once it is done, whether its caller learns of it or not. */
  readonly onDone?: () => void;
  /** Whether it was done, where the log does not tell; asked before the model changes. */
  readonly wasDone?: () => boolean | Promise<boolean>;
  /** What it has to make of the session once the directory has answered what its object asks. */
  readonly onGranted?: (answer: Outcome<object>) => Expected;
  /** It reads as well, which may go wrong by itself: the change stands. */
  readonly reads?: boolean;
}

/** How far a call has come whose object asks the directory. */
type Stage = "begun" | "asking" | "answered";

export type Expect = (world: World, session: SimulatedSession, args: readonly unknown[]) => Expected;

const SEARCH_FAULT_SHARE = 0.15;
const GONE_MEANWHILE: ReadonlySet<string> = new Set(["session_not_found", "session_expired"]);

/**
 * Carries out a change and holds the session to it. A call that failed may have been done or not, never half; one that was lost, or whose
 * answer was, leaves no doubt.
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
    // Whoever waited may have been overtaken by other changes.
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
      // What it was asked for is done, and it tells the directory of that before it answers.
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
  // One that waits for its own work to be done is begun by now.
  if (fault === null && expected.answer === "ok" && before === null && isCopying(session)) {
    isSettled = true;
    settle(true);
  }
  const ended = await called;
  if ("error" in ended) {
    const { error } = ended;
    if (error instanceof Violation) throw error;
    // It waited, and its object was taken out of memory meanwhile.
    const hasWaited = isSettled || stage !== "begun" || method === "summarize";
    if (hasWaited && error instanceof InstanceGone && fault?.kind !== "cut") throw error;
    // Whom it asked has not answered it, so it has done nothing.
    if (stage === "asking") throw error;
    if (fault === null)
      throw new Violation(4, `${method} of ${session.label} failed without a fault: ${String(error)}`);
    if (fault.kind === "memory") {
      throw new Violation(4, `${method} of ${session.label} failed with what it was to read: ${String(error)}`);
    }
    // A call whose answer was lost leaves no doubt, but where it may have been refused.
    const isSure = fault.kind === "answerLost" && expected.others === undefined;
    if (!isSettled && fault.kind !== "lost") settle(isSure || (await wasDone(session, expected)));
    await noteRevision(session);
    if (random.chance(0.3)) session.object.evict();
    throw error;
  }
  const outcome = asOutcome(ended.answer);
  const code = outcome.ok ? "ok" : outcome.fault.code;
  // Who waited learns how things are by then.
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

/** Whoever is gone waits for nothing. */
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
    throw new Violation(2, `a call that failed was done by half: ${fromBefore}; ${fromAfter}`);
  }
  return fromBefore !== null;
}

/** A call that refuses nothing answers with whatever it has. */
function asOutcome(answer: unknown): Outcome<unknown> {
  if (typeof answer === "object" && answer !== null && "ok" in answer) return answer as Outcome<unknown>;
  return { ok: true, value: answer };
}
