/** Threadkeep as the checkpointer of LangGraph.js. */

import type { RunnableConfig } from "@langchain/core/runnables";
import {
  BaseCheckpointSaver,
  type ChannelVersions,
  type Checkpoint,
  type CheckpointListOptions,
  type CheckpointMetadata,
  type CheckpointPendingWrite,
  type CheckpointTuple,
  maxChannelVersion,
  type PendingWrite,
  type SerializerProtocol,
  TASKS,
  WRITES_IDX_MAP,
} from "@langchain/langgraph-checkpoint";
import type { Threadkeep } from "../client.ts";
import { invalidArgument, ThreadkeepError } from "../errors.ts";
import { storedId } from "../stored-id.ts";
import type { CheckpointRecord } from "./records.ts";
import { type Held, Thread } from "./thread.ts";
import { appendTurns } from "./turns.ts";
import { dump, load, toStored, toValue } from "./values.ts";

export interface SaverOptions {
  client: Threadkeep;
  /** Prefix of the session id, before the id of the thread; `langgraph.` by default. */
  prefix?: string;
  /**
   * The name of a channel of messages, such as `messages`. Messages that a graph without a namespace adds to it are
   * also appended to a session with the thread's own id, so that it has summaries, search and prompts, for any
   * framework.
   */
  turns?: string;
  /** Replaces LangGraph's own serializer. */
  serde?: SerializerProtocol;
}

/** How many threads are cached. Others are read again. */
const MAX_THREADS = 64;
/** The key in the metadata of a session that names the thread whose checkpoints it holds. */
const THREAD = "langgraph-thread";
const KIND = { kind: "langgraph-checkpoints" } as const;
/** Checkpoints are not text of a chat, so they are not summarized. */
const SETTINGS = { summarizeAfterIdleSeconds: null } as const;

/**
 * A `BaseCheckpointSaver` whose threads are sessions. Each checkpoint is a message that is never part of a prompt. Only
 * what is new in a checkpoint is stored: changed channels, and of lists, such as a chat's messages, the added entries.
 */
export class ThreadkeepSaver extends BaseCheckpointSaver {
  readonly #client: Threadkeep;
  readonly #prefix: string;
  readonly #threads = new Map<string, Thread>();
  readonly #created = new Set<string>();

  readonly #turns: string | undefined;

  constructor({ client, prefix = "langgraph.", turns, serde }: SaverOptions) {
    super(serde);
    if (turns !== undefined && prefix === "") {
      throw invalidArgument("With turns, prefix must not be empty: checkpoints and turns need separate sessions.");
    }
    this.#turns = turns;
    this.#client = client;
    this.#prefix = prefix;
  }

  override async getTuple(config: RunnableConfig): Promise<CheckpointTuple | undefined> {
    const { threadId, ns = "", checkpointId } = readConfig(config);
    if (threadId === undefined) return undefined;
    const thread = this.#thread(threadId);
    if (!(await thread.read())) {
      // The thread does not exist, or was deleted by another process. The next `put` creates it.
      this.#created.delete(threadId);
      return undefined;
    }
    const held = checkpointId === undefined ? thread.newest(ns) : thread.find(ns, checkpointId);
    return held === null ? undefined : await this.#toTuple(threadId, thread, held);
  }

