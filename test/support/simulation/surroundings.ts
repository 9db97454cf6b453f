import type { Random } from "./random.ts";

/** What the code under test takes from the machine: the clock and chance. */
export interface Surroundings {
  /** Milliseconds since 1970. */
  now: number;
  /** Replaced step by step, so that a step dropped from a script changes nothing for those after it. */
  random: Random;
}

const LOG_METHODS = ["debug", "info", "warn", "error"] as const;

/** Runs a body with the clock and chance of the simulation, and without its logs. */
export async function inSurroundings<T>(surroundings: Surroundings, body: () => Promise<T>): Promise<T> {
  const originals = {
    now: Date.now,
    random: Math.random,
    randomUUID: crypto.randomUUID,
    getRandomValues: crypto.getRandomValues,
    log: LOG_METHODS.map((method) => console[method]),
  };
  Date.now = () => surroundings.now;
  Math.random = () => surroundings.random.next();
  crypto.randomUUID = () => uuidOf(surroundings.random);
  crypto.getRandomValues = (array) => {
    if (array instanceof Uint8Array)
      for (let at = 0; at < array.length; at += 1) array[at] = surroundings.random.below(256);
    return array;
  };
  for (const method of LOG_METHODS) console[method] = () => undefined;
  try {
    return await body();
  } finally {
    Date.now = originals.now;
    Math.random = originals.random;
    crypto.randomUUID = originals.randomUUID;
    crypto.getRandomValues = originals.getRandomValues;
    for (const [index, method] of LOG_METHODS.entries()) console[method] = originals.log[index] ?? console[method];
  }
}

function uuidOf(random: Random): ReturnType<typeof crypto.randomUUID> {
  const hex = (digits: number): string => Array.from({ length: digits }, () => random.below(16).toString(16)).join("");
  return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`;
}

/** Lets everything go on that waits for nothing but other code. */
export function drain(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
