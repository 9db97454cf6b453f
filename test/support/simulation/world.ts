import type { SessionRef, SessionSettings } from "../../../src/contracts/session.ts";
import type { SummarizerRequest } from "../../../src/contracts/summarizer.ts";
import type { Consumer } from "./consumer.ts";
import type { ModelSession } from "./model.ts";
import type { Random } from "./random.ts";
import type { ArchiveCopy, SimulatedArchive } from "./simulated-archive.ts";
import { SimulatedObject } from "./simulated-object.ts";
import { type QueueName, SimulatedQueues } from "./simulated-queue.ts";
import type { Surroundings } from "./surroundings.ts";
import type { System } from "./system.ts";

const START = Date.UTC(2026, 5, 1, 12);

/** A session, what it ought to be, and what was seen of it. */
export interface SimulatedSession {
  readonly ref: SessionRef;
  readonly object: SimulatedObject;
  readonly birthSettings: SessionSettings;
  model: ModelSession | null;
  /** When the directory says that it was created. It may still know a session that is erased: the removal comes after. */
  registeredAt: number | null;
  /** Texts that were edited away or erased. */
  readonly retired: { readonly seq: number; readonly secret: string; readonly incarnation: string }[];
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
  /** What the last checks looked at. */
  checkedChanges: number;
  checked: { readonly model: ModelSession; readonly basis: string } | null;
}

/** Everything there is. */
export class World {
  readonly system: System;
  readonly archive: SimulatedArchive;
  readonly surroundings: Surroundings;
  readonly queues: SimulatedQueues;
  readonly sessions: SimulatedSession[] = [];
  consumers: Consumer[] = [];
  nextConsumerId = 1;
  archiveState: "up" | "down" = "up";
  summarizerState: "up" | "down" = "up";
  /** What an operator could restore. */
  readonly backups: ArchiveCopy[] = [];
  /** Under which lease a summarizer is asked. */
  readonly leases = new WeakMap<SummarizerRequest, { readonly session: SimulatedSession; readonly lease: string }>();
  /** The archive was set back: what it lacks is sent once something is owed. */
  isRestored = false;

  constructor(system: System, archive: SimulatedArchive, random: Random) {
    this.system = system;
    this.archive = archive;
    this.surroundings = { now: START, random };
    this.queues = new SimulatedQueues(this.now);
  }

  readonly now = (): number => this.surroundings.now;

  get random(): Random {
    return this.surroundings.random;
  }

  addSession(name: string, birthSettings: SessionSettings): void {
    const queue = (queueName: QueueName) => ({
      send: async (message: Parameters<SimulatedQueues["send"]>[1]) => this.queues.send(queueName, message),
    });
    const object = new SimulatedObject(this.system, {
      SUMMARIZE_QUEUE: queue("threadkeep-summarize"),
      ARCHIVE_QUEUE: queue("threadkeep-archive"),
    });
    this.sessions.push({
      ref: { tenant: "simulated", owner: "-", session: name },
      object,
      birthSettings,
      model: null,
      registeredAt: null,
      retired: [],
      pastIds: [],
      paid: new Set(),
      told: new Map(),
      revisions: new Map(),
      erasedLives: new Set(),
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