  /** Newest first. Without a thread id: the checkpoints of all threads of the user, thread by thread. */
  override async *list(config: RunnableConfig, options: CheckpointListOptions = {}): AsyncGenerator<CheckpointTuple> {
    const { threadId, ns, checkpointId } = readConfig(config);
    const { limit = Number.POSITIVE_INFINITY, before, filter = {} } = options;
    const beforeId = before === undefined ? undefined : readConfig(before).checkpointId;
    let count = 0;
    for await (const id of threadId === undefined ? this.#threadIds() : [threadId]) {
      const thread = this.#thread(id);
      if (!(await thread.read())) continue;
      for (const held of thread.checkpoints()) {
        const { record } = held;
        if (ns !== undefined && record.ns !== ns) continue;
        if (checkpointId !== undefined && record.id !== checkpointId) continue;
        if (beforeId !== undefined && record.id >= beforeId) continue;
        if (!(await this.#hasMetadata(held, filter))) continue;
        if (count >= limit) return;
        count += 1;
        yield await this.#toTuple(id, thread, held);
      }
    }
  }

  override async put(
    config: RunnableConfig,
    checkpoint: Checkpoint,
    metadata: CheckpointMetadata,
    newVersions: ChannelVersions,
  ): Promise<RunnableConfig> {
    const { threadId, ns = "", checkpointId: parent } = readConfig(config);
    if (threadId === undefined) throw missing("thread_id");
    const thread = this.#thread(threadId);
    await this.#create(threadId);
    await thread.append(async () => {
      const known = parent === undefined ? null : thread.find(ns, parent);
      const values: Record<string, unknown> = checkpoint.channel_values;
      const channels = Object.entries(newVersions).map(async ([channel, version]) => {
        const before = known?.channels.get(channel) ?? null;
        const stored = Object.hasOwn(values, channel)
          ? await toStored(this.serde, values[channel], before)
          : ({ empty: true } as const);
        return [channel, version, stored] as [typeof channel, typeof version, typeof stored];
      });
      const stored = await Promise.all(channels);
      if (ns === "" && this.#turns !== undefined) {
        const isFork = thread.isFork(ns, this.#turns, known);
        await this.#appendTurns(threadId, values[this.#turns], stored, isFork);
      }
      const { v, ts, id, channel_versions: versions, versions_seen: seen } = checkpoint;
      return {
        kind: "checkpoint",
        ns,
        id,
        parent: parent ?? null,
        checkpoint: { v, ts, versions, seen },
        metadata: await dump(this.serde, metadata),
        channels: stored,
      };
    });
    return configOf(threadId, ns, checkpoint.id);
  }

  override async putWrites(
    config: RunnableConfig,
    writes: PendingWrite[],
    taskId: string,
    taskPath = "",
  ): Promise<void> {
    const { threadId, ns = "", checkpointId } = readConfig(config);
    if (threadId === undefined) throw missing("thread_id");
    if (checkpointId === undefined) throw missing("checkpoint_id");
    await this.#create(threadId);
    await this.#thread(threadId).append(async () => ({
      kind: "writes",
      ns,
      checkpoint: checkpointId,
      task: taskId,
      path: taskPath,
      writes: await Promise.all(
        writes.map(async ([channel, value], at): Promise<[number, string, Awaited<ReturnType<typeof dump>>]> => [
          WRITES_IDX_MAP[channel] ?? at,
          channel,
          await dump(this.serde, value),
        ]),
      ),
    }));
  }

  override async deleteThread(threadId: string): Promise<void> {
    this.#threads.delete(threadId);
    this.#created.delete(threadId);
    await this.#erase(this.#sessionId(threadId));
    if (this.#turns !== undefined) await this.#erase(storedId(threadId));
  }

  async #erase(sessionId: string): Promise<void> {
    try {
      await this.#client.session(sessionId).delete();
    } catch (error) {
      if (!(error instanceof ThreadkeepError && error.code === "session_not_found")) throw error;
    }
  }

  /**
   * Appends new turns, before the checkpoint is stored: if that fails, both are repeated, and no turn is stored twice.
   */
  async #appendTurns(threadId: string, messages: unknown, channels: StoredChannels, isFork: boolean): Promise<void> {
    const [, , stored] = channels.find(([channel]) => channel === this.#turns) ?? [];
    if (stored === undefined || !("list" in stored) || !Array.isArray(messages)) return;
    const { keep } = stored.list;
    await appendTurns(this.#client.session(storedId(threadId)), { messages, keep, isFork });
  }

  #sessionId(threadId: string): string {
    return storedId(`${this.#prefix}${threadId}`);
  }

  #thread(threadId: string): Thread {
    const known = this.#threads.get(threadId) ?? new Thread(this.#client.session(this.#sessionId(threadId)));
    // Move the thread to the end of the map, so that the least recently used thread is dropped first.
    this.#threads.delete(threadId);
    this.#threads.set(threadId, known);
    const [oldest] = this.#threads.keys();
    if (this.#threads.size > MAX_THREADS && oldest !== undefined) this.#threads.delete(oldest);
    return known;
  }

