import { ownerName, sessionName, type SessionRef, type SessionSettings, TENANT_OWNER } from "../src/api/session.ts";
import type { SummarizerRequest } from "../src/api/summarizer.ts";
import { type TenantSettings, UNSET_TENANT } from "../src/api/tenant.ts";
import type { TransferLine } from "../src/api/transfer.ts";
import type { AtGate } from "./activity.ts";
import type { ChatHabits } from "./chat-content.ts";
import type { ClientCall } from "./client-call.ts";
import type { Consumer } from "./consumer.ts";
import { EpochBook } from "./epoch-book.ts";
import { askOnErrand } from "./errand.ts";
import type { ModelMessage, ModelSession } from "./model.ts";
import { namespaceOf } from "./network.ts";
import { Random } from "./random.ts";
import type { Held } from "./rows.ts";
import { SILENT } from "./silent-log.ts";
import type { ArchiveCopy, ArchiveFault, SimulatedArchive } from "./simulated-archive.ts";
import { type Build, SimulatedObject } from "./simulated-object.ts";
import { type QueueName, SimulatedQueues } from "./simulated-queue.ts";
import { Surroundings } from "./surroundings.ts";
import type {
  DirectoryInstance,
  ObjectInstance,
  OperationsInstance,
  Queue,
  SessionInstance,
  System,
  TenantClient,
} from "./system-types.ts";
import { Violation } from "./violation.ts";

const START = Date.UTC(2026, 5, 1, 12);
/** How many rows one call of an object may read and write. */
const MAX_ROWS_A_CALL = 50_000;

/** The tenant's own sessions, or those of one of its users. */
export interface Space {
  readonly tenant: string;
  readonly owner: string;
}

export function isUser({ owner }: Space): boolean {
  return owner !== TENANT_OWNER;
}

/** A session: its object, the model that it is compared with, and what the checks have seen of it. */
export interface SimulatedSession {
  readonly ref: SessionRef;
  /** The name of its object. */
  readonly name: string;
  /** The name in the output of steps: short if its space is the first one. */
  readonly label: string;
  readonly space: Space;
  readonly object: SimulatedObject<SessionInstance>;
  readonly creationSettings: SessionSettings;
  model: ModelSession | null;
  /** Texts that were removed by an edit or erased. */
  retired: { readonly seq: number; readonly secret: string; readonly epoch: string }[];
  /** Messages of earlier epochs, which clients may append again. */
  readonly pastIds: string[];
  /** Ranges for which an answer of a model was saved: asking again would be paid for twice. */
  readonly paid: Set<string>;
  /** Seqs that a job's summarizer was given, of answers that were saved, by job. */
  readonly told: Map<string, Set<number>>;
  /** The summary at each revision that the archive has to get, by `epoch/rev`. */
  readonly revisions: Map<string, string>;
  /** Epochs that were erased. */
  readonly erasedEpochs: Set<string>;
  /** Lines of the import that fills it. */
  readonly importing: TransferLine[];
  /** The last stored line of the file. */
  importedThrough: number;
  /** What the import that was finished last made of it. */
  imported: ModelSession | null;
  /** What the object had when it last had anything. */
  heldBefore: Held | null;
  /** What the last checks looked at. */
  checkedVersion: number;
  notedVersion: number;
  checked: { readonly model: ModelSession; readonly basis: string } | null;
}

/** An export that was read to its end. */
export interface ExportFile {
  readonly session: SimulatedSession;
  readonly epoch: string;
  readonly lines: readonly TransferLine[];
  /** The log at the moment of an export that says it is complete; null if it says that it is not. */
  readonly log: readonly ModelMessage[] | null;
}

