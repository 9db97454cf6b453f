import { Disk, ObjectStorage, type StorageTrouble, type Work } from "./object-storage.ts";
import type { ObjectInstance } from "./system-types.ts";

/** The runtime repeats an alarm that threw, after a pause that doubles, and finally gives it up. */
const ALARM_RETRY_MS = 2_000;
const MAX_ALARM_RETRIES = 6;

/** What goes wrong with one call of an object. */
export type CallFault =
  /** The call did not arrive. */
  | { readonly kind: "lost" }
  /** It was done, and the answer was lost. */
  | { readonly kind: "answerLost" }
  | StorageTrouble;

/** What a caller sees of a fault. */
class CallFailed extends Error {
  override readonly name = "CallFailed";
}

/** Creates an object. `isAlive`: whether the instance that asks still is one; any other sends nothing. */
export type Build<Instance> = (context: object, isAlive: () => boolean) => Instance;

/** One durable object: a disk, sometimes an instance of the object, and the alarm that the runtime keeps for it. */
export class SimulatedObject<Instance extends ObjectInstance = ObjectInstance> {
  readonly name: string;
  readonly disk = new Disk();
  readonly #build: Build<Instance>;
  readonly #maxRows: number;
  #storage: ObjectStorage | null = null;
  #instance: Instance | null = null;
  #ready: Promise<unknown> = Promise.resolve();
  #alarmRetries = 0;
  #alarmRuns = 0;
  /** The runtime gave the alarm up: only a new instance sets it again. */
  isAlarmGivenUp = false;
  /** The most that one call did. */
  mostWork: Work & { label: string } = { statements: 0, rows: 0, label: "" };

  /** @param maxRows the most rows that one call may read and write, as a stand-in for its processor time */
  constructor(name: string, build: Build<Instance>, maxRows: number) {
    this.name = name;
    this.#build = build;
    this.#maxRows = maxRows;
  }

  /** The instance in memory; null after an eviction. */
  get resident(): Instance | null {
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

  /** The instance; if there is none, it is built from the disk. */
  async instance(): Promise<Instance> {
    if (this.#instance === null) {
      const storage = new ObjectStorage(this.disk);
      let held: Promise<unknown> = Promise.resolve();
      const context = {
        storage,
        id: { name: this.name },
        getWebSockets: () => [],
        // It continues after the answer, as long as it likes.
        waitUntil: () => undefined,
        blockConcurrencyWhile: (body: () => Promise<unknown>) => {
          held = held.then(body);
          return held;
        },
      };
      this.#instance = this.#build(context, () => !storage.isDead);
      this.#storage = storage;
      this.#ready = held;
      this.isAlarmGivenUp = false;
    }
    const instance = this.#instance;
    await this.#ready;
    return instance;
  }

  /** Evicts the instance. Whatever it was doing fails. */
  evict(): void {
    this.#storage?.kill();
    this.#storage = null;
    this.#instance = null;
  }

  async call<T>(label: string, body: (instance: Instance) => Promise<T>, fault: CallFault | null = null): Promise<T> {
    if (fault?.kind === "lost") throw new CallFailed("the call was lost on its way");
    const instance = await this.instance();
    const storage = this.#storage;
    const trouble = fault === null || fault.kind === "answerLost" ? null : fault;
    storage?.begin(trouble, this.#maxRows);
    try {
      const answer = structuredClone(await body(instance));
      if (fault?.kind === "answerLost") throw new CallFailed("the answer was lost on its way");
      return answer;
    } finally {
      this.#end(storage, label);
    }
  }

  /** A call in progress waits for another object. Returns a function that continues it. */
  pause(): () => void {
    return this.#storage?.pause() ?? (() => undefined);
  }

  #end(storage: ObjectStorage | null, label: string): void {
    if (storage === null) return;
    const work = storage.end();
    if (work.rows > this.mostWork.rows) this.mostWork = { ...work, label };
    // An instance that was ended during a call is gone.
    if (storage.isDead && storage === this.#storage) this.evict();
  }

  /** Runs the alarm, if it is due, as the runtime does. */
  async fireAlarm(now: () => number, trouble: StorageTrouble | null = null): Promise<void> {
    if (this.disk.alarm === null || this.disk.alarm > now()) return;
    const instance = await this.instance();
    const storage = this.#storage;
    if (this.disk.alarm === null) return;
    this.disk.alarm = null;
    storage?.begin(trouble, this.#maxRows);
    this.#alarmRuns += 1;
    try {
      await instance.alarm?.();
      this.#alarmRetries = 0;
    } catch {
      this.#retryAlarm(now());
    } finally {
      this.#alarmRuns -= 1;
      this.#end(storage, "alarm");
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
