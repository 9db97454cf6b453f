import type { SessionRef, SessionSettings } from "../../../src/contracts/session.ts";
import type { SummarizerRequest } from "../../../src/contracts/summarizer.ts";
import { type TenantSettings, UNSET_TENANT } from "../../../src/contracts/tenant.ts";
import type { Consumer } from "./consumer.ts";
import { Lives } from "./lives.ts";
import type { ModelSession } from "./model.ts";
import type { Random } from "./random.ts";
import type { Held } from "./rows.ts";
import type { ArchiveCopy, SimulatedArchive } from "./simulated-archive.ts";
import { SimulatedObject } from "./simulated-object.ts";
import { type QueueName, SimulatedQueues } from "./simulated-queue.ts";
import type { Surroundings } from "./surroundings.ts";
import type { ExportHead, ForkSource, System } from "./system.ts";

const START = Date.UTC(2026, 5, 1, 12);

/** A fork whose source knows of it, and which is not created yet. */
export interface BegunFork {
  readonly target: SimulatedSession;
  readonly source: ForkSource;
}

/** An export that has its first line. */
export interface BegunExport {
  readonly session: SimulatedSession;
  readonly head: ExportHead;
  readonly incarnation: string;
}

/** A directory's entry. */
export interface Listed {
  readonly createdAt: number;
  readonly expiredAt: number | null;
  /** When it was last found whether it expired. */
  readonly decidedAt: number;
}

/** A session, what it ought to be, and what was seen of it. */
export interface SimulatedSession {
  readonly ref: SessionRef;
  readonly object: SimulatedObject;
  readonly birthSettings: SessionSettings;
  model: ModelSession | null;
  /** What the directory says of it. It may still know a session that is erased: the removal comes after. */
  listed: Listed | null;
  /** Texts that were edited away or erased. */
  retired: { readonly seq: number; readonly secret: string; readonly incarnation: string }[];
  /** Messages of earlier lives, which clients may append again. */
  readonly pastIds: string[];
  /** Ranges for which an answer of a model was saved: asking again would be paid twice. */
  readonly paid: Set<string>;
  /** Seqs that a job's summarizer was given, of answers that were saved, by job. */
  readonly told: Map<string, Set<number>>;
  /** How the summary stood at each revision that the archive has to learn of, by `incarnation/rev`. */
  readonly revisions: Map<string, string>;
  /** Lives that were erased. */
  readonly erasedLives: Set<string>;
  /** What the object held when it last held anything. */
  heldBefore: Held | null;
  /** What the last checks looked at. */
  checkedChanges: number;
  checked: { readonly model: ModelSession; readonly basis: string } | null;
}

/** As the registry's directory, and as the service calls it: an entry that an earlier life left behind is a new life's from its creation on. */
export class SimulatedDirectory {
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  register(session: SimulatedSession, createdAt: number = this.#now()): number {
    session.listed ??= { createdAt, expiredAt: null, decidedAt: 0 };
    const { model, listed } = session;
    if (model === null || model.status === "copying")
      session.listed = { ...listed, expiredAt: null, decidedAt: this.#now() };
    return session.listed.createdAt;
  }

  remove(session: SimulatedSession): void {
    session.listed = null;
  }

  setExpired(session: SimulatedSession, isExpired: boolean, decidedAt: number): boolean {
    const { listed } = session;
    if (listed === null) return true;
    if (listed.decidedAt > decidedAt) return false;
    if (listed.createdAt <= decidedAt)
      session.listed = { ...listed, expiredAt: isExpired ? decidedAt : null, decidedAt };
    return true;
  }
}

/** Everything there is. */
export class World {
  readonly system: System;
  readonly archive: SimulatedArchive;
  readonly hasMakeshift: boolean;
  readonly surroundings: Surroundings;
  readonly queues: SimulatedQueues;
  readonly sessions: SimulatedSession[] = [];
  readonly lives = new Lives();
  readonly directory: SimulatedDirectory;
  /** What the tenant's settings were, oldest first. */
  readonly tenantHistory: TenantSettings[] = [UNSET_TENANT];
  /** Forks and exports that somebody has begun. */
  readonly begunForks: BegunFork[] = [];
  begunExport: BegunExport | null = null;
  consumers: Consumer[] = [];
  nextConsumerId = 1;
  archiveState: "up" | "down" = "up";
  summarizerState: "up" | "down";
  /** What an operator could restore. */
  readonly backups: ArchiveCopy[] = [];
  /** Under which lease a summarizer is asked. */
  readonly leases = new WeakMap<SummarizerRequest, { readonly session: SimulatedSession; readonly lease: string }>();
  /** The archive was set back: what it lacks is sent once something is owed. */
  isRestored = false;

  /** @param hasMakeshift something serves where the summarizer is away */
  constructor(system: System, archive: SimulatedArchive, random: Random, hasMakeshift: boolean) {
    this.system = system;
    this.archive = archive;
    this.hasMakeshift = hasMakeshift;
    this.summarizerState = hasMakeshift ? "down" : "up";
    this.surroundings = { now: START, random };
    this.queues = new SimulatedQueues(this.now);
    this.directory = new SimulatedDirectory(this.now);
  }

  readonly now = (): number => this.surroundings.now;

  get random(): Random {
    return this.surroundings.random;
  }

  get tenant(): TenantSettings {
    return this.tenantHistory.at(-1) ?? UNSET_TENANT;
  }

  addSession(name: string, birthSettings: SessionSettings): void {
    const queue = (queueName: QueueName) => ({
      send: async (message: Parameters<SimulatedQueues["send"]>[1]) => this.queues.send(queueName, message),
    });
    const object = new SimulatedObject(this.system, {
      SUMMARIZE_QUEUE: queue("threadkeep-summarize"),
      ARCHIVE_QUEUE: queue("threadkeep-archive"),
      OPERATIONS: { getByName: () => ({ noteLate: async () => undefined }) },
    });
    this.sessions.push({
      ref: { tenant: "simulated", owner: "-", session: name },
      object,
      birthSettings,
      model: null,
      listed: null,
      retired: [],
      pastIds: [],
      paid: new Set(),
      told: new Map(),
      revisions: new Map(),
      erasedLives: new Set(),
      heldBefore: null,
      checkedChanges: -1,
      checked: null,
    });
  }

  sessionNamed(ref: SessionRef): SimulatedSession {
    const found = this.sessions.find((session) => session.ref.session === ref.session);
    if (found === undefined) throw new Error(`no session ${ref.session}`);
    return found;
  }

  close(): void {
    for (const { object } of this.sessions) object.close();
  }
}