/** Everything there is. */
export class World {
  readonly system: System;
  readonly archive: SimulatedArchive;
  /** Whether a fallback summarizer is configured. */
  readonly hasFallback: boolean;
  /** Whether an embedder is configured, so that searches find messages by their meaning, too. */
  readonly hasEmbedder: boolean;
  /** Whether rare histories follow some steps: deliveries that are overtaken by others, and sessions that move. */
  readonly isEventful: boolean;
  /** The source of random content. */
  readonly habits: ChatHabits;
  readonly surroundings: Surroundings;
  readonly queues: SimulatedQueues;
  readonly spaces: Space[] = [];
  readonly sessions: SimulatedSession[] = [];
  readonly epochs = new EpochBook();
  /** What each tenant's settings were, oldest first. */
  readonly #tenants = new Map<string, TenantSettings[]>();
  /** What each isolate has cached of tenants. */
  readonly isolates: TenantClient[] = [];
  readonly operations: SimulatedObject<OperationsInstance>;
  readonly #directories = new Map<string, SimulatedObject<DirectoryInstance>>();
  /** The same, with the space of each, because every step needs them. */
  readonly #directoriesOf: { readonly space: Space; readonly object: SimulatedObject<DirectoryInstance> }[] = [];
  readonly #others = new Map<string, SimulatedObject>();
  /** Requests of clients that have not ended, and those that nobody waits for any more. */
  calls: ClientCall[] = [];
  consumers: Consumer[] = [];
  nextActivityId = 1;
  /** Exports of clients, which they may import. */
  readonly files: ExportFile[] = [];
  archiveState: "up" | "down" = "up";
  /** The next fault in the use of the archive, if a step has chosen one. */
  nextArchiveFault: ArchiveFault | null = null;
  summarizerState: "up" | "down";
  /** Tenants, operations and the list of owners. */
  registryState: "up" | "down" = "up";
  /** What an operator could restore. */
  readonly backups: ArchiveCopy[] = [];
  /** The lease under which a summarizer is called. */
  readonly leases = new WeakMap<SummarizerRequest, { readonly session: SimulatedSession; readonly lease: string }>();
  /** Jobs that are done, but could not be removed from the list of failures. */
  readonly untold = new Set<string>();
  /** The archive was restored: what it lacks is sent once something is pending. */
  isRestored = false;
  /** Whether it ever was. Nobody here replays the erasures of users afterwards, as an operator has to (docs/deploy.md). */
  wasRestored = false;

  constructor(
    system: System,
    archive: SimulatedArchive,
    random: Random,
    {
      hasFallback,
      hasEmbedder,
      isEventful,
      summarizerState,
      habits,
    }: Pick<World, "hasFallback" | "hasEmbedder" | "isEventful" | "summarizerState" | "habits">,
  ) {
    this.system = system;
    this.archive = archive;
    this.hasFallback = hasFallback;
    this.hasEmbedder = hasEmbedder;
    this.isEventful = isEventful;
    this.summarizerState = summarizerState;
    this.habits = habits;
    this.surroundings = new Surroundings(START, random);
    this.queues = new SimulatedQueues(this.now);
    this.queues.onDeadLetter = ({ body, attempts, hasMetFault }) => {
      if (hasMetFault) return;
      const what = `${body.kind} ${"session" in body ? body.session : body.owner}`;
      throw new Violation(10, `healthy work reached the dead letters: ${what} after ${attempts} deliveries`);
    };
    // A consumer may die, or lose the answer that the job is done, before it takes the job off the list of failed jobs. Another delivery
    // would do that; but the simulated queue also loses messages, outright or because a clock jumps past its retention time.
    this.queues.onLost = ({ body, hasMetFault }) => {
      if (hasMetFault) this.untold.add(body.jobId);
    };
    this.operations = this.#newObject("operations", (context) => new system.Operations(context, {}));
  }

  readonly now = (): number => this.surroundings.now;

  get random(): Random {
    return this.surroundings.random;
  }

  /** A second source of randomness, for steps that were added later: the steps of older seeds stay the same. */
  aside = new Random(0);

  /** Lets time pass, or sets the clock back. */
  setNow(now: number): void {
    this.surroundings.setNow(now);
  }

  passTime(ms: number): void {
    this.setNow(this.now() + ms);
  }

  // Objects

