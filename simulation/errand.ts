import { AsyncLocalStorage } from "node:async_hooks";
import type { AtGate } from "./activity.ts";
import type { SimulatedObject } from "./simulated-object.ts";

/** A call of an object, during which that object asks another one. Each such question is a further call of the first caller. */
export interface Errand {
  readonly object: Pick<SimulatedObject, "pause">;
  readonly atGate: AtGate;
  /** The object is about to ask. */
  onAsk(): Promise<void>;
  /** It is answered, and continues before anything else happens. */
  onAnswer(answer: unknown): void;
}

const errands = new AsyncLocalStorage<Errand>();

/** Runs a call of an object that may ask others. */
export function onErrand<T>(errand: Errand, call: () => Promise<T>): Promise<T> {
  return errands.run(errand, call);
}

/**
 * The gate for what an object asks during a call. It stops twice: before the question arrives, and before the answer does, so that anything
 * may happen in between, to either of them.
 * @param otherwise for what it asks outside of a call, as its alarm does
 */
export function askOnErrand(otherwise: AtGate): AtGate {
  return async (label, body, options) => {
    const errand = errands.getStore();
    if (errand === undefined) return otherwise(label, body, options);
    const { object, atGate } = errand;
    await errand.onAsk();
    const goOn = object.pause();
    try {
      const answer = await atGate(label, body, options);
      await atGate(`${label} answers`, async (passage) => {
        if (passage === "faulty") throw new Error("the answer was lost on its way, as the simulation asked");
        errand.onAnswer(answer);
      });
      return answer;
    } finally {
      goOn();
    }
  };
}