  /** Creates the session of a thread, with the thread's id in its metadata, by which all threads can be listed. */
  async #create(threadId: string): Promise<void> {
    if (this.#created.has(threadId)) return;
    const metadata = { ...KIND, [THREAD]: threadId };
    await this.#client.create({ id: this.#sessionId(threadId), metadata, settings: SETTINGS });
    this.#created.add(threadId);
  }

  async *#threadIds(): AsyncGenerator<string> {
    for await (const { metadata } of this.#client.sessions({ metadata: KIND, limit: 100 })) {
      const id = metadata[THREAD];
      if (typeof id === "string") yield id;
    }
  }

  async #hasMetadata({ record }: Held, filter: Readonly<Record<string, unknown>>): Promise<boolean> {
    const wanted = Object.entries(filter);
    if (wanted.length === 0) return true;
    const metadata: unknown = await load(this.serde, record.metadata);
    if (typeof metadata !== "object" || metadata === null) return false;
    const found = new Map(Object.entries(metadata));
    return wanted.every(([key, value]) => JSON.stringify(found.get(key)) === JSON.stringify(value));
  }

  async #toTuple(threadId: string, thread: Thread, { record, channels }: Held): Promise<CheckpointTuple> {
    const { v, ts, versions, seen } = record.checkpoint;
    const values: Record<string, unknown> = {};
    for (const [channel, blob] of channels) {
      if (blob.version === versions[channel] && !("empty" in blob.stored)) {
        values[channel] = await toValue(this.serde, blob);
      }
    }
    const metadata = (await load(this.serde, record.metadata)) as CheckpointMetadata;
    const checkpoint: Checkpoint = {
      v,
      id: record.id,
      ts,
      channel_values: values,
      channel_versions: { ...versions },
      versions_seen: structuredClone(seen),
    };
    if (v < 4 && record.parent !== null) await this.#migrateSends(thread, record.ns, record.parent, checkpoint);
    return {
      config: configOf(threadId, record.ns, record.id),
      checkpoint,
      metadata,
      ...(record.parent === null ? {} : { parentConfig: configOf(threadId, record.ns, record.parent) }),
      pendingWrites: await this.#pending(thread, record.ns, record.id),
    };
  }

  async #pending(thread: Thread, ns: string, id: string): Promise<CheckpointPendingWrite[]> {
    return await Promise.all(
      thread
        .writesAfter(ns, id)
        .map(async ({ task, channel, value }): Promise<CheckpointPendingWrite> => [
          task,
          channel,
          await load(this.serde, value),
        ]),
    );
  }

  /** In checkpoints before version 4, sends to tasks are among the writes after the parent. */
  async #migrateSends(thread: Thread, ns: string, parent: string, checkpoint: Checkpoint): Promise<void> {
    const sent = (await this.#pending(thread, ns, parent)).filter(([, channel]) => channel === TASKS);
    checkpoint.channel_values[TASKS] = sent.map(([, , value]) => value);
    const versions = Object.values(checkpoint.channel_versions);
    checkpoint.channel_versions[TASKS] =
      versions.length > 0 ? maxChannelVersion(...versions) : this.getNextVersion(undefined);
  }
}

type StoredChannels = CheckpointRecord["channels"];

interface Place {
  readonly threadId: string | undefined;
  readonly ns: string | undefined;
  readonly checkpointId: string | undefined;
}

function readConfig({ configurable = {} }: RunnableConfig): Place {
  const text = (value: unknown): string | undefined =>
    typeof value === "string" || typeof value === "number" ? String(value) : undefined;
  const id = text(configurable["checkpoint_id"]) ?? text(configurable["thread_ts"]);
  return {
    threadId: text(configurable["thread_id"]),
    ns: text(configurable["checkpoint_ns"]),
    checkpointId: id === "" ? undefined : id,
  };
}

function configOf(threadId: string, ns: string, checkpointId: string): RunnableConfig {
  return { configurable: { thread_id: threadId, checkpoint_ns: ns, checkpoint_id: checkpointId } };
}

function missing(name: string): ThreadkeepError {
  return invalidArgument(`The config of a graph with this checkpointer needs configurable.${name}.`);
}
