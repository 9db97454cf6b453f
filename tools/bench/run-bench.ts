// The benchmark from its options to its exit code.
import { writeFileSync } from "node:fs";
import { createScreen, type Screen, type ScreenTarget } from "../../scripts/demo/screen.ts";
import { type BundleSize, measureBundle } from "../../scripts/deploy/bundle-size.ts";
import { type AccessReport, measureAccess } from "./access.ts";
import { type ArchiveSearchReport, measureArchiveSearch } from "./archive-search.ts";
import { BenchClient, RequestFailure } from "./client.ts";
import { FailureTally, TooManyFailures } from "./failures.ts";
import { type FloodReport, measureFlood } from "./flood.ts";
import {
  type Host,
  makeBundle,
  makeRunDirectory,
  namedHost,
  removeRunDirectory,
  startOwnHost,
  takesQuery,
} from "./host.ts";
import { startInstantEmbeddings } from "./instant-embeddings.ts";
import { startInstantModel } from "./instant-model.ts";
import { type LatencyReport, measureLatency } from "./latency.ts";
import { describeMachine, loadAverage } from "./machine.ts";
import { type BenchOptions, type Section, startsItsOwn } from "./options.ts";
import { makeReport, showReport } from "./report.ts";
import { measureSearch, type SearchReport } from "./search.ts";
import { BenchSessions } from "./sessions.ts";
import { measureSlices, type SlicesReport } from "./slices.ts";
import { measureUpdates, type UpdateReport } from "./update.ts";
import { measureWake, type WakeReport } from "./wake.ts";

/** More connections than any section uses at once. */
const CONNECTIONS = 256;

