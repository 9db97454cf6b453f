import { clearInterval as clearRealInterval, setInterval as setRealInterval } from "node:timers";
import type { Random } from "./random.ts";

interface Timer {
  readonly at: number;
  ring(): void;
}

/** What the code under test takes from the machine: the clock, its timers, and randomness. */
export class Surroundings {
  /** Milliseconds since 1970. */
  #now: number;
  /** Replaced at each step, so that leaving out one step of a script changes nothing for later ones. */
  random: Random;
  readonly #timers = new Map<number, Timer>();
  #nextTimer = 1;

  constructor(now: number, random: Random) {
    this.#now = now;
    this.random = random;
  }

  get now(): number {
    return this.#now;
  }

  /** Lets time pass, or sets the clock back: timers depend on how much time has passed, and fire in order. */
  setNow(now: number): void {
    const due = [...this.#timers].filter(([, { at }]) => at <= now).toSorted(([, a], [, b]) => a.at - b.at);
    for (const [id, timer] of due) {
      if (!this.#timers.delete(id)) continue;
      this.#now = Math.max(this.#now, timer.at);
      timer.ring();
    }
    this.#now = now;
  }

  /** When the next timer fires; null if none is set. */
  nextTimerAt(): number | null {
    return this.#timers.size === 0 ? null : Math.min(...[...this.#timers.values()].map(({ at }) => at));
  }

  setTimer(ring: () => void, ms: number): number {
    const id = this.#nextTimer;
    this.#nextTimer += 1;
    this.#timers.set(id, { at: this.#now + ms, ring });
    // No time has to pass for a timer that does not wait.
    if (ms <= 0) void Promise.resolve().then(() => this.#timers.delete(id) && ring());
    return id;
  }

  clearTimer(id: unknown): void {
    this.#timers.delete(Number(id));
  }
}

const LOG_METHODS = ["debug", "info", "warn", "error"] as const;

/** Runs a body with the clock, the timers and the randomness of the simulation, and without its logs. */
export async function inSurroundings<T>(surroundings: Surroundings, body: () => Promise<T>): Promise<T> {
  const originals = {
    now: Date.now,
    random: Math.random,
    randomUUID: crypto.randomUUID,
    getRandomValues: crypto.getRandomValues,
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    scheduler: Reflect.get(globalThis, "scheduler") as unknown,
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
  Object.assign(globalThis, {
    setTimeout: (ring: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) =>
      surroundings.setTimer(() => ring(...args), ms),
    clearTimeout: (id: unknown) => surroundings.clearTimer(id),
    scheduler: {
      wait: (ms: number) => new Promise<void>((resolve) => void surroundings.setTimer(resolve, ms)),
    },
  });
  for (const method of LOG_METHODS) console[method] = () => undefined;
  try {
    return await body();
  } finally {
    Date.now = originals.now;
    Math.random = originals.random;
    crypto.randomUUID = originals.randomUUID;
    crypto.getRandomValues = originals.getRandomValues;
    globalThis.setTimeout = originals.setTimeout;
    globalThis.clearTimeout = originals.clearTimeout;
    Object.assign(globalThis, { scheduler: originals.scheduler });
    for (const [index, method] of LOG_METHODS.entries()) console[method] = originals.log[index] ?? console[method];
  }
}

function uuidOf(random: Random): ReturnType<typeof crypto.randomUUID> {
  const hex = (digits: number): string => Array.from({ length: digits }, () => random.below(16).toString(16)).join("");
  return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`;
}

/** Lets everything continue that only waits for other code. */
export function drain(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** How long nothing at all happens in this process if code waits for something that never comes. */
const REST_MS = 120_000;
/** In microseconds. On a very busy machine a process that wants to run still gets more than this. */
const CPU_AT_REST = 300_000;

/** The result of a body. Once the whole process is idle, there will never be one, and `stuck` is thrown. The machine's clock does not count, because the machine may be busy. */
export async function whileBusy<T>(stuck: () => Error, body: () => Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  // Processor time is only asked for in a long step, because each question takes a millisecond.
  let before: NodeJS.CpuUsage | null = null;
  const timer = setRealInterval(() => {
    if (before !== null) {
      const { user, system } = process.cpuUsage(before);
      if (user + system < CPU_AT_REST) reject(stuck());
    }
    before = process.cpuUsage();
  }, REST_MS);
  try {
    return await Promise.race([body(), promise]);
  } finally {
    clearRealInterval(timer);
  }
}
