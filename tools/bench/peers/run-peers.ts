// Measures all memories, one after the other, on one PostgreSQL and one Redis.
import { chmodSync, mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { createDatabase } from "../../../scripts/dev/database.ts";
import { openRigDatabase } from "../../rig/database.ts";
import { makeBundle, makeRunDirectory, removeRunDirectory } from "../host.ts";
import { describeMachine, loadAverage } from "../machine.ts";
import { openAgentsSessions } from "./agents-sessions.ts";
import { openLangChainPostgres, openLangChainRedis } from "./langchain.ts";
import { openLangGraph } from "./langgraph.ts";
import { openMastraLibsql, openMastraPostgres } from "./mastra.ts";
import { type Measured, measurePeer } from "./measure.ts";
import { openOpenAiAgents } from "./openai-agents.ts";
import type { PeersOptions } from "./options.ts";
import type { OpenedPeer, Surroundings } from "./peer.ts";
import { openPlainPostgres } from "./plain-postgres.ts";
import { openPlainRedis } from "./plain-redis.ts";
import { startRedis } from "./redis-server.ts";
import type { PeerRow, PeersReport } from "./report.ts";
import { openThreadkeep } from "./threadkeep.ts";

/** In the order of the table. `--only` is compared with these names. */
const PEERS: Readonly<Record<string, (surroundings: Surroundings) => Promise<OpenedPeer>>> = {
  threadkeep: openThreadkeep,
  "agents/sessions": openAgentsSessions,
  "mastra libsql": openMastraLibsql,
  "mastra postgresql": openMastraPostgres,
  "langchain postgresql": openLangChainPostgres,
  "langchain redis": openLangChainRedis,
  "langgraph postgressaver": openLangGraph,
  "openai agents memorysession": openOpenAiAgents,
  "plain redis": openPlainRedis,
  "plain postgresql": openPlainPostgres,
};

export interface PeersNews {
  readonly signal: AbortSignal;
  readonly onStep: (text: string) => void;
}

export async function runPeers(
  { only, sizes, samples }: PeersOptions,
  { signal, onStep }: PeersNews,
): Promise<PeersReport> {
  const startedAt = new Date().toISOString();
  const machine = describeMachine();
  const directory = makeRunDirectory();
  const rows: PeerRow[] = [];
  const left: { name: string; why: string }[] = [];
  const faults: { name: string; fault: string }[] = [];
  const makeFolder = (name: string): string => {
    const folder = path.join(directory, name);
    mkdirSync(folder);
    chmodSync(folder, 0o755);
    return folder;
  };
  onStep("starting …");
  const bundleDir = await makeBundle(directory, signal);
  const database = await openRigDatabase(path.join(directory, "database"), signal);
  const redis = await startRedis(makeFolder("redis"));
  const surroundings: Surroundings = {
    async makeDatabase(name) {
      await createDatabase(database.ownerUrl, name);
      const url = new URL(database.ownerUrl);
      url.pathname = `/${name}`;
      return url.href;
    },
    redisUrl: redis?.url ?? null,
    makeFolder,
    bundleDir,
    signal,
  };
  try {
    for (const [name, open] of Object.entries(PEERS)) {
      if (only.length > 0 && !only.some((part) => name.includes(part))) continue;
      onStep(`${name} …`);
      const opened = await open(surroundings);
      if ("left" in opened) {
        left.push({ name: opened.name, why: opened.left });
        continue;
      }
      const { peer } = opened;
      const measured: Measured[] = [];
      try {
        for (const size of sizes) measured.push(await measurePeer(peer, size, samples, signal));
      } catch (error) {
        signal.throwIfAborted();
        faults.push({ name: peer.name, fault: error instanceof Error ? error.message : String(error) });
      } finally {
        await peer.close();
      }
      rows.push({ name: peer.name, where: peer.where, gives: peer.gives, keeps: peer.keeps, measured });
    }
  } finally {
    await redis?.stop();
    await database.stop();
    removeRunDirectory(directory);
  }
  const versions = { ...readVersions(), ...(redis === null ? {} : { "redis-server": redis.version }) };
  return { startedAt, machine, loadAverageAtEnd: loadAverage(), samples, versions, rows, left, faults };
}

/** The exact versions that the package pins. */
function readVersions(): Record<string, string> {
  const manifest: { dependencies: Record<string, string> } = JSON.parse(
    readFileSync(path.join(import.meta.dirname, "package.json"), "utf8"),
  );
  return manifest.dependencies;
}
