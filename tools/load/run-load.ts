// Runs a load from its options to its report.
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { StartError } from "../../scripts/dev/start-error.ts";
import { sessionStateSchema } from "../../src/api/session.ts";
import { makeBundle, makeRunDirectory, removeRunDirectory } from "../bench/host.ts";
import { startInstantModel } from "../bench/instant-model.ts";
import { describeMachine, loadAverage } from "../bench/machine.ts";
import { openRigDatabase } from "../rig/database.ts";
import { type Shards, startShards } from "../rig/shards.ts";
import { startSlowWire } from "../rig/slow-wire.ts";
import { Chat } from "./chat.ts";
import { closeCustomers, type Customer, makeCustomers } from "./customers.ts";
import { type Heat, heatSession, heatTenant } from "./heat.ts";
import type { LoadOptions } from "./options.ts";
import { playChats } from "./play.ts";
import { haveHeld, judge } from "./promises.ts";
import { insist, readAllBack, side } from "./read-back.ts";
import { Recorder } from "./recorder.ts";
import type { LoadReport } from "./report.ts";
import { planBursts, planHumanTurns } from "./schedule.ts";
import { openSockets } from "./sockets.ts";
import { readUpdates } from "./updates.ts";
import { descriptorLimit, watchUsage } from "./usage.ts";

/** How much further each session's past is on the way to a summary than the one before. The golden ratio spreads any number of sessions evenly. */
const GOLDEN_SHARE = 0.618_034;
/** The most by which one session's messages are longer than another's. No past may make a summary due by itself. */
const LONGER_SHARE = 1.05;
const SCALE_MESSAGES = 50;
/** File descriptors of workerd: for each open session with its user's directory, for each socket, and for workerd itself. */
const DESCRIPTORS = { session: 3.6, socket: 1, own: 1_000 } as const;

export interface LoadNews {
  readonly signal: AbortSignal;
  /** Called when a new part of the work begins. */
  readonly onStep: (text: string) => void;
  readonly onProgress: (text: string) => void;
}

export async function runLoad(
  options: LoadOptions,
  { signal: interrupt, onStep, onProgress }: LoadNews,
): Promise<LoadReport> {
  checkDescriptors(options);
  const startedAt = new Date().toISOString();
  const machine = describeMachine();
  const directory = makeRunDirectory();
  const ending = new AbortController();
  const signal = AbortSignal.any([interrupt, ending.signal]);
  const closers: (() => Promise<void> | void)[] = [];
  const phaseSeconds: Record<string, number> = {};
  const timePhase = async <T>(phase: string, body: () => Promise<T>): Promise<T> => {
    onStep(`${phase} …`);
    const from = performance.now();
    const result = await body();
    phaseSeconds[phase] = Math.round((performance.now() - from) / 100) / 10;
    return result;
  };
  try {
    const stage = await timePhase("starting", () => openStage(options, directory, signal, closers));
    void stage.shards.failed.then((reason) => ending.abort(new StartError(reason)));
    const customers = await makeCustomers(stage.shards.services, options.customers, options.summarizeAfterTokens);
    closers.push(() => closeCustomers(customers));
    const recorder = new Recorder();
    const chats = Array.from({ length: options.sessions }, (_, index) => {
      const customer = customers[index % customers.length];
      if (customer === undefined) throw new Error("there are no customers");
      return new Chat(`chat-${index}`, customer, options.seed * options.sessions + index);
    });
    await timePhase("filling the sessions", () => fillAll(chats, customers, options, signal, onProgress));
    const heat = makeHeat(options, customers, recorder);
    const everyChat = [...chats, ...(heat?.chats ?? [])];
    const sockets = options.hasSockets
      ? await timePhase("opening sockets", () => openSockets(chats, signal, onProgress))
      : null;
    if (sockets !== null) closers.push(() => void sockets.close());

    stage.slowDown(true);
    const pids = stage.shards.services.flatMap(({ pids: { runtime } }) => (runtime === undefined ? [] : [runtime]));
    const watch = watchUsage(pids);
    const loadBeganAt = Date.now();
    await timePhase("load", () => playLoad(options, chats, heat, recorder, signal, onProgress));
    const usage = watch.stop();
    stage.slowDown(false);

    const readBack = await timePhase("reading back", () =>
      readAllBack({ chats: everyChat, settleSeconds: options.settleSeconds, signal, onProgress }),
    );
    const updates = await readUpdates(stage.databaseUrl, everyChat, readBack.states, loadBeganAt);
    const rows = recorder.rows();
    const { scenario, judgesTimes } = options;
    const socketFaults = sockets?.close() ?? null;
    const promises = judge({ scenario, judgesTimes, rows, readBack, updates, socketFaults });
    const { states: _, ...told } = readBack;
    const { jsonFile: __, ...asked } = options;
    return {
      startedAt,
      machine,
      loadAverageAtEnd: loadAverage(),
      options: asked,
      phaseSeconds,
      operations: rows,
      failures: recorder.failures(),
      refusedByLimits: heat?.refused() ?? 0,
      lateness: recorder.lateness(),
      usage,
      readBack: told,
      updates,
      promises,
      held: haveHeld(promises),
    };
  } catch (error) {
    // If the service itself ended, that comes first: it explains the broken connections.
    throw ending.signal.aborted ? ending.signal.reason : error;
  } finally {
    onStep("ending …");
    for (const close of closers.toReversed()) await close();
    removeRunDirectory(directory);
  }
}

