import { signUserToken } from "../../scripts/dev/issuer.ts";
import { createAdminSend } from "../../scripts/keys/admin-api.ts";
// How one tenant's flood affects another tenant: a reader's latency alone, during the flood with limits, and during the flood without.
import { createdKeySchema } from "../../src/api/api-key.ts";
import { BenchClient, RequestFailure } from "./client.ts";
import type { FailureTally } from "./failures.ts";
import type { Host } from "./host.ts";
import { BenchSessions } from "./sessions.ts";
import { type Distribution, distributionOf } from "./statistics.ts";
import { createTalk } from "./talk.ts";

const PLACE = "flood";
/** Messages of the session that the watched tenant reads. */
const READS_PER_SECOND = 10;
const READ_MESSAGES = 50;
/** Enough connections that a read never waits for one while earlier reads stall. */
const READ_CONNECTIONS = 64;
/** Requests that the flooding user, of another tenant and with a token, keeps in progress: each answer starts the next request. */
const FLOOD_CONNECTIONS = 32;
/** Bytes of each request of the flood. */
const FLOOD_MESSAGES = 1;
/** The first seconds do not count: until its window is full, a limiter lets everything pass. */
const LEAD_SECONDS = 2;

interface FloodRow {
  readonly situation: string;
  /** Latency of the watched tenant's contexts, counted from the moment each was due. */
  readonly read: Distribution | null;
  /** What became of the flood's requests; null without a flood. */
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
  /** Starts a service of its own, with or without the limits at the edge. */
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

/** Creates the second tenant, whose user floods, and a key for it. */
async function makeTenant({ url, adminKey }: Host): Promise<string> {
  const send = createAdminSend({ url, adminKey: adminKey ?? "" });
  await send("POST", "/v1/admin/tenants", { tenant: "watched" });
  const body = { name: "benchmark", scopes: ["memory:read", "memory:write"] };
  return createdKeySchema.parse(await send("POST", "/v1/admin/tenants/watched/keys", body)).key;
}

/** The daily limits of users are off: the flood would reach them within a minute, and the limits at the edge are what is measured. */
async function openUsersDays({ url, adminKey, tenant }: Host): Promise<void> {
  const limits = { userMessagesPerDay: null, userTokensPerDay: null, userBytesPerDay: null, userSessionsPerDay: null };
  await createAdminSend({ url, adminKey: adminKey ?? "" })("PATCH", `/v1/admin/tenants/${tenant}`, { limits });
}

/** Reads at a fixed pace. A read that a stall delays counts from the moment it was due. */
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

/** Refusals are expected, because that is what the limits do. Any other failed request counts as a failure. */
function startFlood({ failures, signal }: FloodParts, client: BenchClient): Flood {
  let [stored, refused] = [0, 0];
  const over = new AbortController();
  const ending = AbortSignal.any([signal, over.signal]);
  const loop = async (at: number): Promise<void> => {
    const talk = createTalk(100 + at);
    for (let turn = 0; !ending.aborted; turn += 1) {
      const messages = Array.from({ length: FLOOD_MESSAGES }, talk);
      // The flood moves on to a new session now and then, so that none becomes full.
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
