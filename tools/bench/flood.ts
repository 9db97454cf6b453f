import { signUserToken } from "../../scripts/dev/issuer.ts";
import { createAdminSend } from "../../scripts/keys/admin-api.ts";
// What one tenant's flood does to another: a reader's latency alone, during the flood with limits, and without.
import { createdKeySchema } from "../../src/api/api-key.ts";
import { BenchClient, RequestFailure } from "./client.ts";
import type { FailureTally } from "./failures.ts";
import type { Host } from "./host.ts";
import { BenchSessions } from "./sessions.ts";
import { type Distribution, distributionOf } from "./statistics.ts";
import { createTalk } from "./talk.ts";

const PLACE = "flood";
/** Of the tenant that is watched. */
const READS_PER_SECOND = 10;
const READ_MESSAGES = 50;
/** A stall must hold up no read that comes after it for want of a connection. */
const READ_CONNECTIONS = 64;
/** Of one user of another tenant, with a token: who floods keeps so many requests under way, and begins the next as soon as one is answered. */
const FLOOD_CONNECTIONS = 32;
/** Of each request. */
const FLOOD_MESSAGES = 1;
/** What a limiter let pass before it closes is no steady state. */
const LEAD_SECONDS = 2;

interface FloodRow {
  readonly situation: string;
  /** The watched tenant's contexts, from the intended start. */
  readonly read: Distribution | null;
  /** Of the flood; null where there is none. */
  readonly storedPerSecond: number | null;
  readonly refusedPerSecond: number | null;
}

export interface FloodReport {
  readonly seconds: number;
  readonly connections: number;
  readonly rows: readonly FloodRow[];
}

export interface FloodParts {
  readonly failures: FailureTally;
  readonly signal: AbortSignal;
  readonly onProgress: (text: string) => void;
  /** Starts a service of its own, with the limits at the edge or without. */
  readonly start: (hasLimits: boolean) => Promise<Host>;
}

export async function measureFlood(parts: FloodParts, seconds: number): Promise<FloodReport> {
  const rows: FloodRow[] = [];
  for (const hasLimits of [true, false]) {
    parts.onProgress(`flood: a service with limits ${hasLimits ? "on" : "off"}`);
    const host = await parts.start(hasLimits);
    try {
      rows.push(...(await measureHost(parts, host, hasLimits, seconds)));
    } finally {
      await host.stop();
    }
  }
  return { seconds, connections: FLOOD_CONNECTIONS, rows };
}

async function measureHost(parts: FloodParts, host: Host, hasLimits: boolean, seconds: number): Promise<FloodRow[]> {
  const token = await signUserToken(host.issuerKey ?? "", { user: "mallory" });
  await openUsersDays(host);
  const watched = new BenchClient({ url: host.url, apiKey: await makeTenant(host) }, READ_CONNECTIONS);
  const flooding = new BenchClient({ url: host.url, apiKey: token }, FLOOD_CONNECTIONS);
  const limits = `limits ${hasLimits ? "on" : "off"}`;
  try {
    const sessions = new BenchSessions(watched, "watched", parts.signal);
    const id = sessions.name("one");
    await sessions.fill(id, READ_MESSAGES, createTalk(1));
    await read(parts, sessions, id, LEAD_SECONDS);
    const alone = await read(parts, sessions, id, seconds);
    const flood = startFlood(parts, flooding);
    try {
      await read(parts, sessions, id, LEAD_SECONDS);
      const before = flood.count();
      const during = await read(parts, sessions, id, seconds);
      const after = flood.count();
      const perSecond = (name: "stored" | "refused"): number => Math.round((after[name] - before[name]) / seconds);
      return [
        { situation: `alone, ${limits}`, read: alone, storedPerSecond: null, refusedPerSecond: null },
        {
          situation: `during the flood, ${limits}`,
          read: during,
          storedPerSecond: perSecond("stored"),
          refusedPerSecond: perSecond("refused"),
        },
      ];
    } finally {
      await flood.stop();
    }
  } finally {
    watched.close();
    flooding.close();
  }
}

/** A tenant beside that of the user who floods, with a key of its own. */
async function makeTenant({ url, adminKey }: Host): Promise<string> {
  const send = createAdminSend({ url, adminKey: adminKey ?? "" });
  await send("POST", "/v1/admin/tenants", { tenant: "watched" });
  const body = { name: "benchmark", scopes: ["memory:read", "memory:write"] };
  return createdKeySchema.parse(await send("POST", "/v1/admin/tenants/watched/keys", body)).key;
}

/** What is measured are the limits at the edge: a user's day would be over within a minute. */
async function openUsersDays({ url, adminKey, tenant }: Host): Promise<void> {
  const limits = { userMessagesPerDay: null, userTokensPerDay: null, userBytesPerDay: null, userSessionsPerDay: null };
  await createAdminSend({ url, adminKey: adminKey ?? "" })("PATCH", `/v1/admin/tenants/${tenant}`, { limits });
}

/** Reads at an even pace that waits for nobody: what a stall holds up counts from when it was due. */
async function read(
  { failures, signal, onProgress }: FloodParts,
  sessions: BenchSessions,
  id: string,
  seconds: number,
): Promise<Distribution | null> {
  const times: number[] = [];
  const beganAt = performance.now();
  const sent: Promise<void>[] = [];
  for (let index = 0; index < seconds * READS_PER_SECOND; index += 1) {
    signal.throwIfAborted();
    const dueAt = beganAt + (index * 1_000) / READS_PER_SECOND;
    await new Promise((resolve) => {
      setTimeout(resolve, Math.max(0, dueAt - performance.now()));
    });
    if (index % READS_PER_SECOND === 0) onProgress(`flood: ${index / READS_PER_SECOND} of ${seconds} s`);
    sent.push(
      sessions.context(id).then(
        () => void times.push(performance.now() - dueAt),
        (error: unknown) => failures.note(PLACE, error),
      ),
    );
  }
  await Promise.all(sent);
  return distributionOf(times);
}

interface Flood {
  count(): { readonly stored: number; readonly refused: number };
  stop(): Promise<void>;
}

/** A refusal is what the limits are for; any other failure counts as one. */
function startFlood({ failures, signal }: FloodParts, client: BenchClient): Flood {
  let [stored, refused] = [0, 0];
  const over = new AbortController();
  const ending = AbortSignal.any([signal, over.signal]);
  const loop = async (at: number): Promise<void> => {
    const talk = createTalk(100 + at);
    for (let turn = 0; !ending.aborted; turn += 1) {
      const messages = Array.from({ length: FLOOD_MESSAGES }, talk);
      // A new session now and then, so that none grows full.
      const path = `/v1/sessions/flood-${at}-${Math.floor(turn / 100)}/messages`;
      try {
        const { status } = await client.send("POST", path, JSON.stringify({ messages }), [201, 429]);
        if (status === 201) stored += 1;
        else refused += 1;
      } catch (error) {
        if (!(error instanceof RequestFailure) || !ending.aborted) failures.note(PLACE, error);
      }
    }
  };
  const loops = Promise.all(Array.from({ length: FLOOD_CONNECTIONS }, (_, at) => loop(at)));
  return {
    count: () => ({ stored, refused }),
    async stop() {
      over.abort();
      await loops;
    },
  };
}