  #newObject<Instance extends ObjectInstance>(name: string, build: Build<Instance>): SimulatedObject<Instance> {
    return new SimulatedObject(name, build, MAX_ROWS_A_CALL);
  }

  /** The gate for calls from one object to another: they pass at once, and fail while the directory is unavailable. */
  readonly #atOnce: AtGate = (_, body) => body(this.registryState === "down" ? "faulty" : "well");

  /** The gate for what a session's object asks the directory during a call. */
  readonly #onErrand: AtGate = askOnErrand(this.#atOnce);

  #queue<Body extends Parameters<SimulatedQueues["send"]>[1]>(name: QueueName, isAlive: () => boolean): Queue<Body> {
    return {
      send: async (message) => {
        // What an instance sends after it was ended arrives nowhere.
        if (!isAlive()) throw new Error("the instance that sends this is gone");
        this.queues.send(name, message);
      },
    };
  }

  addSession(space: Space, id: string, creationSettings: SessionSettings): void {
    const { tenant, owner } = space;
    const name = sessionName({ tenant, owner, session: id });
    const object = this.#newObject(
      name,
      (context, isAlive) =>
        new this.system.ChatSession(context, {
          SUMMARIZE_QUEUE: this.#queue("threadkeep-summarize", isAlive),
          ARCHIVE_QUEUE: this.#queue("threadkeep-archive", isAlive),
          // Events of the audit are counted elsewhere.
          AUDIT_QUEUE: {
            send: async () => {
              if (this.queues.state === "down") throw new Error("the queue is out of reach");
            },
          },
          OPERATIONS: namespaceOf(this, "operations", this.#atOnce),
          TENANT: namespaceOf(this, "tenant", this.#atOnce),
          DIRECTORY: namespaceOf(this, "directory", this.#onErrand),
        }),
    );
    if (!this.spaces.includes(space)) this.spaces.push(space);
    const isFirst = space === this.spaces[0];
    this.sessions.push({
      ref: { tenant, owner, session: id },
      name,
      label: isFirst ? id : name,
      space,
      object,
      creationSettings,
      model: null,
      retired: [],
      pastIds: [],
      paid: new Set(),
      told: new Map(),
      revisions: new Map(),
      erasedEpochs: new Set(),
      importing: [],
      importedThrough: 0,
      imported: null,
      heldBefore: null,
      checkedVersion: -1,
      notedVersion: -1,
      checked: null,
    });
  }

  sessionNamed(name: string): SimulatedSession {
    const found = this.sessions.find((session) => session.name === name);
    if (found === undefined) throw new Violation(0, `the session ${name} is called, but does not exist`);
    return found;
  }

  directory(name: string): SimulatedObject<DirectoryInstance> {
    const known = this.#directories.get(name);
    if (known !== undefined) return known;
    const made = this.#newObject(
      name,
      (context, isAlive) =>
        new this.system.Directory(context, {
          ARCHIVE_QUEUE: this.#queue("threadkeep-archive", isAlive),
          OWNERS: namespaceOf(this, "owners", this.#atOnce),
          OPERATIONS: namespaceOf(this, "operations", this.#atOnce),
        }),
    );
    this.#directories.set(name, made);
    const [tenant = "", owner = ""] = name.split("/");
    const space = this.spaces.find((one) => ownerName(one) === `${tenant}/${owner}`);
    if (space !== undefined) this.#directoriesOf.push({ space, object: made });
    return made;
  }

  /** Directories that were called, with the space of each. */
  directories(): readonly { readonly space: Space; readonly object: SimulatedObject<DirectoryInstance> }[] {
    return this.#directoriesOf;
  }

  tenantObject(tenant: string): SimulatedObject {
    // Without a name an object makes no copy of its tenant: the isolates of the simulation read none.
    const build: Build<ObjectInstance> = (context) =>
      new this.system.Tenant({ ...context, id: {} }, { THREADKEEP_ADMIN_KEY: "the admin key of the simulation" });
    return this.#other(`tenant ${tenant}`, build);
  }

  owners(tenant: string): SimulatedObject {
    const build: Build<ObjectInstance> = (context) =>
      new this.system.Owners(context, { OPERATIONS: namespaceOf(this, "operations", this.#atOnce) });
    return this.#other(`owners ${tenant}`, build);
  }

  #other(name: string, build: Build<ObjectInstance>): SimulatedObject {
    const known = this.#others.get(name);
    if (known !== undefined) return known;
    const made = this.#newObject(name, build);
    this.#others.set(name, made);
    return made;
  }

  /** Every object except those of sessions. */
  registry(): SimulatedObject[] {
    return [this.operations, ...this.#directories.values(), ...this.#others.values()];
  }

  /** An isolate that has not read any tenant yet. */
  newIsolate(): TenantClient {
    return this.system.createTenantClient(namespaceOf(this, "tenant", this.#atOnce), {
      keepAlive: () => undefined,
      log: SILENT,
    });
  }

  // Tenants

  noteTenant(tenant: string, settings: TenantSettings): void {
    this.#tenants.set(tenant, [...(this.#tenants.get(tenant) ?? [UNSET_TENANT]), settings]);
  }

  /** The current settings of a tenant. */
  tenantNow(tenant: string): TenantSettings {
    return this.#tenants.get(tenant)?.at(-1) ?? UNSET_TENANT;
  }

  tenantAt(tenant: string, rev: number): TenantSettings {
    return this.#tenants.get(tenant)?.find((settings) => settings.rev === rev) ?? UNSET_TENANT;
  }

  /** Whether a tenant ever limited what its sessions may use. */
  hasLimits(tenant: string): boolean {
    return this.#tenants.get(tenant)?.some(({ limits }) => limits !== undefined) === true;
  }

  close(): void {
    for (const { object } of this.sessions) object.close();
    for (const object of this.registry()) object.close();
  }
}
