import { Client } from "pg";
import { expect } from "vitest";
import type { Service } from "../../scripts/dev/service.ts";
import type { Context } from "../../src/api/context.ts";
import type { Failure } from "../../src/api/job.ts";
import type { Message } from "../../src/api/message.ts";
import type { Summary } from "../../src/api/summary.ts";
import { missingFrom } from "../../tools/drills/load.ts";
import { call, eventually } from "./service.ts";

/** The longest that an append and a context may take while a summarizer is unavailable: far more than they take, and less than the summarizer's timeout. */
const MAX_MS = 2_800;
/** Attempts, their pauses, and the pause before a better summary is tried, on a busy machine. */
const OUTAGE_TIMEOUT_MS = 60_000;

/** Together they pass the threshold once; the turns during the outage do not pass it again. */
const SETTINGS = { summarizeAfterTokens: 1_000, keepRecentTokens: 300 };
const FIRST_TURNS = 16;
const LATER_TURNS = 3;

export interface Outage {
  readonly session: string;
  /** The reason that operators see under `/v1/admin/jobs`. */
  readonly reason: string;
  /** Called when the chat has its marked fallback, with the requests until then. */
  readonly atFallback: () => Promise<void> | void;
  /** Repairs the summarizer. */
  readonly heal: () => Promise<void> | void;
  /** The name of the summarizer afterwards. */
  readonly summarizer: string;
}

function turn(session: string, seq: number) {
  return {
    id: `${session}-${seq}`,
    role: seq % 2 === 1 ? "user" : "assistant",
    content: `Turn ${seq} of ${session}: crate ${7000 + seq} leaves for the harbour on Tuesday. ${"It is heavy and blue. ".repeat(8)}`,
  };
}

async function appendQuickly(service: Service, session: string, from: number, count: number): Promise<void> {
  const startedAt = performance.now();
  const append = await call(service, "POST", `/v1/sessions/${session}/messages`, {
    body: { messages: Array.from({ length: count }, (_, index) => turn(session, from + index)) },
  });
  expect(append.status).toBe(201);
  const { status, body } = await call<Context>(service, "GET", `/v1/sessions/${session}/context`);
  expect(status).toBe(200);
  expect(performance.now() - startedAt).toBeLessThan(MAX_MS);
  expect(missingFrom(body)).toEqual([]);
}

export async function newestSummary(service: Service, session: string): Promise<Summary | undefined> {
  const { body } = await call<{ data: Summary[] }>(service, "GET", `/v1/sessions/${session}/summaries?limit=1`);
  return body.data[0];
}

/** What operators see of one session. */
async function failuresOf(service: Service, session: string): Promise<Failure[]> {
  const { body } = await call<{ data: Failure[] }>(service, "GET", "/v1/admin/jobs?limit=100", {
    key: service.adminKey,
  });
  return body.data.filter((failure) => failure.session === session);
}

/**
 * A whole outage of the summarizer, as a chat experiences it: the chat continues, after a while has a marked extractive summary, and
 * the real one in its place when the summarizer is back, without a request. Nothing that was said is lost, operators see what
 * fails while it fails, and the archive finally has what the object has.
 */
export async function liveThrough(service: Service, outage: Outage): Promise<void> {
  const { session } = outage;
  await call(service, "POST", "/v1/sessions", { body: { id: session, settings: SETTINGS } });
  await appendQuickly(service, session, 1, FIRST_TURNS);
  for (let seq = FIRST_TURNS + 1; seq <= FIRST_TURNS + LATER_TURNS; seq += 1) {
    await appendQuickly(service, session, seq, 1);
  }

  const fallback = await eventually(
    "a marked fallback lands",
    () => newestSummary(service, session),
    OUTAGE_TIMEOUT_MS,
  );
  expect(fallback).toMatchObject({ degraded: true, summarizer: "extractive" });
  expect(fallback.items).not.toEqual([]);
  await outage.atFallback();
  await appendQuickly(service, session, FIRST_TURNS + LATER_TURNS + 1, 1);
  await eventually("operators see what fails", async () => {
    const [failure] = await failuresOf(service, session);
    return failure?.kind === "summarize" && failure.reason === outage.reason ? failure : undefined;
  });

  await outage.heal();
  const healed = await eventually(
    "a better summary takes its place",
    async () => {
      const summary = await newestSummary(service, session);
      return summary?.degraded === false ? summary : undefined;
    },
    OUTAGE_TIMEOUT_MS,
  );
  expect(healed).toMatchObject({ summarizer: outage.summarizer, throughSeq: fallback.throughSeq });
  await eventually("operators see it no more", async () =>
    (await failuresOf(service, session)).length === 0 ? true : undefined,
  );
  await expectAllKept(service, session, FIRST_TURNS + LATER_TURNS + 1, healed);
}

/** Runs one of several outages on one service, and adds its name to errors. */
export async function named(name: string, outage: () => Promise<void>): Promise<void> {
  try {
    await outage();
  } catch (error) {
    throw new Error(`While the summarizer ${name}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

async function expectAllKept(service: Service, session: string, headSeq: number, summary: Summary): Promise<void> {
  const { body } = await call<{ data: Message[] }>(service, "GET", `/v1/sessions/${session}/messages?limit=100`);
  const said = Array.from({ length: headSeq }, (_, index) => turn(session, index + 1));
  expect(body.data.map(({ id, role, content }) => ({ id, role, content }))).toEqual(said);
  await eventually("the archive has it", async () => {
    const state = await call<{ archived: boolean }>(service, "GET", `/v1/sessions/${session}`);
    return state.body.archived ? true : undefined;
  });
  const client = new Client({ connectionString: service.databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query(
      "select v.version, v.through_seq, v.degraded from summaries v join sessions using (epoch) where session = $1",
      [session],
    );
    expect(rows).toEqual([{ version: summary.version, through_seq: summary.throughSeq, degraded: false }]);
  } finally {
    await client.end();
  }
}