export interface BenchEnvironment {
  readonly stdout: ScreenTarget;
  readonly stderr: ScreenTarget;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

interface Results {
  bundle: BundleSize | null;
  latency: LatencyReport | null;
  access: AccessReport | null;
  search: SearchReport | null;
  searchByMeaning: SearchReport | null;
  slices: SlicesReport | null;
  update: UpdateReport | null;
  updateByModel: UpdateReport | null;
  wake: WakeReport | null;
  flood: FloodReport | null;
  archiveSearch: ArchiveSearchReport | null;
}

/** Returns whether every request was answered. */
export async function runBench(options: BenchOptions, environment: BenchEnvironment): Promise<boolean> {
  const news = createScreen(environment.stderr, environment.env);
  const began = { at: new Date(), machine: describeMachine() };
  const failures = new FailureTally();
  const results: Results = {
    bundle: null,
    latency: null,
    access: null,
    search: null,
    searchByMeaning: null,
    slices: null,
    update: null,
    updateByModel: null,
    wake: null,
    flood: null,
    archiveSearch: null,
  };
  const service = options.target?.url ?? "the bundle that is deployed, in workerd, bypassing the simulator's entry";

  const stopped = await measureAll(options, environment.signal, news, failures, results);

  const report = makeReport({
    startedAt: began.at.toISOString(),
    seconds: Math.round((Date.now() - began.at.getTime()) / 1_000),
    isQuick: options.isQuick,
    machine: began.machine,
    loadAverageAtEnd: loadAverage(),
    service,
    ...results,
    failures: failures.list(),
    stopped,
  });
  if (options.jsonFile !== undefined) writeFileSync(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
  showReport(report, plainLines(createScreen(environment.stdout, environment.env), environment.stdout));
  return report.failures.length === 0 && stopped === null;
}

/** The size of the bundle is measured without a service, and some sections start their own. */
function needsNoHost(section: Section): section is "bundle" | "flood" | "wake" {
  return section === "bundle" || startsItsOwn(section);
}

/** Prints lines as they are: a wide table that is wrapped cannot be read. */
function plainLines(screen: Screen, target: ScreenTarget): Pick<Screen, "heading" | "line"> {
  return { heading: screen.heading, line: (text = "") => void target.write(`${text}\n`) };
}

/** Fills in `results`, which keeps what was measured so far. Returns why the run ended early, or null. */
async function measureAll(
  options: BenchOptions,
  interrupt: AbortSignal,
  news: Screen,
  failures: FailureTally,
  results: Results,
): Promise<string | null> {
  const directory = makeRunDirectory();
  const ending = new AbortController();
  const signal = AbortSignal.any([interrupt, ending.signal]);
  let host: Host | undefined;
  try {
    const wants = (section: Section): boolean => options.only.includes(section);
    const needsBundle = options.target === null || wants("bundle");
    if (needsBundle) news.line("bundling …", "quiet");
    const bundle = needsBundle ? await makeBundle(directory, signal) : "";
    if (wants("bundle")) results.bundle = await measureBundle(bundle, signal);
    if (wants("flood") && options.target === null) {
      news.line("flood …", "quiet");
      const start = (hasLimits: boolean): Promise<Host> =>
        startOwnHost(directory, bundle, signal, { THREADKEEP_RATE_LIMITS: hasLimits ? "on" : "off" });
      results.flood = await measureFlood({ failures, signal, onProgress: news.progress, start }, options.floodSeconds);
    }
    if (wants("wake")) {
      news.line("wake …", "quiet");
      const parts = { directory, bundleDir: bundle, signal, onProgress: news.progress };
      results.wake = await measureWake(parts, options.wakes);
    }
    if (options.only.every(needsNoHost)) return null;

    if (options.target === null) news.line("starting the service …", "quiet");
    host = options.target === null ? await startOwnHost(directory, bundle, signal) : namedHost(options.target);
    void host.failed.then((reason) => ending.abort(new Error(reason)));
    await measureHost(host, options, signal, news, failures, results);
    if (host.isOwn) await host.stop();
    const place: SecondPlace = { directory, bundle, signal, news };
    if (host.isOwn && wants("search")) results.searchByMeaning = await measureMeaning(place, options, failures);
    if (host.isOwn && wants("update")) results.updateByModel = await measureModel(place, options.updates, failures);
    return null;
  } catch (error) {
    // If the service itself ended, that comes first: it explains the broken connections.
    if (ending.signal.aborted) return String(ending.signal.reason);
    if (interrupt.aborted) return "interrupted";
    if (error instanceof RequestFailure || error instanceof TooManyFailures) return error.message;
    throw error;
  } finally {
    await host?.stop();
    removeRunDirectory(directory);
  }
}

/** A stand-in that a second service is connected to. */
interface StandIn {
  /** Variables that make a service use it. */
  readonly env: Record<string, string>;
  close(): Promise<void>;
}

/** Where a second service is started, and what its measurements report to. */
interface SecondPlace {
  readonly directory: string;
  readonly bundle: string;
  readonly signal: AbortSignal;
  readonly news: Screen;
}

/** Measures a second service, which uses a stand-in, and ends both. */
async function measureSecond<T>(
  { directory, bundle, signal }: SecondPlace,
  model: StandIn,
  measure: (host: Host, client: BenchClient) => Promise<T>,
): Promise<T> {
  let host: Host | undefined;
  try {
    host = await startOwnHost(directory, bundle, signal, model.env);
    const client = new BenchClient(host, CONNECTIONS);
    try {
      return await measure(host, client);
    } finally {
      client.close();
    }
  } finally {
    await host?.stop();
    await model.close();
  }
}

/** Searches by words and by meaning. */
async function measureMeaning(
  place: SecondPlace,
  { searchSizes, queries }: BenchOptions,
  failures: FailureTally,
): Promise<SearchReport> {
  const { signal, news } = place;
  news.line("search, by words and by meaning …", "quiet");
  return measureSecond(place, await startInstantEmbeddings(), ({ runtimePid }, client) => {
    const sessions = new BenchSessions(client, "bench-meaning", signal);
    const parts = { client, sessions, failures, runtimePid, signal, onProgress: news.progress };
    return measureSearch(parts, { sizes: searchSizes, queries, byMeaning: true });
  });
}

/** Update latency of a service that is connected to a model. */
async function measureModel(place: SecondPlace, count: number, failures: FailureTally): Promise<UpdateReport> {
  const { signal, news } = place;
  news.line("update, with a model that answers at once …", "quiet");
  return measureSecond(place, await startInstantModel(), ({ databaseUrl }, client) => {
    const summarizer = "a stand-in over HTTP";
    const sessions = new BenchSessions(client, "bench-model", signal);
    return measureUpdates({ summarizer, sessions, failures, databaseUrl, signal, onProgress: news.progress }, count);
  });
}

async function measureHost(
  host: Host,
  options: BenchOptions,
  signal: AbortSignal,
  news: Screen,
  failures: FailureTally,
  results: Results,
): Promise<void> {
  const client = new BenchClient(host, CONNECTIONS);
  const sessions = new BenchSessions(client, `bench-${Date.now().toString(36)}`, signal);
  const { databaseUrl, runtimePid } = host;
  const onProgress = news.progress;
  try {
    const hasQuery = await takesQuery(client);
    for (const section of options.only) {
      if (needsNoHost(section)) continue;
      news.line(`${section} …`, "quiet");
      if (section === "latency") {
        const parts = { client, sessions, failures, runtimePid, hasQuery, signal, onProgress };
        results.latency = await measureLatency(parts, options);
      } else if (section === "access") {
        const { adminKey, userToken, tenant } = host;
        const admin = adminKey === null ? null : { adminKey, tenant };
        const parts = { target: host, admin, userToken, runtimePid, sessions, failures, signal, onProgress };
        results.access = await measureAccess(parts, options);
      } else if (section === "search") {
        const parts = { client, sessions, failures, runtimePid, signal, onProgress };
        results.search = await measureSearch(parts, {
          sizes: options.searchSizes,
          queries: options.queries,
          byMeaning: false,
        });
      } else if (section === "slices") {
        const parts = { client, sessions, runtimePid, signal, onProgress };
        results.slices = await measureSlices(parts, options.sliceMessages);
      } else if (section === "update") {
        const summarizer = host.isOwn ? "the extractive summarizer" : "the summarizer that the service uses";
        const parts = { summarizer, sessions, failures, databaseUrl, signal, onProgress };
        results.update = await measureUpdates(parts, options.updates);
      } else {
        if (databaseUrl === undefined) continue;
        results.archiveSearch = await measureArchiveSearch(
          { databaseUrl, signal, onProgress },
          options.items,
          options.samples,
        );
      }
    }
  } finally {
    if (!host.isOwn) {
      news.line("erasing what the benchmark created …", "quiet");
      await sessions.eraseAll().catch((error: unknown) => failures.note("erasing", error));
    }
    client.close();
  }
}