/** Checked at the start, so that the run does not fail after minutes of work. */
function checkDescriptors({ sessions, workers, hasSockets }: LoadOptions): void {
  const limit = descriptorLimit("self");
  if (limit === null) return;
  const perSession = DESCRIPTORS.session + (hasSockets ? DESCRIPTORS.socket : 0);
  const needed = Math.ceil((sessions / workers) * perSession) + DESCRIPTORS.own;
  if (needed > limit) {
    const enough = Math.ceil((sessions * perSession) / (limit - DESCRIPTORS.own));
    throw new StartError(
      `${sessions} sessions in ${workers} workerds take about ${needed} file descriptors in each, and a process may have ${limit}. ` +
        `Use --workers ${enough}, or raise the limit: ulimit -n ${needed}`,
    );
  }
  if (hasSockets && sessions + DESCRIPTORS.own > limit) {
    throw new StartError(
      `${sessions} sockets take as many file descriptors in this process, which may have ${limit}. Raise the limit: ulimit -n ${sessions + DESCRIPTORS.own}`,
    );
  }
}

interface Stage {
  readonly shards: Shards;
  readonly databaseUrl: string;
  /** Switches the scenario's slow part on or off. */
  slowDown(isSlow: boolean): void;
}

/** @param closers functions that end what was started, to be called in reverse order */
async function openStage(
  options: LoadOptions,
  directory: string,
  signal: AbortSignal,
  closers: (() => Promise<void> | void)[],
): Promise<Stage> {
  const { scenario, delayMs, workers, hasLimits } = options;
  const bundleDir = await makeBundle(directory, signal);
  const database = await openRigDatabase(path.join(directory, "database"), signal);
  closers.push(() => database.stop());
  const workerUrl = new URL(database.workerUrl);
  const wire = scenario === "slow-postgres" ? await startSlowWire(database.port) : null;
  if (wire !== null) {
    closers.push(() => wire.close());
    workerUrl.port = String(wire.port);
  }
  const model = scenario === "slow-model" ? await startInstantModel(delayMs) : null;
  if (model !== null) closers.push(() => model.close());
  const shards = await startShards({
    directory,
    bundleDir,
    count: workers,
    databaseUrl: database.ownerUrl,
    workerDatabaseUrl: workerUrl.href,
    env: { THREADKEEP_RATE_LIMITS: hasLimits ? "on" : "off", ...model?.env },
    signal,
  });
  closers.push(() => shards.stop());
  return { shards, databaseUrl: database.ownerUrl, slowDown: (isSlow) => wire?.delay(isSlow ? delayMs : 0) };
}

async function fillAll(
  chats: readonly Chat[],
  [customer]: readonly Customer[],
  { summarizeAfterTokens, seed }: LoadOptions,
  signal: AbortSignal,
  onProgress: (text: string) => void,
): Promise<void> {
  if (customer === undefined) throw new Error("there are no customers");
  const scale = new Chat("scale", customer, seed);
  const fill = (chat: Chat, count: number): Promise<void> =>
    chat.fill(count, (body) => insist(() => chat.send("POST", "/messages", body), signal));
  await fill(scale, SCALE_MESSAGES);
  const state = await scale.send("GET", "", null);
  const { messageTokens } = sessionStateSchema.parse(JSON.parse(state.body.toString("utf8")));
  const longest = Math.floor((summarizeAfterTokens * SCALE_MESSAGES) / (messageTokens * LONGER_SHARE));
  await side(chats, async (chat, index) => {
    signal.throwIfAborted();
    if (index % 50 === 0) onProgress(`filling: session ${index.toLocaleString("en")} of ${chats.length}`);
    await fill(chat, 1 + Math.floor(((index * GOLDEN_SHARE) % 1) * longest));
  });
}

function makeHeat(
  { scenario, heatPerSecond, seed, sessions }: LoadOptions,
  [customer]: readonly Customer[],
  recorder: Recorder,
): Heat | null {
  if (customer === undefined) return null;
  const firstSeed = (seed + 1) * sessions;
  if (scenario === "hot-session") return heatSession(customer, heatPerSecond, firstSeed, recorder);
  return scenario === "hot-tenant" ? heatTenant(customer, firstSeed, recorder) : null;
}

/** A pause before the first request is due, in which everything that starts with the load can be set up. */
const LEAD_MS = 200;

async function playLoad(
  { scenario, seconds, gapSeconds, silenceSeconds }: LoadOptions,
  chats: readonly Chat[],
  heat: Heat | null,
  recorder: Recorder,
  signal: AbortSignal,
  onProgress: (text: string) => void,
): Promise<void> {
  const startedAt = performance.now() + LEAD_MS;
  await sleep(LEAD_MS, undefined, { signal });
  const halfMs = seconds * 500;
  await Promise.all([
    playChats(
      {
        chats,
        turnsOf: ({ seed }) =>
          scenario === "burst"
            ? planBursts(seconds, silenceSeconds, seed)
            : planHumanTurns({ seconds, gapSeconds }, seed),
        recorder,
        seconds,
        signal,
        onProgress,
        ...(heat === null
          ? {}
          : { labelOf: (operation, dueMs) => `${operation}, ${dueMs < halfMs ? "before" : "during"} the heat` }),
      },
      startedAt,
    ),
    heat?.run(startedAt, halfMs, seconds * 1_000, signal),
  ]);
}
