import { Disk, ObjectStorage } from "./object-storage.ts";
import type { SessionEnvironment, SessionInstance, System } from "./system.ts";

/** The runtime repeats an alarm that threw, after a pause that doubles, and gives it up in the end. */
const ALARM_RETRY_MS = 2_000;
const MAX_ALARM_RETRIES = 6;

/** What goes wrong with one call of an object. */
export type CallFault =
  /** The call never got there. */
  | { readonly kind: "lost" }
  /** It was done, and the answer got lost. */
  | { readonly kind: "answerLost" }
  /** The disk failed at a statement. */
  | { readonly kind: "disk"; readonly statements: number };

/** What a caller sees of a fault. */
export class CallFailed extends Error {
  override readonly name = "CallFailed";
}

/** One durable object: a disk, at times an instance on it, and the alarm that the runtime keeps for it. */
export class SimulatedObject {
  readonly disk = new Disk();
  readonly #system: System;
  readonly #environment: SessionEnvironment;
  #storage: ObjectStorage | null = null;
  #instance: SessionInstance | null = null;
  #ready: Promise<unknown> = Promise.resolve();
  #alarmRetries = 0;
  #alarmRuns = 0;
  /** The runtime gave the alarm up: nothing but a new instance sets it again. */
  isAlarmGivenUp = false;

  constructor(system: System, environment: SessionEnvironment) {
    this.#system = system;
    this.#environment = environment;
  }

  /** The instance that is in memory now; null after an eviction. */
  get resident(): SessionInstance | null {
    return this.#instance;
  }

  /** Whether the alarm that is set is the runtime's own, after one that threw. */
  get isAlarmRetried(): boolean {
    return this.#alarmRetries > 0;
  }

  /** Whether an alarm handler has yet to end. */
  get isInAlarm(): boolean {
    return this.#alarmRuns > 0;
  }

  /** The instance, built from the disk where there is none. */
  async instance(): Promise<SessionInstance> {
    if (this.#instance === null) {
      const storage = new ObjectStorage(this.disk);
      let held: Promise<unknown> = Promise.resolve();
      const context = {
        storage,
        id: { name: "simulated" },
        getWebSockets: () => [],
        blockConcurrencyWhile: (body: () => Promise<unknown>) => {
          held = held.then(body);
          return held;
        },
      };
      this.#instance = new this.#system.ChatSession(context, this.#environment);
      this.#storage = storage;
      this.#ready = held;
      this.isAlarmGivenUp = false;
    }
    const instance = this.#instance;
    await this.#ready;
    return instance;
  }

  /** Takes the instance out of memory. What it was at fails. */
  evict(): void {
    this.#storage?.kill();
    this.#storage = null;
    this.#instance = null;
  }

  async call<T>(body: (instance: SessionInstance) => Promise<T>, fault: CallFault | null = null): Promise<T> {
    if (fault?.kind === "lost") throw new CallFailed("the call was lost on its way");
    const instance = await this.instance();
    const storage = this.#storage;
    if (fault?.kind === "disk") storage?.failAfter(fault.statements);
    try {
      const answer = structuredClone(await body(instance));
      if (fault?.kind === "answerLost") throw new CallFailed("the answer was lost on its way");
      return answer;
    } finally {
      storage?.heal();
    }
  }

  /** Runs the alarm, if it is due, as the runtime does. */
  async fireAlarm(now: () => number, fault: CallFault | null = null): Promise<void> {
    if (this.disk.alarm === null || this.disk.alarm > now()) return;
    const instance = await this.instance();
    const storage = this.#storage;
    if (this.disk.alarm === null) return;
    this.disk.alarm = null;
    if (fault?.kind === "disk") storage?.failAfter(fault.statements);
    this.#alarmRuns += 1;
    try {
      await instance.alarm();
      this.#alarmRetries = 0;
    } catch {
      this.#retryAlarm(now());
    } finally {
      this.#alarmRuns -= 1;
      storage?.heal();
    }
  }

  #retryAlarm(now: number): void {
    if (this.disk.alarm !== null) return;
    this.#alarmRetries += 1;
    if (this.#alarmRetries > MAX_ALARM_RETRIES) {
      this.#alarmRetries = 0;
      this.isAlarmGivenUp = true;
      return;
    }
    this.disk.alarm = now + ALARM_RETRY_MS * 2 ** (this.#alarmRetries - 1);
  }

  close(): void {
    this.evict();
    this.disk.close();
  }
}
